"""Whether part of the configuration is unchanged: a digest that does not reveal the length of its secrets."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def digest(*sections: DataclassInstance) -> str:
    """Equal for equal sections, different for others."""
    return hashlib.sha256(repr([asdict(section) for section in sections]).encode()).hexdigest()
