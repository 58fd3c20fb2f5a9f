"""The configuration's methods. One editing session per connection: `config.open` begins it, and the end of the
connection closes it and discards what was not committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Method, NoParams

LEAST_CONFIRM_MIN, MOST_CONFIRM_MIN = 0.01, 1440.0
LONGEST_FILE = 1_000_000
LONGEST_VALUE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another editing session."""

    who: Annotated[str, "Who edits."]
    since_s: Annotated[int, "How long the session has been open."]
    changes: Annotated[int, "Number of changed keys."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a session finds."""

    session: Annotated[int, "Its number."]
    number: Annotated[int, "Number of the configuration it starts from; 0: none."]
    mode: Annotated[str, "`running`, `set-up` (no configuration yet) or `unreadable` (it can't be used)."]
    problems: Annotated[tuple[str, ...], "Why the configuration can't be used, a sentence each."]
    others: Annotated[tuple[Other, ...], "Who else has a session open."]


@dataclass(frozen=True, slots=True, kw_only=True)
class InSession:
    """The part that every answer in a session has."""

    changed: Annotated[bool, "Whether the candidate has changes that are not committed."] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(InSession):
    """Lines to show."""

    lines: Annotated[tuple[str, ...], "`key = value`, secrets masked; in a comparison with + or - before it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(InSession):
    """What a change did."""

    lines: Annotated[tuple[str, ...], "The differences."]
    words: Annotated[tuple[str, ...], "Remarks, a sentence each."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(InSession):
    """What is wrong with the candidate."""

    problems: Annotated[tuple[str, ...], "Why it can't be committed, a sentence each."]
    warnings: Annotated[tuple[str, ...], "Warnings about what works."]
    cuts: Annotated[tuple[str, ...], "Whom it would cut off."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed(InSession):
    """What a commit did."""

    number: Annotated[int, "Its number."]
    words: Annotated[tuple[str, ...], "What takes effect when, a sentence each."]
    problems: Annotated[tuple[str, ...], "Those of the words that say what could not be put into effect."]
    needs_confirm_s: Annotated[float | None, "When it is rolled back unless confirmed; null: it is kept."] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(InSession):
    """The configuration the candidate begins from."""

    number: Annotated[int, "Its number; 0: none."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebased(InSession):
    """What the changes are now based on."""

    number: Annotated[int, "The number of the newest configuration."]
    conflicts: Annotated[tuple[str, ...], "Keys changed on both sides; the session's value is kept."]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack(InSession):
    """An earlier configuration is the candidate."""

    number: Annotated[int, "Its number."]
    problems: Annotated[tuple[str, ...], "Why it can't be committed as it is."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One committed configuration."""

    number: Annotated[int, "Its number."]
    who: Annotated[str, "Who committed it."]
    when: Annotated[str, "Time of the commit in UTC, in words."]
    when_s: Annotated[int, "Time of the commit, in Unix seconds."]
    clock_trusted: Annotated[bool, "Whether the clock was right then."]
    comment: Annotated[str, "Why."]


@dataclass(frozen=True, slots=True, kw_only=True)
class History(InSession):
    """List the committed configurations."""

    commits: Annotated[tuple[Commit, ...], "Newest first."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded(InSession):
    """What happened to a text."""

    loaded: Annotated[bool, "Whether it is the candidate now."]
    problems: Annotated[tuple[str, ...], "What is wrong with it, a sentence each."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(InSession):
    """Return the candidate as a file."""

    text: Annotated[str, "TOML."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices(InSession):
    """Return what happened since the last request."""

    notices: Annotated[tuple[str, ...], "A sentence each."]
    others: Annotated[tuple[Other, ...], "Who else has a session open."]
    revert_in_s: Annotated[float | None, "When an unconfirmed commit is rolled back; null: there is none."]
    revert_number: Annotated[int | None, "Its number."]
    revert_is_mine: Annotated[bool, "Whether this session made it."]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenParams:
    """Of `config.open`."""

    who: Annotated[str, Setting("Who edits, for the history; by default the system user.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowParams:
    """Of `config.show`."""

    key: Annotated[str, Setting("A section, a key or an item of a list; by default everything.")] = ""
    all: Annotated[bool, Setting("Include defaults, if the candidate is usable.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParams:
    """Of `config.set`."""

    key: Annotated[str, Setting("The key.", example="smtp.max_recipients")]
    value: Annotated[str, Setting("Its value, as an operator types it.", maximum=LONGEST_VALUE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsetParams:
    """Of `config.unset`."""

    key: Annotated[str, Setting("The key, or an item of a list.", example="outbound.route[2]")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareParams:
    """Of `config.compare`."""

    number: Annotated[
        int | None,
        Setting(
            "A committed configuration; by default the one the session started from.",
            minimum=1,
            maximum=1_000_000_000,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitParams:
    """Of `config.commit`."""

    comment: Annotated[str, Setting("Comment for the history.")] = ""
    anyway: Annotated[bool, Setting("Commit even if it cuts somebody off.")] = False
    confirm_min: Annotated[
        float | None,
        Setting(
            "Roll it back unless it is confirmed within this time.",
            unit="minutes",
            minimum=LEAST_CONFIRM_MIN,
            maximum=MOST_CONFIRM_MIN,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackParams:
    """Of `config.rollback`."""

    number: Annotated[int, Setting("The configuration, from `config.history`.", minimum=1, maximum=1_000_000_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParams:
    """Of `config.load`."""

    text: Annotated[str, Setting("The whole file, TOML.", maximum=LONGEST_FILE, secret=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextParams:
    """Of `config.text`."""

    secrets: Annotated[bool, Setting("Include secrets.")] = False


OPEN = Method("config.open", "Start an editing session on this connection.", OpenParams, Opened)
SHOW = Method(
    "config.show",
    "Show the candidate: the configuration with the session's changes.",
    ShowParams,
    Lines,
    in_session=True,
)
SET = Method("config.set", "Change a key of the candidate.", SetParams, Changed, in_session=True)
UNSET = Method(
    "config.unset",
    "Reset a key to its default, or remove an item from a list.",
    UnsetParams,
    Changed,
    in_session=True,
)
COMPARE = Method("config.compare", "Show what the candidate changes.", CompareParams, Lines, in_session=True)
CHECK = Method(
    "config.check",
    "Check the candidate for faults, and report whom it would cut off.",
    NoParams,
    Checked,
    in_session=True,
)
COMMIT = Method(
    "config.commit",
    "Put the candidate into effect, durably and under a new number.",
    CommitParams,
    Committed,
    in_session=True,
)
CONFIRM = Method(
    "config.confirm", "Keep what was committed pending confirmation.", NoParams, Numbered, in_session=True
)
DISCARD = Method("config.discard", "Discard the session's changes.", NoParams, Numbered, in_session=True)
REBASE = Method(
    "config.rebase", "Apply the changes on top of the newest configuration.", NoParams, Rebased, in_session=True
)
ROLLBACK = Method(
    "config.rollback", "Make an earlier configuration the candidate.", RollbackParams, RolledBack, in_session=True
)
HISTORY = Method("config.history", "List the committed configurations.", NoParams, History, in_session=True)
LOAD = Method("config.load", "Make a text the candidate.", LoadParams, Loaded, in_session=True)
TEXT = Method("config.text", "Return the candidate as a file.", TextParams, Text, in_session=True)
NOTICES = Method(
    "config.notices", "Return what happened since the last request.", NoParams, Notices, in_session=True
)

METHODS = (
    OPEN,
    SHOW,
    SET,
    UNSET,
    COMPARE,
    CHECK,
    COMMIT,
    CONFIRM,
    DISCARD,
    REBASE,
    ROLLBACK,
    HISTORY,
    LOAD,
    TEXT,
    NOTICES,
)
