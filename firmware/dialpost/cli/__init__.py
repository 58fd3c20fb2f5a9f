"""The command line: one face of the control API. It prints; the daemon decides."""
