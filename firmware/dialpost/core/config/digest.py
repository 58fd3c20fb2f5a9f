"""Whether a part of the configuration is the one it was: a digest that tells nothing of its secrets' length."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def digest(*sections: DataclassInstance) -> str:
    """The same for equal sections, another for others."""
    return hashlib.sha256(repr([asdict(section) for section in sections]).encode()).hexdigest()
