"""Every command of the console, declared once: its words, its arguments, what it does.

Parsing, Tab, "?", `help` and docs/console.md are made from this table; `cli/console/shell` has one function for
each command that is no `face`. A face is a command of the `dialpost` command line: the same words, the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Source(Enum):
    """Where the words come from that may stand for an argument."""

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
    """The chapters of the help."""

    CONFIGURATION = "The configuration: nothing counts before `commit`"
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
        """NAME, or [NAME] where it may be left out."""
        return self.name if self.required else f"[{self.name}]"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `help` is a line, `more` what else an operator should know.

    `face`: the words of the `dialpost` command that does it; what follows goes to it unchanged, options too.
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
        """Its words as one types them."""
        return " ".join(self.words)

    @property
    def usage(self) -> str:
        """Words and arguments."""
        return " ".join((self.name, *(argument.usage for argument in self.arguments)))


_KEY = Argument("KEY", Source.KEY)
_NUMBER = Argument("NUMBER", Source.NUMBER)
_FILE = Argument("NAME", Source.STICK_FILE, required=False)
_ID = Argument("ID", Source.QUEUE_ID)
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
        "your candidate: the configuration with your changes, secrets blotted out",
        Argument("SECTION|KEY", Source.PART, required=False),
    ),
    _config("show all", "the same with every default", Argument("SECTION|KEY", Source.PART, required=False)),
    _config(
        "set",
        "change a key in your candidate",
        _KEY,
        Argument("VALUE", Source.VALUE, required=False, rest=True),
        more="Texts need no quotes, a list is separated by commas, yes and no stand for true and false. An item of "
        "a list is KEY[2]; the next one adds it. Without VALUE it is asked for; a secret always is, twice, and is "
        "never shown. What is allowed is checked at once.",
    ),
    _config(
        "unset",
        "put a key back to its default, or take an item off a list",
        _KEY,
        more="KEY[2] takes off the second item.",
    ),
    _config("explain", "what a key means, what it may be, its default", Argument("KEY", Source.PART)),
    _config(
        "compare",
        "what your candidate changes; with NUMBER, how it differs from that configuration",
        Argument("NUMBER", Source.NUMBER, required=False),
    ),
    _config("check", "what is wrong with your candidate, and whom it would cut off"),
    _config(
        "commit",
        "put your candidate in force, durably and under a new number",
        more="It counts at once or with the next call; what counts when is said. Where it would cut off the LAN or "
        "this console, that is said first and asked. Other sessions are told.",
    ),
    _config(
        "commit confirm",
        "the same, but the old configuration comes back unless you `confirm` in time",
        Argument("MINUTES"),
        more="A session that ends or breaks off before `confirm` counts as no confirmation: the old configuration "
        "comes back at once. So a change that locks you out undoes itself.",
    ),
    _config(
        "commit comment", "the same as commit, with a word about why in the history", Argument("TEXT", rest=True)
    ),
    _config("confirm", "keep what `commit confirm` put in force"),
    _config("discard", "forget your changes"),
    _config(
        "rebase",
        "put your changes on top of what somebody else committed meanwhile",
        more="Where the same key was changed on both sides yours stands, and is named.",
    ),
    _config("rollback", "make an earlier configuration your candidate; then `compare` and `commit`", _NUMBER),
    _config("history", "the configurations committed: number, when, who, why"),
    _config(
        "save to usb",
        "write the configuration in force to a USB stick",
        _FILE,
        more="Secrets are in the file, so that it can be restored whole: keep the stick where you keep passwords. "
        "It is on the stick when the command is done; the stick can be pulled then. A file that is there is never "
        "overwritten.",
    ),
    _config("save to screen", "print your candidate to copy it, secrets blotted out", is_paged=False),
    _config(
        "restore from usb",
        "make a configuration on a USB stick your candidate",
        _FILE,
        more="Without NAME the newest on the stick. Nothing counts before `commit`.",
    ),
    _config(
        "restore from paste",
        "make a text you paste your candidate; a line with only a dot ends it",
        more="Paste what `save to screen` or `show` printed, or a whole file. Secrets that are blotted out in the "
        "text stay as they are here. Ctrl-C gives up.",
    ),
    _face(_S, "status", "what the station is doing, what waits, what needs a person", _OPTIONS),
    _face(
        _S,
        "call now",
        "dial, fetch and send, and show how it goes (Ctrl-C ends the showing)",
        _OPTIONS,
        is_paged=False,
    ),
    _face(_S, "call cancel", "hang up after the current message", _OPTIONS),
    _face(_S, "call stop", "hang up at once; what is under way is sent again", face="call cancel --now"),
    _face(_S, "call history", "the last calls, newest first", _OPTIONS),
    _face(_S, "call show", "everything known of one call", Argument("NO", required=False), _OPTIONS),
    _face(_S, "call forecast", "what a call made now would take", _OPTIONS),
    _face(_S, "call budget", "what is used of minutes and money", _OPTIONS),
    _face(_S, "queue list", "what waits, oldest first", Argument("ADDRESS", required=False), _OPTIONS),
    _face(_S, "queue show", "everything known of one message", _ID, _OPTIONS),
    _face(
        _S,
        "queue retry",
        "try at the next opportunity (--all: everything)",
        Argument("ID", Source.QUEUE_ID, required=False),
        _OPTIONS,
    ),
    _face(_S, "queue hold", "keep a message back", _ID, Argument("ADDRESS", required=False)),
    _face(_S, "queue release", "let a held message go on", _ID, Argument("ADDRESS", required=False)),
    _face(
        _S, "queue delete", "throw a message away; asks first", _ID, Argument("ADDRESS", required=False), _OPTIONS
    ),
    _face(_S, "trace", "where is my message, in words", Argument("ID|ADDRESS|MESSAGE-ID"), _OPTIONS),
    _face(_S, "account list", "the mailboxes", _OPTIONS),
    _face(_S, "account add", "make a mailbox; its password is asked for", Argument("NAME"), _OPTIONS),
    _face(_S, "account passwd", "give a mailbox another password", _ACCOUNT, _OPTIONS),
    _face(_S, "account edit", "addresses, name, quota; lock and unlock", _ACCOUNT, _OPTIONS),
    _face(_S, "account delete", "delete a mailbox; says what is in it", _ACCOUNT, _OPTIONS),
    _face(_S, "alias list", "addresses that stand for others", _OPTIONS),
    _face(_S, "alias add", "make an alias or a group", Argument("ADDRESS"), Argument("TARGET", rest=True)),
    _face(_S, "alias edit", "add targets to an alias, take others away", Argument("ADDRESS"), _OPTIONS),
    _face(_S, "alias delete", "take an alias away", Argument("ADDRESS")),
    _own(_S, "summary", "the page to print: mail programs, ports, lights, where things are"),
    _own(_S, "summary save", "write that page to a USB stick"),
    _own(_S, "log", "the newest lines of the station's log", Argument("LINES", required=False)),
    _face(_L, "doctor", "is everything set up so that mail will arrive?", _OPTIONS),
    _face(_L, "modem list", "the profiles of modems", Argument("NAME", required=False)),
    _face(_L, "modem countries", "the countries' rules for redialling", Argument("NAME", required=False)),
    _face(_L, "modem probe", "find the modem's port and its profile", _OPTIONS, is_paged=False),
    _face(_L, "modem test", "try everything a call needs, and say how it is", _OPTIONS, is_paged=False),
    _face(_L, "modem allow-pin", "let a PIN that was refused be tried again", is_paged=False),
    _face(_L, "modem terminal", "talk to the modem yourself; Ctrl-] leaves", _OPTIONS, is_paged=False),
    _face(_L, "board list", "the boards Dialpost knows, and which one this is"),
    _face(_L, "board show", "what is on which pin, and why", Argument("NAME", required=False)),
    _face(
        _L,
        "board test",
        "light each LED, then echo the button; it does not dial meanwhile",
        Argument("NAME", required=False),
        _OPTIONS,
        is_paged=False,
    ),
    _own(_L, "ping", "is a host reachable? (does not dial)", Argument("HOST")),
    _own(
        _L,
        "lookup",
        "what name service says of a name (does not dial)",
        Argument("NAME"),
        Argument("TYPE", Source.RECORD_TYPE, required=False),
    ),
    _own(
        _C,
        "help",
        "this list, or more about one command or key",
        Argument("COMMAND|KEY", Source.COMMAND, required=False, rest=True),
    ),
    _own(
        _C,
        "setup",
        "the set-up wizard: the questions of the first start, with the answers that hold now",
        more="Enter keeps an answer. Nothing counts before all is seen on one page and taken with yes.",
    ),
    _own(_C, "who", "who else is at a console, and with changes not committed"),
    _own(_C, "password", "give the console another password"),
    _face(
        _C,
        "update",
        "install a new release: from a USB stick (`update usb`) or an http:// address; alone: how it stands",
        Argument("FILE", Source.UPDATE_FILE, required=False),
        _OPTIONS,
        is_paged=False,
        more="It is verified, written beside the release that runs, and begins with the next start (`reboot`). It "
        "has three starts to prove itself; else the release before comes back by itself, and that is told by the "
        "fault light, here, and by mail. Mail, accounts and configuration stay.",
    ),
    _own(_C, "exit", "leave; changes not committed are dropped, after asking"),
    _own(_C, "shutdown", "stop the machine in order, so that it can be switched off"),
    _own(_C, "reboot", "stop the machine and start it anew"),
    _own(_C, "factory-reset", "delete everything: mail, accounts, configuration; asks twice"),
)

RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
