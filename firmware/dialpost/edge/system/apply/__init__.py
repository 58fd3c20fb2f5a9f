"""The root side of applying the configuration, run by `dialpost-apply.service` as `python3 -P -m ...`.

Reads one file that is not root's, renders the system's settings (core/system/apply), writes them to a fixed list of
places and notifies the services. Takes no other input.
"""

from __future__ import annotations

from dialpost.edge.system.apply.place import Place
from dialpost.edge.system.apply.run import apply, preview

__all__ = ["Place", "apply", "preview"]
