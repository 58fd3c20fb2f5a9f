"""Ports for servers that open them later."""

from __future__ import annotations

import socket
from pathlib import Path

from dialpost.sim.free_ports import free_port


def test_a_port_can_be_opened_and_is_given_once() -> None:
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_no_outgoing_connection_can_be_on_it() -> None:
    """Its end would hold the port for a minute after it closed."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(not first <= free_port() <= last for _ in range(50))
