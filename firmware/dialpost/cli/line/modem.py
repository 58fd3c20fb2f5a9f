"""`dialpost modem`: which modems and countries are supported; finding, testing and talking to the modem at hand."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.line import modem_lists
from dialpost.cli.output import count, print_answer
from dialpost.cli.station import load_config
from dialpost.core.config.model import Config, LinkKind, ModemConfig, PortFlow, StationConfig
from dialpost.core.control import local
from dialpost.core.control.local import finding_json
from dialpost.core.control.modem import ALLOW_PIN
from dialpost.core.control.station import STATUS
from dialpost.core.errors import ConfigError, ControlError, DialpostError, NotFoundError
from dialpost.core.findings import Finding, Severity, exit_status
from dialpost.core.line.call.states import AT_REST, LINE_DOUBT_WORDS, STATE_WORDS
from dialpost.core.line.modem.probe import PortFacts, config_lines
from dialpost.core.line.modem.profile import SPEEDS_BPS
from dialpost.core.line.modem.set_up import port_settings
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient
from dialpost.edge.line.operator_tty import Ended, join
from dialpost.edge.line.serial_port import open_port
from dialpost.edge.line.serial_ports import serial_ports
from dialpost.edge.system.board_files import BoardFiles
from dialpost.flow.line.modem.check import ModemCheck
from dialpost.flow.line.modem.find import Found, look, needed_flow
from dialpost.flow.line.modem.modem import Modem
from dialpost.flow.line.modem.refused_pin import RefusedPin, StationsPins

_LIST = """\
List the modem profiles. Set modem.profile to one of the names.

A profile describes how to set up, dial and hang up one kind of modem. To write your own, copy the nearest TOML file
in board/modems, change it, and set modem.profile to its full path.
"""
_COUNTRIES = """\
List the countries whose redial rules Dialpost knows. Set modem.country to one of the names.

The rules limit how often and how soon a machine may redial a number that did not answer. They override
call.redial_attempts and call.redial_pause_s where they are stricter. They never delay a call that you request.
"""
_PROBE = """\
Find the modem: send AT to every unused serial port at the usual speeds, and identify what answers. Suggests a
profile and prints the lines to add to the configuration.

Skips the kernel's console and UARTs that are not fitted. Other devices (a GPS receiver, a UPS) receive a few AT
commands; if that could disturb one of them, use --port. Each port takes up to 40 seconds.

Exit status: 0 modem found, 1 no modem found.
"""
_TERMINAL = """\
Talk to the modem directly: what you type goes to the modem, and its answers appear here. Ctrl-] leaves.

The modem receives every other key, including Ctrl-C. When you leave, the modem keeps its settings, and a call stays
up: ATH hangs up. The port is locked meanwhile, so the station can't dial. It initialises the modem again before its
next call.

Commands to start with: AT (answers OK), ATI3 (model), AT&V (settings), ATX4DT; (checks for a dial tone; ATH ends
it).
"""
_TEST = """\
Test everything a call needs, step by step: the settings, the port, the modem's answer and model, its profile's
commands, the control lines, and the SIM, network and signal or the dial tone.

The test neither dials nor enters a PIN unless you give --dial. With --dial it calls the first number that the
country's redial rules allow, as the station would, and hangs up as soon as it answers. That may cost money. It also
enters the SIM's PIN once, unless that PIN was refused before.

Exit status: 0 no problems, 1 warnings, 2 faults.
"""
_ABOUT_ALLOW_PIN = """\
Allow the station to try the SIM's PIN again.

