"""`dialpost doctor`: is this station set up so that mail will arrive?"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from dialpost.cli.arguments import json_option
from dialpost.cli.output import count, print_answer
from dialpost.cli.station import load_config
from dialpost.core.config.model import Config, LinkKind
from dialpost.core.control.local import finding_json
from dialpost.core.control.station import STATUS
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.core.findings import Finding, Severity, exit_status
from dialpost.core.mail.accounts import Directory
from dialpost.core.mail.certificate import CertificateFacts
from dialpost.edge.config.file import ConfigFile
from dialpost.edge.control_socket import SOCKET_NAME, ControlClient
from dialpost.edge.mail import certificate
from dialpost.edge.mail.account_file import AccountFile
from dialpost.edge.mail.door_probe import knock
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.mail.smtp_client import SmtpClient
from dialpost.edge.system.card.probe import CardProbe
from dialpost.edge.system.clock import RELEASED_S, Clock
from dialpost.edge.system.privileges import become_owner_of
from dialpost.flow.system.doctor import Doctor, Running, Station
from dialpost.provider_mailboxes import boxes_to_check

_MARKS = {
    Severity.OK: "ok      ",
    Severity.SKIPPED: "-       ",
    Severity.WARNING: "WARNING ",
    Severity.FAULT: "FAULT   ",
}


def add_parser(commands: Any) -> None:
    """Add `doctor` to the command line."""
    parser = commands.add_parser(
        "doctor",
        description="Check configuration, clock, card, accounts, certificate and daemon. With --online, also "
        "check public DNS, the logins at the smarthost and the ATRN host, and ETRN (which starts the provider's "
        "queue). Changes "
        "nothing. Exit status: 0 no problems, 1 warnings, 2 faults.",
    )
    parser.add_argument(
        "--online", action="store_true", default=None, help="also check DNS and the provider; the line must be up"
    )
    parser.add_argument(
        "--offline", action="store_false", dest="online", help="skip those checks, even on a dedicated line"
    )
    json_option(parser)
    parser.set_defaults(func=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    try:
        config = load_config(args)
    except (ConfigError, NotFoundError) as error:
        problems = error.problems if isinstance(error, ConfigError) else (str(error),)
        found = [Finding("configuration", Severity.FAULT, problem) for problem in problems]
        if args.json:
            print_answer(tuple(finding_json(finding) for finding in found))
        else:
            for finding in found:
                _show(finding)
        return 2
    online = config.link.kind is LinkKind.GATEWAY if args.online is None else bool(args.online)
    remarks = ConfigFile(args.config).warnings(config)
    become_owner_of(Path(config.station.data_dir))
    found = asyncio.run(_examine(config, str(args.config), remarks, online, quiet=args.json))
    if args.json:
        print_answer(tuple(finding_json(finding) for finding in found))
    else:
        _sum_up(found)
    return exit_status(found)


async def _examine(
    config: Config, path: str, remarks: tuple[str, ...], online: bool, *, quiet: bool
) -> list[Finding]:
    station = Station(
        config_path=path,
        config_remarks=remarks,
        card=CardProbe(Path(config.station.data_dir)),
        directory=lambda: _directory(config),
        certificate=lambda: _certificate(config),
        daemon=lambda: _daemon(config),
        knock=knock,
        clock=lambda: (Clock().wall_s(), RELEASED_S, time.strftime("%Y-%m-%d %H:%M %Z")),
    )
    found = []
    doctor = Doctor(config, station, _resolver(config), SmtpClient(), boxes_to_check(config))
    async for finding in doctor.examine(online=online):
        found.append(finding)
        if not quiet:
            _show(finding)
    return found


def _show(finding: Finding) -> None:
    print(f"{_MARKS[finding.severity]}{finding.subject}: {finding.what}", flush=True)
    if finding.advice:
        print(f"        -> {finding.advice}")


def _sum_up(found: list[Finding]) -> None:
    faults = sum(finding.severity is Severity.FAULT for finding in found)
    warnings = sum(finding.severity is Severity.WARNING for finding in found)
    skipped = any(finding.severity is Severity.SKIPPED for finding in found)
    if faults or warnings:
        print(f"\n{count(faults, 'fault')}, {count(warnings, 'warning')}.")
    else:
        print("\nNo problems found" + (", as far as can be checked off line." if skipped else "."))


def _directory(config: Config) -> tuple[Directory, str]:
    file = AccountFile(Path(config.station.data_dir) / "accounts.toml")
    return Directory.from_config(config, *file.load(set_aside=False)), file.report


def _certificate(config: Config) -> CertificateFacts | None:
    own = certificate.own_folder(config)
    pair = certificate.configured_pair(config)
    if pair is None and not own.exists():
        return None
    pair = pair or certificate.own_pair(own)
    certificate.server_context(pair)
    return certificate.inspect(pair.certificate)


def _daemon(config: Config) -> Running | None:
    client = ControlClient(Path(config.station.run_dir) / SOCKET_NAME)
    if not client.available():
        return None
    status = client.ask(STATUS)
    return Running(status.attention, status.doors, status.card)


def _resolver(config: Config) -> Resolver:
    """A resolver that asks name servers even for names in /etc/hosts: the world does not see that file."""
    resolver = Resolver(config.dns, hosts=Path(os.devnull))
    if not config.dns.servers:
        resolver.use_servers(_system_servers())
    return resolver


def _system_servers() -> list[str]:
    import dns.resolver

    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        sys.stderr.write("dialpost: no name server known; set dns.servers\n")
        return []
