"""Examples of every command, for its help and its manual page: a command line, and what it is for."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "status": (
        ("dialpost status", "what the station is doing now"),
        ("dialpost status --json", "the same for a script"),
    ),
    "call": (
        ("dialpost call now", "dial, send and fetch, and show how it goes"),
        ("dialpost call forecast", "what a call would take, without dialling"),
        ("dialpost call history -n 5", "the last five calls"),
        ("dialpost call show", "everything known of the last call"),
        ("dialpost call cancel", "hang up after the current message"),
    ),
    "queue": (
        ("dialpost queue list", "all messages that wait"),
        ("dialpost queue list anna@clinic.example", "only those from or to an address"),
        ("dialpost queue retry --all", "try all of them in the next call"),
        ("dialpost queue hold D0000001", "keep one back"),
    ),
    "trace": (
        ("dialpost trace anna@clinic.example", "what became of messages from or to an address"),
        ("dialpost trace D0000001", "what became of one message"),
    ),
    "account": (
        ("dialpost account add anna --full-name 'Anna Berger'", "a new mailbox; asks for the password"),
        ("dialpost account edit anna --quota 500M", "limit its size"),
        ("dialpost account list", "all accounts"),
    ),
    "alias": (
        ("dialpost alias add office@clinic.example anna bruno", "a group of two accounts"),
        ("dialpost alias edit office@clinic.example --add carla", "and a third"),
        ("dialpost alias list", "all aliases"),
    ),
    "config": (
        ("dialpost config check", "all faults of the configuration file"),
        ("dialpost config explain modem.numbers", "what a setting means"),
        ("dialpost config set modem.numbers 0961123456", "change the running station"),
        ("dialpost config rollback 2", "put configuration 2 in force again"),
    ),
    "apply": (
        ("dialpost apply --dry-run", "show what would change, as a diff"),
        ("dialpost apply", "change it; needs root"),
    ),
    "doctor": (
        ("dialpost doctor", "check everything that needs no connection"),
        ("dialpost doctor --online", "also ask name servers and the provider"),
    ),
    "modem": (
        ("dialpost modem probe", "find the modem and the settings for it"),
        ("dialpost modem test", "try everything that a call needs"),
        ("dialpost modem list", "all profiles"),
        ("dialpost modem countries austria", "a country's rules for redialling"),
    ),
    "board": (
        ("dialpost board list", "all boards, and which one this is"),
        ("dialpost board show rpi-4b", "its pins"),
        ("dialpost board test", "light each LED in turn, echo the button"),
    ),
    "panel": (("dialpost panel show boot", "what systemd runs while the system starts"),),
    "console": (
        ("dialpost console", "at this terminal"),
        ("dialpost console --tty /dev/ttyUSB0", "at a serial line"),
    ),
    "update": (
        ("dialpost update", "which release runs, and what became of the last update"),
        ("dialpost update usb --check", "what the newest update on the USB stick is"),
        ("dialpost update dialpost.raucb --reboot", "install a release and start it"),
    ),
    "daemon": (("dialpost --config dialpost.toml daemon", "run the station of this configuration here"),),
    "simulate": (
        ("dialpost simulate", "the panel in the terminal; a key is the button"),
        ("dialpost simulate --once --outbound 20", "carry 20 messages, count them, and end"),
        ("dialpost simulate --first-start", "set up a station at its simulated console"),
    ),
}


def examples_text(name: str) -> str:
    """As a section of the command's help."""
    shown = EXAMPLES[name]
    wide = max(len(line) for line, _ in shown)
    return "\n".join(["examples:", *(f"  {line:<{wide}}  # {what}" for line, what in shown)])
