"""What the image's tests change on a slot is there to be changed: they run seldom, and the tree moves."""

from __future__ import annotations

from pathlib import Path

from image.rig.bundles import FORMATS, SCHEMA

import dialpost


def test_the_queues_formats_are_where_the_updates_of_the_tests_change_them() -> None:
    assert (Path(dialpost.__file__).parent / SCHEMA).read_text().count(FORMATS) == 1
