"""The console: what an operator types and reads at a serial line, over ssh or at a terminal. Bytes and lines."""
