"""Commands about the machine: daemon, doctor, status, apply, boot, update."""