Three wrong PINs lock a SIM. The station therefore never resends a PIN that the SIM refused, or one that the SIM
left unanswered twice. When you are sure that modem.sim_pin is correct, this command clears the record, and the next
call tries it once more. If the modem reports only one attempt left, the station still doesn't use it: put the SIM
into a telephone and enter the PIN there.
"""
_MARKS = {
    Severity.OK: "ok      ",
    Severity.SKIPPED: "-       ",
    Severity.WARNING: "WARNING ",
    Severity.FAULT: "FAULT   ",
}


def add_parser(commands: Any) -> None:
    """Add `modem` to the command line."""
    parser = commands.add_parser("modem")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = _verb(verbs, "list", "the modem profiles", _LIST, modem_lists.profiles)
    listing.add_argument("name", nargs="?", help="show everything about this one")
    countries = _verb(verbs, "countries", "redial rules by country", _COUNTRIES, modem_lists.countries)
    countries.add_argument("name", nargs="?", help="show everything about this one")
    probe = _verb(verbs, "probe", "find the modem's port and its profile", _PROBE, _probe)
    probe.add_argument("--port", metavar="DEVICE", help="check only this port, for example /dev/ttyUSB0")
    terminal = _verb(verbs, "terminal", "talk to the modem yourself; Ctrl-] leaves", _TERMINAL, _terminal)
    test = _verb(verbs, "test", "test everything a call needs", _TEST, _test)
    test.add_argument("--dial", action="store_true", help="finish with a call; it may cost money")
    _verb(verbs, "allow-pin", "allow another attempt with a refused PIN", _ABOUT_ALLOW_PIN, _allow_pin)
    for each in (listing, countries, probe, test):
        json_option(each)
    for each in (terminal, test):
        each.add_argument("--port", metavar="DEVICE", help="use this port instead of modem.port")
        each.add_argument("--profile", metavar="NAME", help="use this profile instead of modem.profile")
    for each in (probe, terminal, test):
        each.add_argument(
            "--speed", type=int, metavar="BPS", choices=SPEEDS_BPS, help="speed of the port, in bit/s"
        )


def _verb(verbs: Any, name: str, short: str, long: str, func: Any) -> Any:
    parser = verbs.add_parser(name, help=short, description=long)
    parser.set_defaults(func=func)
    return parser


# -- the modem at hand ---------------------------------------------------------------------------------------


def _probe(args: argparse.Namespace) -> int:
    config = _config_if_any(args)
    _refuse_during_call(config)
    ports = [port for port in serial_ports() if not args.port or args.port in {port.device, port.name}]
    if args.port and not ports:
        ports = [PortFacts(args.port, args.port)]
    found = asyncio.run(_look_at(ports, (args.speed,) if args.speed else (), quiet=args.json))
    modems = [one for one in found if one.suggestion is not None]
    if args.json:
        print_answer(tuple(_found_json(one) for one in found))
        return 0 if modems else 1
    if not ports:
        print(
            "This machine has no serial port. Is the modem plugged in and switched on? `dmesg | tail` lists new "
            "USB devices."
        )
        return 1
    if not modems:
        print("\nNo modem found. Check its power and cable, and that no other program (ModemManager) is using it.")
        return 1
    best = max(modems, key=lambda one: one.suggestion.likeness if one.suggestion else -1)
    assert best.suggestion is not None
    print(f"\nAdd this to the configuration ({args.config}):\n")
    print(config_lines(best.port, best.suggestion.profile) + _port_lines(best))
    print("Also set modem.country and modem.numbers. Then run `dialpost modem test`.")
    return 0


async def _look_at(ports: list[PortFacts], speeds: tuple[int, ...], *, quiet: bool) -> list[Found]:
    hints = BoardFiles().hints()
    found = []
    for port in ports:
        if not quiet:
            told = f" ({port.description})" if port.description else ""
            print(f"{port.name or port.device}{told}: ", end="", flush=True)
        one = await look(port, hints, open_port, speeds)
        found.append(one)
        if not quiet:
            print(_found_words(one), flush=True)
    return found


def _found_words(one: Found) -> str:
    if one.trouble:
        return one.trouble
    if one.suggestion is None:
        return "nothing answers"
    says = f', says "{one.says}"' if one.says else ""
    lacks = ", without RTS and CTS" if one.lacks_flow_control else ""
    return f"a modem at {one.speed_bps} bit/s{lacks}{says}; profile {one.suggestion.profile}: {one.suggestion.why}"


def _found_json(one: Found) -> local.Port:
    return local.Port(
        device=one.port.device,
        name=one.port.name,
        description=one.port.description,
        usb=one.port.usb,
        speed_bps=one.speed_bps or None,
        says=one.says,
        trouble=one.trouble,
        lacks_flow_control=one.lacks_flow_control,
        profile=one.suggestion.profile if one.suggestion else None,
        why=one.suggestion.why if one.suggestion else None,
    )


def _port_lines(one: Found) -> str:
    """What else to set if it answers at a speed other than its profile's, or lacks RTS and CTS."""
    assert one.suggestion is not None
    profile = BoardFiles().profile(one.suggestion.profile)
    speed = f"speed_bps = {one.speed_bps}\n" if one.speed_bps != profile.speed_bps else ""
    flow = needed_flow(one, profile)
    return speed + (f'flow_control = "{flow.value}"\n' if flow is not PortFlow.PROFILE else "")


