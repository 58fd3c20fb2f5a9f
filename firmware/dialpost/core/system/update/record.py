"""The outcome of the last update: one record on the card, written by root, read by the station.

`dialpost update` makes it (INSTALLED) when the new release is written; `dialpost-health.service` judges it at a
later start: PROVEN when the new release was well for long enough, ROLLED_BACK when a slot other than the wanted one
runs, which happens only after the new one used up its tries or could not be loaded. FELL_BACK is the same much
later: a release that was once proven can no longer be started (a worn card), and the previous one runs.

TRYING, between INSTALLED and PROVEN, is shown but never written: it follows from the current start
(`UpdateRecord.now`), and the previous release, should it come back, would not know the word.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import Enum

from dialpost.core.json_text import parse_object
from dialpost.core.system.boot.state import Slot


class UpdateState(Enum):
    """The progress of an update."""

    INSTALLED = "installed"
    TRYING = "trying"
    PROVEN = "proven"
    ROLLED_BACK = "rolled-back"
    FELL_BACK = "fell-back"


@dataclass(frozen=True, slots=True)
class UpdateRecord:
    """`id` distinguishes updates; `version` is the new release's name, `before` that of the one that wrote it;
    `boot_id` is the kernel's id of the start in which it was written.
    """

    id: str
    state: UpdateState
    version: str
    before: str
    slot: Slot
    boot_id: str

    def judged(self, running: Slot, boot_id: str, *, is_well: bool) -> UpdateRecord:
        """The record after a check of a start: which slot runs, and whether that start counts as healthy."""
        if self.state is UpdateState.PROVEN and running is not self.slot:
            return replace(self, state=UpdateState.FELL_BACK, id=f"{self.id}-fell-back")  # a separate piece of news
        if self.state is not UpdateState.INSTALLED or boot_id == self.boot_id:
            return self
        if running is not self.slot:
            return replace(self, state=UpdateState.ROLLED_BACK)
        return replace(self, state=UpdateState.PROVEN) if is_well else self

    def now(self, running: Slot, boot_id: str) -> UpdateRecord:
        """The record as of this start, for people: a running release no longer "begins with the next start"."""
        seen = self.judged(running, boot_id, is_well=False)
        is_tried = seen.state is UpdateState.INSTALLED and boot_id != self.boot_id
        return replace(seen, state=UpdateState.TRYING) if is_tried else seen

    @property
    def is_trouble(self) -> bool:
        """Whether it needs the operator."""
        return self.state in {UpdateState.ROLLED_BACK, UpdateState.FELL_BACK}

    @property
    def words(self) -> str:
        """In words, a sentence or two."""
        return _WORDS[self.state].format(version=self.version, before=self.before)

    @property
    def letter(self) -> tuple[str, str] | None:
        """Subject and text for the postmaster; None if there is nothing to report yet."""
        found = _LETTERS.get(self.state)
        if found is None:
            return None
        subject, text = found
        return subject, text.format(version=self.version, before=self.before)

    def render(self) -> bytes:
        """The file."""
        values = {
            "id": self.id,
            "state": self.state.value,
            "version": self.version,
            "before": self.before,
            "slot": self.slot.value,
            "boot_id": self.boot_id,
        }
        return json.dumps(values).encode() + b"\n"


def parse(data: bytes) -> UpdateRecord | None:
    """The record in a file; None if it is not a record."""
    try:
        values = parse_object(data)
        texts = {name: str(values[name]) for name in ("id", "version", "before", "boot_id")}
        return UpdateRecord(state=UpdateState(values["state"]), slot=Slot(values["slot"]), **texts)
    except (ValueError, KeyError, TypeError):
        return None


_WORDS = {
    UpdateState.INSTALLED: (
        "Version {version} is installed and begins with the next start (`reboot`). It has three starts to prove "
        "itself; otherwise version {before} comes back."
    ),
    UpdateState.TRYING: (
        "Version {version} runs and is on trial: after two minutes without a fault it is kept. Leave the "
        "station on, and do not restart it meanwhile: each restart uses up one of its three starts, and after "
        "them version {before} comes back."
    ),
    UpdateState.PROVEN: "The update to version {version} is complete: it runs without faults.",
    UpdateState.ROLLED_BACK: (
        "The update to version {version} did not prove itself: version {before} runs again. `update` marks this as "
        "read."
    ),
    UpdateState.FELL_BACK: (
        "Version {version} no longer starts: version {before}, the one before it, runs instead. The "
        "card may be worn out. `update` marks this as read."
    ),
}
_LETTERS = {
    UpdateState.PROVEN: (
        "The station runs a new release",
        "The station was updated to version {version}. It runs without faults; mail, accounts and\n"
        "configuration are as they were. Before, it ran version {before}.\n\n"
        "There is nothing to do.\n",
    ),
    UpdateState.ROLLED_BACK: (
        "The station's update was rolled back",
        "The update to version {version} did not prove itself: it could not be started,\n"
        "or it had faults in each of its three tries. The station has gone back to\n"
        "version {before}. Mail, accounts and configuration are as they were.\n\n"
        "What to do: nothing is urgent. Ask whoever gave you the update for a better\n"
        "one. The fault light keeps flashing until somebody types `update` at\n"
        "the console, which marks it as read.\n",
    ),
    UpdateState.FELL_BACK: (
        "The station runs an older release",
        "Version {version} ran well for a while, and now it does not start. The\n"
        "station runs the release before it, {before}. This happens when the power\n"
        "fails at every start, or when the card wears out. Mail, accounts and\n"
        "configuration are as they were.\n\n"
        "What to do: save the configuration to a USB stick (`save to usb` at the\n"
        "console), install the newer release again, and have a new card ready. The\n"
        "fault light keeps flashing until somebody types `update` at the\n"
        "console, which marks it as read.\n",
    ),
}
