"""Free ports for servers that must know theirs beforehand."""

from dialpost.sim.free_ports import free_port

__all__ = ["free_port"]
