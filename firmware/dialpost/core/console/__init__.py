"""The console: what a person at a serial line, over ssh or at a local terminal types and reads. Bytes and lines."""
