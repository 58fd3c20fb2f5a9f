"""How a configuration change affects users: who gets disconnected, and when it takes effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dialpost.core.config.editing.keys import places
from dialpost.core.config.model import Config
from dialpost.core.config.text import render_config
from dialpost.core.toml_text import parse_toml

LINE_SECTIONS = frozenset(
    {"link", "modem", "ppp", "call", "etrn", "inbound", "atrn", "outbound", "budget", "clock", "dns"}
)
"""The sections that a call reads when it starts."""
_DOORS = ("smtp.listen", "smtp.submission_listen", "smtp.submissions_listen")
_LAN_ADDRESS = ("lan.method", "lan.interface", "lan.address", "lan.gateway", "lan.fallback_address")
_NEXT_START = ("station.run_dir",)
MOST_KEYS_NAMED = 8
"""In a sentence; the others are counted."""


def changed_keys(old: Config, new: Config) -> tuple[str, ...]:
    """The keys whose effective value changes, defaults included; a list of tables is one key."""
    before, after = _values(old), _values(new)
    changed = [key for key in (*after, *before) if before.get(key) != after.get(key)]
    return tuple(dict.fromkeys(key.partition("[")[0] for key in changed))


def cut_off(old: Config, new: Config, *, call_is_up: bool) -> tuple[str, ...]:
    """Who loses their connection through this change, a sentence each: to be shown beforehand."""
    return tuple(_cut_off(old, new, changed_keys(old, new), call_is_up))


def _cut_off(old: Config, new: Config, keys: tuple[str, ...], call_is_up: bool) -> Iterator[str]:
    for key in _DOORS:
        name = key.partition(".")[2]
        gone = [listen for listen in getattr(old.smtp, name) if listen not in getattr(new.smtp, name)]
        if gone:
            yield f"{key}: the station is no longer reachable at {', '.join(gone)}."
    if "station.data_dir" in keys:
        yield f"station.data_dir: mail, queue and accounts stay behind in {old.station.data_dir}."
    if "station.domains" in keys:
        for domain in old.station.domains:
            if domain not in new.station.domains:
                yield f"station.domains: mail for {domain} is no longer accepted for this station's users."
    for domain in new.delivery.separate_domains:
        if domain not in old.delivery.separate_domains:
            yield f"delivery.separate_domains: accounts' names are no longer addresses in {domain}."
    if address := [key for key in keys if key in _LAN_ADDRESS]:
        yield f"{_list(address)}: connections over the LAN end, and the station may have a new address."
    if closed := [service.value for service in old.lan.services if service not in new.lan.services]:
        yield f"lan.services: the LAN can no longer read mail by {' or '.join(closed)}."
    if old.lan.ssh and not new.lan.ssh:
        yield "lan.ssh: the LAN can no longer reach the console by ssh."
    if "console.speed_bps" in keys:
        yield f"console.speed_bps: from the next login, the serial console runs at {new.console.speed_bps} bit/s."
    if call_is_up and "link.kind" in keys:
        yield "link.kind: the current call ends before the new link is used."


def when_it_counts(keys: Iterable[str], *, call_is_up: bool) -> tuple[str, ...]:
    """When the change takes effect, in sentences; () if immediately."""
    at_start = [key for key in keys if key in _NEXT_START]
    rest = [key for key in keys if key not in at_start]
    line = [key for key in rest if key.partition(".")[0] in LINE_SECTIONS]
    other = [key for key in rest if key not in line]
    words = []
    if call_is_up and line:
        words.append(f"Takes effect on the next call: {_list(line)}.")
    if call_is_up and other:
        words.append(f"Takes effect when the current call ends: {_list(other)}.")
    if at_start:
        words.append(f"Takes effect when the daemon restarts: {_list(at_start)}.")
    return tuple(words)


def _list(keys: list[str]) -> str:
    more = len(keys) - MOST_KEYS_NAMED
    return ", ".join(keys[:MOST_KEYS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _values(config: Config) -> dict[str, object]:
    table = parse_toml(render_config(config, secrets=True, all_keys=True))
    return {place.key: value for place, value in places(table)}
