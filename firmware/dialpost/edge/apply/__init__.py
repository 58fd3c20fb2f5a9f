"""The root side of applying the configuration: `dialpost-apply.service` runs `python3 -P -m dialpost.edge.apply`.

Reads one file that is not root's, renders what the system shall have (core/apply), writes it to a fixed list of
places and tells the services. Takes nothing else from anybody.
"""

from __future__ import annotations

from dialpost.edge.apply.place import Place
from dialpost.edge.apply.run import apply, preview

__all__ = ["Place", "apply", "preview"]
