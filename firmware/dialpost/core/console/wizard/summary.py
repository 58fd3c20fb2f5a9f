"""The page that the set-up wizard makes for printing and pinning to the wall. It contains no secrets.

What to enter in mail programs, how to call, what the lights mean, where things are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from dialpost.core.columns import wrap
from dialpost.core.config.model import Config, LanMethod, LinkKind
from dialpost.core.faults import FAULT_FLASHES
from dialpost.core.mail.session import Listener
from dialpost.core.panel.lights import FAULT_WORDS, FAULTS_OF_CALLS, OF_CALLS, SIGNALS

_WIDTH = 78
_LIGHTS = "The lights\n----------\n"
_TO_THE_WORLD = {
    LinkKind.MODEM: "This station dials the provider with its modem.",
    LinkKind.DIALUP_GATEWAY: "A router on the local network dials on demand.",
    LinkKind.GATEWAY: "A router on the local network is always connected.",
}


@dataclass(frozen=True, slots=True)
class Door:
    """Where the station listens. `address` is "" if it listens on all its addresses."""

    listener: Listener
    port: int
    address: str = ""

    @classmethod
    def from_words(cls, words: str) -> Door | None:
        """What `status` says about a door, like "submission [::]:587"; None for anything else."""
        name, _, place = words.partition(" ")
        host, _, port = place.rpartition(":")
        listener = next((one for one in Listener if one.value == name), None)
        if listener is None or not port.isdecimal():
            return None
        bare = host.strip("[]")
        return cls(listener, int(port), "" if bare in {"", "::", "0.0.0.0"} else bare)


def summary(config: Config, users: Sequence[str], doors: Sequence[Door], config_file: str) -> str:
    """The whole page, 78 columns at most."""
    parts = (
        _head(config),
        _programs(config, users, doors),
        _calls(config),
        _lights(config),
        _places(config, config_file),
    )
    return "\n\n".join(parts) + "\n"


def first_needed(page: str) -> str:
    """The part of the page that is needed immediately: mail programs and calls. The rest can be looked up."""
    return page[: page.index(_LIGHTS)].rstrip()


def _head(config: Config) -> str:
    name = f"Mail station for {config.station.domains[0]}"
    about = f"Its name is {config.station.hostname}. {_TO_THE_WORLD[config.link.kind]}"
    return f"{name}\n{'=' * len(name)}\n\n" + "\n".join(wrap(about, _WIDTH))


def _programs(config: Config, users: Sequence[str], doors: Sequence[Door]) -> str:
    ports = {door.listener: door.port for door in doors}
    domain = config.station.domains[0]
    lan = config.lan.address.partition("/")[0] if config.lan.method is LanMethod.STATIC else ""
    address = lan or next((door.address for door in doors), "")
    server = f"{address} (its name is {config.station.hostname})" if address else config.station.hostname
    rows = [("Server", server)]
    if Listener.SUBMISSION in ports:
        rows.append(("Outgoing (SMTP)", f"port {ports[Listener.SUBMISSION]}, STARTTLS, with a password"))
    if Listener.SUBMISSIONS in ports:
        rows.append(("Outgoing, or", f"port {ports[Listener.SUBMISSIONS]}, SSL/TLS, with a password"))
    rows += [(f"Incoming ({one.value})", f"port {one.port}, {_tls(one.value)}") for one in config.lan.services]
    rows += [("User", f"{name}    {name}@{domain}") for name in users]
    for other in config.station.domains[1:]:
        separate = other in config.delivery.separate_domains
        rows.append(("Also for", f"{other}, {'only addresses added for it' if separate else 'the same names'}"))
    rows.append(("Password", "each user's own"))
    rows.append(("Certificate", "self-signed: the mail program asks once whether to trust it"))
    return "For mail programs\n-----------------\n" + _table(rows)


def _tls(service: str) -> str:
    return "SSL/TLS" if service.endswith("s") else "STARTTLS"


def _calls(config: Config) -> str:
    if config.link.kind is LinkKind.GATEWAY:
        rows = [
            ("Automatic", "mail is sent at once and arrives whenever the provider delivers it"),
            ("By the button", "press: waiting mail is sent at once"),
            ("Postmaster", f"{config.station.postmaster} gets the station's own reports"),
        ]
        return "Sending and fetching\n--------------------\n" + _table(rows)
    times = [time for entry in config.schedule.entry for time in entry.at]
    by_itself = f"every day at {', '.join(times)}" if times else "never; `set schedule.entry[1].at` sets times"
    numbers = ", ".join(config.modem.numbers) if config.link.kind is LinkKind.MODEM else ""
    rows = [
        ("By the button", "press: call, fetch and send. Hold 3 s: hang up."),
        ("At the console", "`call now`; `call cancel` ends one, `call history` lists them"),
        ("Automatic", by_itself),
        *([("Number", numbers)] if numbers else []),
        ("Postmaster", f"{config.station.postmaster} gets the station's own reports"),
    ]
    return "Calls\n-----\n" + _table(rows)


def _lights(config: Config) -> str:
    """What a station with this link can show: if it makes no calls, lights about calls are left out."""
    dials = config.link.kind is not LinkKind.GATEWAY
    rows = [
        (f"{signal.led.value}: {signal.alone.words}", signal.words)
        for signal in SIGNALS
        if signal.led is not None and signal.led.value != "fault" and (dials or signal.name not in OF_CALLS)
    ]
    rows += [
        (f"fault: {count} flash{'' if count == 1 else 'es'}", FAULT_WORDS[fault])
        for fault, count in FAULT_FLASHES.items()
        if dials or fault not in FAULTS_OF_CALLS
    ]
    return _LIGHTS + _table(rows)


def _places(config: Config, config_file: str) -> str:
    data = config.station.data_dir
    rows = [
        ("Configuration", config_file),
        ("Earlier ones", f"{config_file}.history; `history` and `rollback N` at the console"),
        ("Mailboxes", f"{data}/mail"),
        ("Accounts", f"{data}/accounts.toml"),
        ("Queue", f"{data}/spool and {data}/queue.db"),
        ("Certificate", f"{data}/tls"),
        ("This page", f"{data}/summary.txt; `summary` shows it"),
    ]
    return "Where things are\n----------------\n" + _table(rows)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    lines: list[str] = []
    for name, words in rows:
        first, *more = textwrap.wrap(words, _WIDTH - width - 2, break_on_hyphens=False)
        lines += [f"{name:<{width}}  {first}", *(" " * (width + 2) + line for line in more)]
    return "\n".join(lines)
