"""The root side of applying the configuration, run by `dialpost-apply.service` as `python3 -P -m ...`.

Reads one file that is not root's, renders what the system shall have (core/system/apply), writes it to a fixed list
of places and tells the services. Takes nothing else from anybody.
"""

from __future__ import annotations

from dialpost.edge.system.apply.place import Place
from dialpost.edge.system.apply.run import apply, preview

__all__ = ["Place", "apply", "preview"]
