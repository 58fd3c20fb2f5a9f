"""The card: cut off at a system call, recorded write by write, filled, and judged afterwards."""
