"""What is done to the station in the crash proof, and what the world may see of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum


class Op(Enum):
    """One operation. Each is acknowledged when it is over: what it changed lasts from there on."""

    ACCEPT = "accept"
    ACCEPT_BIG = "accept a big one"
    DELIVER = "deliver"
    OUTCOME = "outcome"
    DELETE = "delete"
    COMMIT = "commit"
    START = "killed and started"
    STOP = "stopped and started"
    FILL = "fill the log"


ALPHABET = tuple(op for op in Op if op is not Op.FILL)
"""What the sequences are made of. `FILL` prepares a station whose database is about to take over its log."""


class How(Enum):
    """What becomes of the writes."""

    LAZY = "on ext4"
    EAGER = "on ext4, written at once"
    STRICT = "by POSIX alone"
    TWICE = "by POSIX alone, and the start after it cut again"


class Fate(Enum):
    """Of one recipient. A message's fate is that of its mailbox here and that of its recipient in the world."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DELETED = "deleted"


Fates = tuple[Fate, Fate]


@dataclass(frozen=True, slots=True)
class World:
    """What has been promised: each message's fate, and which configuration is active."""

    messages: Mapping[str, Fates] = field(default_factory=dict)
    config: int = 0

    def after(self, op: Op, target: str) -> World:
        """What `op` makes of it. `target`: the message it is about."""
        messages = dict(self.messages)
        if op in (Op.ACCEPT, Op.ACCEPT_BIG):
            messages[target] = (Fate.WAITING, Fate.WAITING)
        elif op is Op.DELIVER:
            messages = {name: (_unless_deleted(here), far) for name, (here, far) in messages.items()}
        elif op is Op.OUTCOME and target:
            messages[target] = (messages[target][0], Fate.DELIVERED)
        elif op is Op.DELETE and target:
            here, far = messages[target]
            messages[target] = (_deleted(here), _deleted(far))
        return replace(self, messages=messages, config=self.config + (op is Op.COMMIT))


def _unless_deleted(fate: Fate) -> Fate:
    return Fate.DELIVERED if fate is Fate.WAITING else fate


def _deleted(fate: Fate) -> Fate:
    return Fate.DELETED if fate is Fate.WAITING else fate


@dataclass(slots=True)
class Step:
    """One operation as it was recorded: between which numbers of writes, and what it made of the world."""

    op: Op
    begun: int
    before: World
    after: World
    done: int | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """What may be there: the world after the last acknowledged operation, or that after the one under way."""

    sure: World
    maybe: World

    @property
    def configs(self) -> set[int]:
        """The numbers of which the configuration has one."""
        return {self.sure.config, self.maybe.config}

    def fates(self, name: str) -> set[Fates | None]:
        """Those this message may have; None: not here. All local mail is delivered before anybody looks."""
        found = {self.sure.messages.get(name), self.maybe.messages.get(name)}
        return {None if fates is None else (_unless_deleted(fates[0]), fates[1]) for fates in found}

    @property
    def names(self) -> set[str]:
        """All messages there may be."""
        return {*self.sure.messages, *self.maybe.messages}


def promise_before(steps: list[Step], entry: int) -> tuple[int, Promise]:
    """What is promised by cards that keep what came before this entry, or a part of what is not flushed; and its
    number.
    """
    last = max(index for index, step in enumerate(steps) if step.done is not None and step.done <= entry)
    following = last + 1
    if following < len(steps) and steps[following].begun <= entry:
        return 2 * following + 1, Promise(steps[last].after, steps[following].after)
    return 2 * following, Promise(steps[last].after, steps[last].after)
