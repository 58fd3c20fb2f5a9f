"""The control socket: one API for every face (command line, console, later a web page).

The methods are declared in `core/control`; docs/control-api.md is made from the same declarations.

A UNIX stream socket. One request per line, as JSON: `{"method": NAME, "params": {...}}`. The answer is any number
of `{"event": VALUE}` lines and then one of `{"result": VALUE}` or `{"error": TEXT, "kind": CLASS}`. Who may ask
depends on the peer's user as the kernel reports it (SO_PEERCRED): root, the daemon's own user, and members of the
daemon's group.

A connection may send several requests, one after the other. One that is silent for a minute is closed, unless a
method asked for it to stay open (an editing session); that method is notified when the connection is gone.

`server.ControlServer` is for the daemon; it is not imported here, because commands need no asyncio. `ControlClient`
is for short-lived commands, `ControlConnection` for many requests over one connection.
"""

from dialpost.edge.control_socket.client import ControlClient, ControlConnection

SOCKET_NAME = "control.sock"

__all__ = ["SOCKET_NAME", "ControlClient", "ControlConnection"]
