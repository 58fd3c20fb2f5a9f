"""Whether an update may be installed: made for this kind of board, and not older than the running release.

An older release would not understand a database that a newer one has migrated, so an update can't go back: the
other slot is the way back, until the next update overwrites it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.amounts import moment_words, whole_number
from dialpost.core.json_value import JsonValue

BOARD = "dialpost-arm64"


@dataclass(frozen=True, slots=True)
class Release:
    """The release in an update, or the running one. `built_s`: Unix seconds of its source, 0 if unknown."""

    board: str
    version: str
    built_s: int

    @property
    def name(self) -> str:
        """The release for people: two builds of one version differ in their date (UTC)."""
        if not self.built_s:
            return self.version
        return f"{self.version} of {moment_words(self.built_s)}"


def release_in(info: JsonValue) -> Release:
    """The release in a bundle, from `rauc info --output-format=json`. Raises: ValueError."""
    if not isinstance(info, dict):
        raise ValueError("it does not say what it is")
    board, version, build = info.get("compatible"), info.get("version"), info.get("build")
    built_s = whole_number(build) if isinstance(build, str) else None
    if not (isinstance(board, str) and isinstance(version, str)) or built_s is None:
        raise ValueError("it does not say which board it is for and when it was built")
    return Release(board, version, built_s)


def running_release(os_release: str) -> Release:
    """The running release, from the text of /etc/os-release (os-release(5)). Raises: ValueError elsewhere."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    plain = {key: value.strip("\"'") for key, value in values.items()}
    if plain.get("IMAGE_ID") != "dialpost":
        raise ValueError("this machine does not run the station's image")
    build = plain.get("BUILD_ID", "")
    return Release(BOARD, plain.get("IMAGE_VERSION", "unknown"), whole_number(build) or 0)


def refusal(update: Release, running: Release) -> str:
    """Why it may not be installed, a sentence; "" if it may."""
    if update.board != running.board:
        return f"This update is for {update.board}; the station is {running.board}."
    if update.built_s < running.built_s:
        return (
            f"This update (version {update.name}) is older than what runs (version {running.name}): its "
            "programs might not be able to read the mail queue."
        )
    return ""
