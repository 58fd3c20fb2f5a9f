"""Examples of every command, for its help and its manual page: a command line, and what it is for."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "status": (
        ("dialpost status", "what the station is doing now"),
        ("dialpost status --json", "the same for a script"),
    ),
    "call": (
        ("dialpost call now", "dial, send and fetch, and show progress"),
        ("dialpost call forecast", "estimate a call without dialling"),
        ("dialpost call history -n 5", "the last five calls"),
        ("dialpost call show", "details of the last call"),
        ("dialpost call learned", "how long calls wait for mail, and why"),
        ("dialpost call cancel", "hang up after the current message"),
    ),
    "queue": (
        ("dialpost queue list", "all waiting messages"),
        ("dialpost queue list anna@clinic.example", "only those from or to an address"),
        ("dialpost queue retry --all", "try all of them in the next call"),
        ("dialpost queue hold D0000001", "hold one message"),
        ("dialpost queue delete --from @shop.example --dry-run", "count what would be deleted, and show some"),
        ("dialpost queue delete --older-than 5d --larger-than 10M", "delete old and large messages; asks first"),
    ),
    "trace": (
        ("dialpost trace anna@clinic.example", "find messages from or to an address"),
        ("dialpost trace D0000001", "find one message"),
    ),
    "inbound": (
        ("dialpost inbound list", "messages left at providers, and why"),
        ("dialpost inbound fetch 3f9a1c20", "get one with the next call"),
        ("dialpost inbound drop 3f9a1c20", "delete one there; asks first"),
    ),
    "account": (
        ("dialpost account add anna --full-name 'Anna Berger'", "create a mailbox; asks for the password"),
        ("dialpost account edit anna --quota 500M", "limit the mailbox to 500 MB"),
        ("dialpost account list", "all accounts"),
    ),
    "alias": (
        ("dialpost alias add office@clinic.example anna bruno", "a group of two accounts"),
        ("dialpost alias edit office@clinic.example --add carla", "add a third"),
        ("dialpost alias list", "all aliases"),
    ),
    "config": (
        ("dialpost config check", "list everything wrong with the configuration file"),
        ("dialpost config explain modem.numbers", "what a setting means"),
        ("dialpost config set modem.numbers 0961123456", "change a setting of the running station"),
        ("dialpost config rollback 2", "return to configuration 2"),
    ),
    "apply": (
        ("dialpost apply --dry-run", "show what would change, as a diff"),
        ("dialpost apply", "apply the configuration; needs root"),
    ),
    "doctor": (
        ("dialpost doctor", "check everything that needs no connection"),
        ("dialpost doctor --online", "also check DNS and the provider"),
    ),
    "modem": (
        ("dialpost modem probe", "find the modem and its settings"),
        ("dialpost modem test", "test everything a call needs"),
        ("dialpost modem list", "all profiles"),
        ("dialpost modem countries austria", "a country's rules for redialling"),
    ),
    "board": (
        ("dialpost board list", "all boards, and which one this is"),
        ("dialpost board show rpi-4b", "the pins of one board"),
        ("dialpost board test", "light each LED in turn, then echo the button"),
    ),
    "panel": (("dialpost panel show boot", "what systemd runs while the system starts"),),
    "console": (
        ("dialpost console", "at this terminal"),
        ("dialpost console --tty /dev/ttyUSB0", "at a serial line"),
    ),
    "update": (
        ("dialpost update", "show the running release and the result of the last update"),
        ("dialpost update usb --check", "show the newest update on the USB stick"),
        ("dialpost update dialpost.raucb --reboot", "install a release and start it"),
    ),
    "daemon": (("dialpost --config dialpost.toml daemon", "run the station in the foreground"),),
    "simulate": (
        ("dialpost simulate", "show the panel in the terminal; a key acts as the button"),
        ("dialpost simulate --once --outbound 20", "send 20 messages, count them, and exit"),
        ("dialpost simulate --first-start", "set up a station at its simulated console"),
    ),
}


OF_VERBS: dict[str, tuple[tuple[str, str], ...]] = {
    "queue retry": (
        ("dialpost queue retry D0000001", "try one message in the next call"),
        ("dialpost queue retry --to @shop.example", "try all for one domain"),
    ),
    "queue hold": (
        ("dialpost queue hold D0000001", "hold one message"),
        ("dialpost queue hold D0000001 ben@shop.example", "hold it for one of its recipients"),
        ("dialpost queue hold --larger-than 5M", "hold all large messages"),
    ),
    "queue release": (
        ("dialpost queue release D0000001", "release one message"),
        ("dialpost queue release --all --dry-run", "count what would be released, and show some"),
        ("dialpost queue release --from anna@clinic.example", "release all from one sender"),
    ),
    "queue delete": (
        ("dialpost queue delete D0000001", "delete one message; asks first"),
        ("dialpost queue delete --from @shop.example --dry-run", "count what would be deleted, and show some"),
        ("dialpost queue delete --held --older-than 30d --yes", "delete old held messages; does not ask"),
    ),
}
"""Examples of verbs, for their own help."""


def examples_text(name: str) -> str:
    """As a section of the help of a command, or of a verb in `OF_VERBS`."""
    shown = EXAMPLES.get(name) or OF_VERBS[name]
    wide = max(len(line) for line, _ in shown)
    return "\n".join(["examples:", *(f"  {line:<{wide}}  # {what}" for line, what in shown)])
