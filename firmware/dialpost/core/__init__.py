"""Decisions and protocols. Pure: no asyncio, sockets, files, clocks or logging; `now` is passed in."""
