"""docs/console.md: the console as a person meets it, its commands from the table they are carried out by."""

from __future__ import annotations

from collections.abc import Iterator

from dialpost.core.console.commands import COMMANDS, Command, Group
from dialpost.core.console.line_text import LONGEST

_HEAD = """\
# The console

Made from the table of commands by `dialpost console --markdown`; don't edit.

The console is how a person works with the station: at its serial port, over ssh, or at a terminal of its own.
Before the first configuration it is the set-up wizard; where the configuration can't be used or the daemon does
not run, the rescue menu; otherwise a command line. It is a face of the daemon's control socket and decides
nothing itself.

## Getting there

On the SD image the serial line is the only way in: there is no ssh, no screen and keyboard, and no root login. What
is said below about a terminal, ssh, root and `systemctl` is for Dialpost on a Debian of your own.

**Serial.** A USB-serial adapter at the board's UART (3.3 V; docs/flashing.md: pins 6, 8, 10), 115200 bit/s, 8
bits, no parity, 1 stop bit, no hardware flow control: `minicom -D /dev/ttyUSB0 -b 115200` or `screen
/dev/ttyUSB0 115200`. Press Enter. Other speeds (9600 to 115200) with `console.speed_bps`. On the image it is
there by itself; elsewhere `systemctl enable --now dialpost-console@NAME` puts one on the port /dev/NAME.
XON/XOFF is understood both ways, so that a long paste loses nothing; Ctrl-S stops the output, any key goes on.

**At a terminal of the station.** `dialpost console`, as root or as the user `dialpost`.

**Over ssh.** Let the station's user in with a key, and give it the console instead of a shell. In
`/etc/ssh/sshd_config.d/dialpost.conf`:

    Match User dialpost
        ForceCommand /usr/bin/dialpost --config /etc/dialpost/dialpost.toml console
        AuthorizedKeysFile /etc/ssh/dialpost_keys
        PermitTTY yes
        DisableForwarding yes

with the public keys in `/etc/ssh/dialpost_keys` (owned by root), and a shell that sshd can run the command by:
`usermod -s /bin/sh dialpost`. `lan.ssh` opens the port to the LAN. Then `ssh -t dialpost@mail.clinic.example`.

## Logging in

The admin password is asked for, and not shown. It is set by the wizard and by `password`; its hash is
`/etc/dialpost/console-password`, apart from the configuration, so that going back to an older configuration
brings no old password back. While there is none, nobody is asked: who reaches the port then holds the board in
the hands. After a wrong password there is a pause, 1 s at first and up to 30 s; what is typed meanwhile is
forgotten. After `console.idle_min` minutes without a key the session ends, and what it did not commit is
dropped. Forgotten the password: the factory reset; where there is a root, `rm /etc/dialpost/console-password`.

## Typing

| key | what it does |
|---|---|
| Tab | completes the word; where several are possible, shows them |
| ? | tells what may follow (within quotes it is a character; Ctrl-V ? types one) |
| up, down; Ctrl-P, Ctrl-N | the lines before |
| left, right; Ctrl-B, Ctrl-F | one character; with Ctrl one word |
| Home, End; Ctrl-A, Ctrl-E | the line's ends |
| Backspace, Delete, Ctrl-D | delete; Ctrl-D on an empty line leaves |
| Ctrl-K, Ctrl-U, Ctrl-W | delete to the end, the line, the word before; Ctrl-Y puts it back |
| Ctrl-L, Ctrl-R | draw the screen, the line anew |
| Ctrl-C | drop the line; break off a command |

Long output stops at the end of the screen: Space goes on, Enter shows one more line, q ends it. Words may be
shortened while they stay unambiguous: `comm conf 5`. A line that begins with # means nothing. Lines may be
pasted, as many as you like; one may have {longest} characters. A dumb terminal (`console.terminal = "dumb"`,
`TERM=dumb`) is sent no escape sequence and has no pager; nothing is ever asked of any terminal.

## Changing the configuration

Each session has a *candidate*: the configuration with its own changes. Nothing counts before `commit`; then all
of it counts at once, durably, under a new number, with who and when. Sessions see each other (`who`), and are
told of each other's commits; when somebody else was faster, `rebase` puts your changes on top of theirs.

    dialpost> set schedule.entry[1].at 07:30, 12:30
    + schedule.entry[1].at = ["07:30", "12:30"]
    dialpost*> commit confirm 5
    Committed as number 3.
    It is taken back in 5 min, or when this session ends, unless you `confirm`.
    dialpost> confirm
    Number 3 stays.

The star tells that something is not committed. `commit confirm MINUTES` is for whatever might lock you out:
without `confirm` in time, or when the session breaks off, the configuration before comes back by itself. A
commit that would cut off the LAN or the console says so first and asks.

Secrets are asked for twice, never shown and never printed. `save to screen` blots them out, and a text with
blotted-out secrets keeps those of this station when it is pasted back. `save to usb` writes them too.

**USB sticks** are mounted by the station when they are plugged in, under `/run/media/dialpost`, without anybody
being root; a stick can be pulled as soon as `save to usb` says so. Elsewhere `save to screen` and `restore from
paste` do the same by way of your terminal program.

## Commands
"""

_FOOT = """\
## Files

| file | what |
|---|---|
| `/etc/dialpost/dialpost.toml` | the configuration in force; `dialpost.toml.history/` the earlier ones |
| `/etc/dialpost/console-password` | the hash of the admin password |
| `/run/dialpost/control.sock` | the daemon's control socket |
| `/run/media/dialpost/` | USB sticks |

Settings: [\\[console\\]](configuration.md#console).
"""


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
    yield command.help[0].upper() + command.help[1:] + ("" if command.help.endswith("?") else ".")
    if command.more:
        yield command.more
    same = " ".join(command.face)
    if same and same != command.name:
        yield f"The same as `dialpost {same}`."
    elif same:
        yield f"As on the command line: `dialpost {same} --help`."
    yield ""
