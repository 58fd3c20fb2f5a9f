"""One run: read, render, write what differs, notify the services concerned, report the result.

Nothing is written unless the whole configuration could be rendered. A file or service that fails does not affect
the others. Runs as root, once, and blocks; a second run at the same time waits for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import unified_diff
from pathlib import Path

from dialpost.core.config.applied import ApplyResult
from dialpost.core.config.model import Config
from dialpost.core.errors import ConfigError
from dialpost.core.json_text import parse_json
from dialpost.core.system.apply.host_firewall import TABLE
from dialpost.core.system.apply.render import render
from dialpost.core.system.apply.rendered import HOSTS, LOCALTIME, PLACES, RESULT, STATE, Rendered
from dialpost.core.system.apply.system import ZONES
from dialpost.edge.system.apply.place import Place
from dialpost.edge.system.apply.services import CommandError, Service, services
from dialpost.edge.system.apply.source import good_ones, load

_LED_HERE = {"/etc/hosts": HOSTS, "/etc/localtime": LOCALTIME}
"""Files that the system reads, and our files that they should link to."""
_NOTHING = "-"
"""Stands for a hash if the file should not exist."""


def apply(source: Path, place: Place, told: Sequence[Service] | None = None) -> ApplyResult:
    """Make the system match the configuration in `source`; the result is also written to RESULT.

    Notifies services if `place` is the running system, or those in `told`. Raises: OSError if not even the result
    can be written.
    """
    if told is None:
        told = services(TABLE) if place.is_system else ()
    # A boot and a commit may start it at the same moment.
    with _alone(place):
        result = _apply(source, place, told)
        place.write(Rendered(RESULT, result.to_json()))
    return result


def preview(config: Config, place: Place) -> list[str]:
    """What `apply` would write, as a unified diff; [] if nothing differs. Raises: ValueError, OSError."""
    made = {file.path: file for file in render(config)}
    lines: list[str] = []
    for path in PLACES:
        new, old = made.get(path), place.read(path)
        if (new is None and old is None) or (new is not None and place.has(new)):
            continue
        before = (old or "").splitlines() if old is not None else []
        after = new.text.splitlines() if new is not None else []
        names = (path if old is not None else "/dev/null", path if new is not None else "/dev/null")
        lines += unified_diff(before, after, *names, lineterm="")
    return lines


def _apply(source: Path, place: Place, told: Sequence[Service]) -> ApplyResult:
    problems: list[str] = []
    try:
        config = load(source) or Config()
        files = _rendered(config, source)
    except ConfigError as error:
        problems += error.problems
        if place.read(STATE) is not None:
            return ApplyResult(applied=False, problems=tuple(problems))
        # Nothing was applied since the boot: there is no firewall yet, and no address.
        config, files, instead = _instead_of(source)
        problems.append(instead)
    changed = tuple(_write_all(files, place, problems))
    notes = list(_notes(config, place))
    reloaded = tuple(_tell_all(files, place, told, problems, notes))
    return ApplyResult(not problems, changed, reloaded, tuple(problems), tuple(notes))


def _rendered(config: Config, source: Path) -> tuple[Rendered, ...]:
    """Every file of a configuration. Raises: ConfigError."""
    try:
        return render(config)
    except ValueError as error:
        raise ConfigError((f"{source}: {error}.",)) from None


def _instead_of(source: Path) -> tuple[Config, tuple[Rendered, ...], str]:
    """The configuration to use if the committed one can't be used, and a sentence about it."""
    for number, config in good_ones(source):
        with suppress(ConfigError):
            said = (
                f"Configuration {number}, the newest that can be used, sets the network and the firewall instead."
            )
            return config, _rendered(config, source), said
    # A station that can be reached is better than none.
    said = "No earlier one can be used: the network and the firewall are those of a new station."
    return Config(), render(Config()), said


def _write_all(files: Sequence[Rendered], place: Place, problems: list[str]) -> Iterator[str]:
    made = {file.path: file for file in files}
    for path in PLACES:
        file = made.get(path)
        try:
            if file is None:
                if place.remove(path):
                    yield path
            elif not place.has(file):
                place.write(file)
                yield path
        except OSError as error:
            problems.append(f"{path} can't be written: {error.strerror or error}.")


def _tell_all(
    files: Sequence[Rendered], place: Place, told: Sequence[Service], problems: list[str], notes: list[str]
) -> Iterator[str]:
    made = {file.path: _hash(file) for file in files}
    state = _state(place)
    for service in told:
        wanted = made.get(service.path, _NOTHING)
        known = state.get(service.path, _NOTHING)
        if known == wanted and not (wanted != _NOTHING and service.lacks()):
            continue
        try:
            service.tell(wanted != _NOTHING)
        except CommandError as error:
            (notes if service.is_optional else problems).append(
                f"{service.words[0].upper()}{service.words[1:]} could not be set: {error}."
            )
            continue
        state[service.path] = wanted
        # After each service, so that an interrupted run is continued by the next one.
        place.write(Rendered(STATE, json.dumps(state)))
        yield service.words


def _state(place: Place) -> dict[str, str]:
    """What each service was notified of since the boot."""
    try:
        state = parse_json(place.read(STATE) or "{}")
    except ValueError:
        return {}
    return {str(path): str(told) for path, told in state.items()} if isinstance(state, dict) else {}


def _notes(config: Config, place: Place) -> Iterator[str]:
    for path, ours in _LED_HERE.items():
        there = place.shown(path)
        if place.is_system and not (there.is_symlink() and _leads_to(there, ours)):
            yield f"{path} is the system's own and was left alone; to have it follow: ln -sf {ours} {path}"
    zone = config.schedule.timezone
    if zone and not place.shown(f"{ZONES}/{zone}").is_file() and place.is_system:
        yield f'schedule.timezone = "{zone}" is not known on this machine; times are shown in UTC.'


def _leads_to(link: Path, target: str) -> bool:
    return os.path.normpath(link.parent / link.readlink()) == target


def _hash(file: Rendered) -> str:
    return hashlib.sha256(f"{file.mode} {file.is_link}\n{file.text}".encode()).hexdigest()


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Let only one run happen at a time."""
    descriptor = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
