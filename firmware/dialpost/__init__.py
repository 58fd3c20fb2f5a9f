"""Dialpost: a mail station for places whose line to the world is dialled.

The packages: `core` decides and speaks protocols without I/O, `edge` touches one outside thing per file, `flow` is
what happens over time, `sim` is a simulated world, `cli` is one face of the control API. `daemon`, `station` and
the modules beside them wire it all together. See docs/flow.md.
"""

__version__ = "0.1.0"
