"""docs/console.md: how to use the console; its commands come from the table that runs."""

from __future__ import annotations

from collections.abc import Iterator

from dialpost.core.columns import wrap
from dialpost.core.console.commands import COMMANDS, Command, Group
from dialpost.core.console.line_text import LONGEST

_HEAD = """\
# The console

Generated from the table of commands by `dialpost console --markdown`; don't edit.

The console is where an operator works with the station: at its serial port, over ssh, or in a
terminal of the machine. Before the first configuration it is the set-up wizard. Where the
configuration can't be used or the daemon does not run, it is the rescue menu. Otherwise it is a
command line. It works through the daemon's control socket and decides nothing itself.

## Getting there

On the SD image the serial line is the only way in: there is no ssh, no screen or keyboard, and no
root login. What follows about a terminal, ssh, root and `systemctl` is for Dialpost on a Debian
machine of your own.

**Serial.** Connect a USB-serial adapter to the board's UART (3.3 V; flashing.md: pins 6, 8, 10) at
115200 bit/s, 8 data bits, no parity, 1 stop bit, no hardware flow control: `minicom -D
/dev/ttyUSB0 -b 115200` or `screen /dev/ttyUSB0 115200`. Press Enter. `console.speed_bps` sets other
speeds (9600 to 115200). On the image the console starts automatically; elsewhere `systemctl enable
--now dialpost-console@NAME` puts one on the port /dev/NAME. The console honours XON/XOFF in both
directions, so that a long paste loses nothing: Ctrl-S stops the output, any key resumes it.

**At a terminal of the station.** Run `dialpost console` as root or as the user `dialpost`.

**Over ssh.** Let the station's user in with a key, and give it the console instead of a shell. In
`/etc/ssh/sshd_config.d/dialpost.conf`:

    Match User dialpost
        ForceCommand /usr/bin/dialpost --config /etc/dialpost/dialpost.toml console
        AuthorizedKeysFile /etc/ssh/dialpost_keys
        PermitTTY yes
        DisableForwarding yes

Put the public keys into `/etc/ssh/dialpost_keys` (owned by root), and give the user a shell through
which sshd can run the command: `usermod -s /bin/sh dialpost`. `lan.ssh` opens the port to the LAN.
Then `ssh -t dialpost@mail.clinic.example`.

## Logging in

The console asks for the admin password and does not show it. The wizard and `password` set it. Its
hash is in `/etc/dialpost/console-password`, apart from the configuration, so that a rollback to an
older configuration does not restore an old password. While none is set, the console lets everybody
in: whoever reaches the port can reach the board anyway. After a wrong password the console pauses,
for 1 s at first and up to 30 s, and discards what is typed meanwhile. After `console.idle_min`
minutes without input the session ends, and its uncommitted changes are dropped. If you forget the
password, do a factory reset or, on a machine with root access, `rm
/etc/dialpost/console-password`.

## Typing

| key | what it does |
|---|---|
| Tab | completes the word; shows the possibilities if there are several |
| ? | shows what may follow (within quotes it is a character; Ctrl-V ? types one) |
| up, down; Ctrl-P, Ctrl-N | earlier and later lines |
| left, right; Ctrl-B, Ctrl-F | one character; with Ctrl one word |
| Home, End; Ctrl-A, Ctrl-E | start and end of the line |
| Backspace, Delete, Ctrl-D | delete; Ctrl-D on an empty line leaves |
| Ctrl-K, Ctrl-U, Ctrl-W | delete to the end, the line, the word before; Ctrl-Y puts it back |
| Ctrl-L, Ctrl-R | redraw the screen, the line |
| Ctrl-C | drop the line; interrupt a command |

Long output stops at the end of the screen: Space continues, Enter shows one more line, q ends it.
You can shorten words while they stay unambiguous: `comm conf 5`. A line that begins with # is
ignored. You can paste any number of lines; one may have {longest} characters. A dumb terminal
(`console.terminal = "dumb"`, `TERM=dumb`) gets no escape sequences and no pager; the console never
queries a terminal.

## Changing the configuration

Each session has a *candidate*: the configuration with its own changes. Nothing takes effect before
`commit`; then everything takes effect at once and is saved under a new number, with the user and
the time. Sessions see each other (`who`) and are notified of each other's commits. If somebody else
commits first, `rebase` applies your changes on top of theirs.

    dialpost> set schedule.entry[1].at 07:30, 12:30
    + schedule.entry[1].at = ["07:30", "12:30"]
    dialpost*> commit confirm 5
    Committed as number 3.
    It will be rolled back in 5 min, or when this session ends, unless you `confirm`.
    dialpost> confirm
    Commit 3 confirmed.

The star marks uncommitted changes. `commit confirm MINUTES` is for whatever might lock you out:
unless you `confirm` in time, or if the session drops, the change is rolled back. A commit that
would cut off the LAN or the console says so first and asks.

The console asks for secrets twice, and never shows or prints them. `save to screen` masks them;
when you paste such a text back, masked secrets keep their values. `save to usb` writes secrets too.

**USB sticks** are mounted when you plug them in, under `/run/media/dialpost`; you need not be root.
You can remove the stick as soon as `save to usb` says so. Elsewhere, `save to screen` and `restore
from paste` do the same through your terminal program.

## Commands
"""

_FOOT = """\
## Files

| file | what |
|---|---|
| `/etc/dialpost/dialpost.toml` | the active configuration; `dialpost.toml.history/` the earlier ones |
| `/etc/dialpost/console-password` | the hash of the admin password |
| `/run/dialpost/control.sock` | the daemon's control socket |
| `/run/media/dialpost/` | USB sticks |

Settings: [\\[console\\]](configuration.md#console).
"""

_WIDTH = 100
"""Columns of the page's prose."""


def page() -> str:
    """The whole page."""
    chapters = [_HEAD.replace("{longest}", str(LONGEST))]
    for group in Group:
        chapters.append(f"### {group.value}\n")
        chapters += [_entry(command) for command in COMMANDS if command.group is group]
    return "\n".join([*chapters, _FOOT])


def _entry(command: Command) -> str:
    return "\n".join(_lines(command))


def _lines(command: Command) -> Iterator[str]:
    yield f"**`{command.usage}`**  "
    yield _wrapped(command.help[0].upper() + command.help[1:] + ("" if command.help.endswith("?") else "."))
    if command.more:
        yield _wrapped(command.more)
    same = " ".join(command.face)
    if same and same != command.name:
        yield f"The same as `dialpost {same}`."
    elif same:
        yield f"As on the command line: `dialpost {same} --help`."
    yield ""


def _wrapped(text: str) -> str:
    """Prose wrapped to the page's width. Code may break at its spaces, words don't."""
    return "\n".join(wrap(text, _WIDTH))
