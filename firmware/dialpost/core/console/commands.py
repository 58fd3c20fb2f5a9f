"""Every console command, declared once: its words, its arguments, what it does.

Parsing, Tab, "?", `help` and docs/console.md are made from this table. A face is a command of the `dialpost`
command line: the same words, the same code. Every other command has a function in `cli/console/machine`,
`cli/console/config` or `cli/console/setup`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Source(Enum):
    """Where the possible words for an argument come from."""

    NONE = "anything"
    KEY = "a key of the configuration"
    VALUE = "a value of the key before it"
    PART = "a section or a key"
    NUMBER = "the number of a committed configuration"
    ACCOUNT = "an account"
    QUEUE_ID = "a message in the queue"
    STICK_FILE = "a configuration on a USB stick"
    UPDATE_FILE = "an update on a USB stick"
    COMMAND = "a command, or a key"
    RECORD_TYPE = "a DNS record type"


class Group(Enum):
    """The sections of the help."""

    CONFIGURATION = "The configuration: nothing takes effect before `commit`"
    STATION = "The station"
    LINE = "The line and the hardware"
    CONSOLE = "This session and this machine"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. `rest`: everything up to the end of the line, as it is typed."""

    name: str
    source: Source = Source.NONE
    required: bool = True
    rest: bool = False

    @property
    def usage(self) -> str:
        """NAME, or [NAME] if it may be left out."""
        return self.name if self.required else f"[{self.name}]"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `help` is one line, `more` is what else an operator should know.

    `face`: the words of the `dialpost` command that does it; everything after them is passed to it unchanged,
    options too.
    """

    group: Group
    words: tuple[str, ...]
    help: str
    arguments: tuple[Argument, ...] = ()
    more: str = ""
    face: tuple[str, ...] = ()
    is_paged: bool = True

    @property
    def name(self) -> str:
        """Its words as typed."""
        return " ".join(self.words)

    @property
    def usage(self) -> str:
        """Words and arguments."""
        return " ".join((self.name, *(argument.usage for argument in self.arguments)))


_KEY = Argument("KEY", Source.KEY)
_NUMBER = Argument("NUMBER", Source.NUMBER)
_FILE = Argument("NAME", Source.STICK_FILE, required=False)
_ID = Argument("ID", Source.QUEUE_ID)
_MAYBE_ID = Argument("ID", Source.QUEUE_ID, required=False)
_MAYBE_ADDRESS = Argument("ADDRESS", required=False)
_ACCOUNT = Argument("NAME", Source.ACCOUNT)
_OPTIONS = Argument("OPTIONS", required=False)


def _config(words: str, help: str, *arguments: Argument, more: str = "", is_paged: bool = True) -> Command:
    return Command(Group.CONFIGURATION, tuple(words.split()), help, arguments, more, (), is_paged)


def _own(group: Group, words: str, help: str, *arguments: Argument, more: str = "") -> Command:
    return Command(group, tuple(words.split()), help, arguments, more, (), True)


def _face(
    group: Group, words: str, help: str, *arguments: Argument, face: str = "", is_paged: bool = True, more: str = ""
) -> Command:
    return Command(group, tuple(words.split()), help, arguments, more, tuple((face or words).split()), is_paged)


_S, _L, _C = Group.STATION, Group.LINE, Group.CONSOLE

COMMANDS: tuple[Command, ...] = (
    _config(
        "show",
        "your candidate: the configuration with your changes, secrets masked",
        Argument("SECTION|KEY", Source.PART, required=False),
    ),
    _config("show all", "the same, including every default", Argument("SECTION|KEY", Source.PART, required=False)),
    _config(
        "set",
        "change a key in your candidate",
        _KEY,
        Argument("VALUE", Source.VALUE, required=False, rest=True),
        more="Text needs no quotes, a list is separated by commas, yes and no mean true and false. KEY[2] is "
        "the second item of a list; the number after the last adds one. Without VALUE the console asks for it; "
        "for a secret it always asks, twice, and never shows it. Values are checked at once.",
    ),
    _config(
        "unset",
        "reset a key to its default, or remove an item from a list",
        _KEY,
        more="KEY[2] removes the second item.",
    ),
    _config(
        "explain",
        "what a key means, its type and its default; without KEY, the sections",
        Argument("SECTION|KEY", Source.PART, required=False),
    ),
    _config(
        "compare",
        "what your candidate changes; with NUMBER, how it differs from that configuration",
        Argument("NUMBER", Source.NUMBER, required=False),
    ),
    _config("check", "check your candidate for faults, and show whom it would cut off"),
    _config(
        "commit",
        "put your candidate into effect, durably and under a new number",
        more="It takes effect at once or with the next call; the console says which. If it would cut off the "
        "LAN or this console, the console says so first and asks. Other sessions are notified.",
    ),
    _config(
        "commit confirm",
        "the same, but it is rolled back unless you `confirm` in time",
        Argument("MINUTES"),
        more="If the session ends or drops before `confirm`, the change is rolled back at once, so a change that "
        "locks you out undoes itself.",
    ),
    _config("commit comment", "like commit, with a comment for the history", Argument("TEXT", rest=True)),
    _config("confirm", "keep what `commit confirm` put into effect"),
    _config("discard", "drop your changes"),
    _config(
        "rebase",
        "apply your changes on top of what somebody else committed meanwhile",
        more="Where both changed the same key, yours wins and is listed.",
    ),
    _config("rollback", "make an earlier configuration your candidate; then `compare` and `commit`", _NUMBER),
    _config("history", "committed configurations: number, when, who, why"),
    _config(
        "save to usb",
        "save the current configuration to a USB stick",
        _FILE,
        more="The file contains secrets, so that it can be restored completely: keep the stick where you keep "
        "passwords. Once the command finishes you can pull the stick. An existing file is never overwritten.",
    ),
    _config("save to screen", "print your candidate for copying, secrets masked", is_paged=False),
    _config(
        "restore from usb",
        "make a configuration on a USB stick your candidate",
        _FILE,
        more="Without NAME, the newest one on the stick. Nothing takes effect before `commit`.",
    ),
    _config(
        "restore from paste",
        "make pasted text your candidate; a line with only a dot ends it",
        more="Paste what `save to screen` or `show` printed, or a whole file. Secrets that are masked in the "
        "text keep their current values. Ctrl-C cancels.",
    ),
    _face(_S, "status", "what the station is doing, what is waiting, what needs attention", _OPTIONS),
    _face(
        _S,
        "call now",
        "dial, fetch and send, and show progress (Ctrl-C stops the display)",
        _OPTIONS,
        is_paged=False,
    ),
    _face(_S, "call cancel", "hang up after the current message", _OPTIONS),
    _face(_S, "call stop", "hang up at once; an interrupted message is resent", face="call cancel --now"),
    _face(_S, "call history", "the last calls, newest first", _OPTIONS),
    _face(_S, "call show", "everything known about one call", Argument("NO", required=False), _OPTIONS),
    _face(_S, "call forecast", "how long a call made now would take", _OPTIONS),
    _face(_S, "call budget", "minutes and money used", _OPTIONS),
    _face(_S, "call learned", "what calls taught about the provider, and how long they wait", _OPTIONS),
    _face(_S, "queue list", "waiting messages, oldest first", Argument("ADDRESS", required=False), _OPTIONS),
    _face(_S, "queue show", "everything known about one message", _ID, _OPTIONS),
    _face(_S, "queue retry", "retry at the next opportunity (--all: everything)", _MAYBE_ID, _OPTIONS),
    _face(_S, "queue hold", "hold messages until you release them", _MAYBE_ID, _MAYBE_ADDRESS, _OPTIONS),
    _face(_S, "queue release", "release held messages", _MAYBE_ID, _MAYBE_ADDRESS, _OPTIONS),
    _face(_S, "queue delete", "delete messages; asks first", _MAYBE_ID, _MAYBE_ADDRESS, _OPTIONS),
    _face(_S, "inbound list", "messages left in mailboxes at providers, and why", _OPTIONS),
    _face(_S, "inbound fetch", "fetch a message in the next call, whatever its size", Argument("ID")),
    _face(_S, "inbound drop", "delete a message at the provider; asks first", Argument("ID"), _OPTIONS),
    _face(_S, "trace", "where a message is, in words", Argument("ID|ADDRESS|MESSAGE-ID"), _OPTIONS),
    _face(_S, "account list", "the mailboxes", _OPTIONS),
    _face(_S, "account add", "create a mailbox; asks for its password", Argument("NAME"), _OPTIONS),
    _face(_S, "account passwd", "change a mailbox's password", _ACCOUNT, _OPTIONS),
    _face(_S, "account edit", "addresses, name, quota; lock and unlock", _ACCOUNT, _OPTIONS),
    _face(_S, "account delete", "delete a mailbox; shows what is in it", _ACCOUNT, _OPTIONS),
    _face(_S, "alias list", "aliases and groups", _OPTIONS),
    _face(_S, "alias add", "create an alias or a group", Argument("ADDRESS"), Argument("TARGET", rest=True)),
    _face(_S, "alias edit", "add or remove an alias's targets", Argument("ADDRESS"), _OPTIONS),
    _face(_S, "alias delete", "delete an alias", Argument("ADDRESS")),
    _own(_S, "summary", "show the page to print: mail programs, ports, lights, where files are"),
    _own(_S, "summary save", "save that page to a USB stick"),
    _own(_S, "log", "the newest lines of the station's log", Argument("LINES", required=False)),
    _face(_L, "doctor", "check whether everything is set up for mail to arrive", _OPTIONS),
    _face(_L, "modem list", "the modem profiles", Argument("NAME", required=False)),
    _face(_L, "modem countries", "redial rules by country", Argument("NAME", required=False)),
    _face(_L, "modem probe", "find the modem's port and its profile", _OPTIONS, is_paged=False),
    _face(_L, "modem test", "test everything a call needs", _OPTIONS, is_paged=False),
    _face(_L, "modem allow-pin", "allow another attempt with a refused PIN", is_paged=False),
    _face(_L, "modem terminal", "talk to the modem yourself; Ctrl-] leaves", _OPTIONS, is_paged=False),
    _face(_L, "board list", "the boards Dialpost knows, and which one this is"),
    _face(_L, "board show", "which pin does what, and why", Argument("NAME", required=False)),
    _face(
        _L,
        "board test",
        "light each LED, then echo the button (no calls meanwhile)",
        Argument("NAME", required=False),
        _OPTIONS,
        is_paged=False,
    ),
    _own(_L, "ping", "check whether a host can be reached (does not dial)", Argument("HOST")),
    _own(
        _L,
        "lookup",
        "look up a name in DNS (does not dial)",
        Argument("NAME"),
        Argument("TYPE", Source.RECORD_TYPE, required=False),
    ),
    _own(
        _C,
        "help",
        "this list, or help on one command or key",
        Argument("COMMAND|KEY", Source.COMMAND, required=False, rest=True),
    ),
    _own(
        _C,
        "setup",
        "the set-up wizard, with the current answers as defaults",
        more="Enter keeps an answer. Nothing takes effect until you accept the review page with yes.",
    ),
    _own(_C, "who", "who else is at a console, and who has uncommitted changes"),
    _own(_C, "password", "change the console's password"),
    _face(
        _C,
        "update",
        "install a release from a USB stick (`update usb`) or an http:// address; without FILE: show the state",
        Argument("FILE", Source.UPDATE_FILE, required=False),
        _OPTIONS,
        is_paged=False,
        more="The release is verified and written to the inactive slot; it starts with the next `reboot`. It has "
        "three starts to prove itself. Otherwise the station rolls back to the previous release, and the fault "
        "light, this console and a letter report it. Mail, accounts and configuration stay.",
    ),
    _own(_C, "exit", "leave; drops uncommitted changes, after asking"),
    _own(_C, "shutdown", "shut down the machine so that you can switch off its power"),
    _own(_C, "reboot", "restart the machine"),
    _own(_C, "factory-reset", "erase everything: mail, accounts, configuration; asks twice"),
)

RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