def _terminal(args: argparse.Namespace) -> int:
    config = _config_if_any(args)
    _refuse_during_call(config)
    modem = _modem_at_hand(args, config)
    profile = BoardFiles().profile(modem.profile)
    speed_bps, flow_control = port_settings(profile, modem)
    port = open_port(modem.port, speed_bps, flow_control)
    try:
        sys.stderr.write(f"Talking to {modem.port} at {speed_bps} bit/s. Ctrl-] leaves.\n")
        ended = join(port.fileno(), sys.stdin.fileno(), sys.stdout.fileno())
        if ended is Ended.PORT_GONE:
            sys.stderr.write(f"\ndialpost: {modem.port} is gone: was the modem unplugged?\n")
            return 1
        is_up = bool(port.carrier())
        more = (
            "A call is still up. To end it, run this command again and type ATH."
            if is_up
            else "The modem keeps its settings."
        )
        sys.stderr.write(f"\n{more}\n")
        return 0
    finally:
        port.close(keep_dtr=True)


def _test(args: argparse.Namespace) -> int:
    config = _config_if_any(args)
    _refuse_during_call(config)
    files = BoardFiles()
    modem = _modem_at_hand(args, config)
    profile, country = files.profile(modem.profile), files.country(modem.country)
    pins = RefusedPin(StationsPins(_control(config).ask))
    caller = Modem(modem, profile, open_port, _say, country=country, refused_pin=pins) if args.dial else None

    async def run() -> list[Finding]:
        found = []
        async for finding in ModemCheck(modem, profile, country, open_port).examine(caller):
            found.append(finding)
            if not args.json:
                _show(finding)
        return found

    found = asyncio.run(run())
    if args.json:
        print_answer(tuple(finding_json(finding) for finding in found))
    else:
        faults = sum(finding.severity is Severity.FAULT for finding in found)
        print(f"\n{count(faults, 'fault')}." if faults else "\nThe modem is ready.")
    return exit_status(found)


def _allow_pin(args: argparse.Namespace) -> int:
    noted = _control(_config_if_any(args)).ask(ALLOW_PIN)
    if noted:
        print(f"{count(noted, 'failed attempt')} cleared. The next call tries modem.sim_pin once more.")
    else:
        print("No failed attempt was on record. The station sends modem.sim_pin when the SIM asks for it.")
    return 0


def _say(words: str) -> None:
    sys.stderr.write(f"          {words}\n")


def _show(finding: Finding) -> None:
    print(f"{_MARKS[finding.severity]}{finding.subject}: {finding.what}", flush=True)
    if finding.advice:
        print(f"        -> {finding.advice}")


# -- helpers -------------------------------------------------------------------------------------------------


def _config_if_any(args: argparse.Namespace) -> Config | None:
    """The configuration; None before there is one. A faulty one is reported, and the commands continue without
    it."""
    try:
        return load_config(args)
    except NotFoundError:
        return None
    except ConfigError as error:
        sys.stderr.write(f"dialpost: {error}\n")
        return None


def _modem_at_hand(args: argparse.Namespace, config: Config | None) -> ModemConfig:
    """The configured settings, overridden by the command line. Raises: ConfigError if no port is named."""
    modem = config.modem if config is not None else ModemConfig()
    changes = {"port": args.port, "profile": args.profile, "speed_bps": args.speed}
    given = {name: value for name, value in changes.items() if value}
    fields = {name: getattr(modem, name) for name in ModemConfig.__dataclass_fields__}
    made = ModemConfig(**(fields | given))
    if not made.port:
        raise ConfigError(
            ("modem.port is not set. Find the port with `dialpost modem probe`, or give it with --port.",)
        )
    return made


def _control(config: Config | None) -> ControlClient:
    run_dir = Path(config.station.run_dir if config is not None else StationConfig().run_dir)
    return ControlClient(run_dir / SOCKET_NAME, 10.0)


def _refuse_during_call(config: Config | None) -> None:
    """A running station keeps its modem during a call. Raises: DialpostError with what to do."""
    client = _control(config)
    if not client.available():
        return
    try:
        status = client.ask(STATUS)
    except ControlError as error:
        sys.stderr.write(f"dialpost: can't tell whether a call is in progress ({error}); continuing.\n")
        return
    words = status.call_state_words
    at_rest = words.startswith((LINE_DOUBT_WORDS, *(STATE_WORDS[state] for state in AT_REST)))
    if status.link == LinkKind.MODEM.value and not at_rest:
        raise DialpostError(
            f"The station is using the modem for a call ({words}). Wait until it ends, or end it with `dialpost "
            "call cancel`."
        )
