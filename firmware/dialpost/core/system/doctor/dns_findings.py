"""The DNS records of the station and its domains, judged: will mail from the Internet arrive here?

Three arrangements are right: the MX is this station; it is the provider, which holds mail until ETRN asks for it;
or a domain's mail is fetched in another way, which can't be seen from here and so is only noted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from dialpost.core.config.model import Config, Via
from dialpost.core.findings import Finding, fault, ok, warning
from dialpost.core.mail.mx import AddressAnswer, DnsProblem, DnsTrouble, MxAnswer, MxRecord, NoRecords, NoSuchName

_ASK_AGAIN = "Run this again while the line is up; if it persists, check dns.servers."


def host_records(config: Config, answer: AddressAnswer) -> Finding:
    """The host name's own addresses."""
    name, subject = config.station.hostname, "host name"
    if isinstance(answer, DnsTrouble):
        return warning(subject, f"name service does not answer for {name}: {answer.why}", _ASK_AGAIN)
    advice = (
        f"Ask whoever runs the domain to add {name}. Mail sent through a smarthost still goes out."
        if config.outbound.via is Via.SMARTHOST
        else f"Have {name} added: many servers refuse mail from a host whose name does not exist."
    )
    if isinstance(answer, NoSuchName):
        return warning(subject, f"{name} does not exist in DNS", advice)
    if isinstance(answer, NoRecords) or not answer:
        return warning(subject, f"{name} has no address in DNS", advice)
    if all(_is_only_here(address) for address in answer):
        return warning(subject, f"{name} is {', '.join(answer)} in DNS, which nobody outside can reach", advice)
    return ok(subject, f"{name} is {', '.join(answer)} in DNS")


def domain_records(
    config: Config, domain: str, answer: MxAnswer, addresses: Mapping[str, AddressAnswer]
) -> Iterator[Finding]:
    """Where the Internet sends a domain's mail. `addresses` are those of each MX host."""
    subject = f"domain {domain}"
    if isinstance(answer, DnsTrouble):
        yield warning(subject, f"name service does not answer: {answer.why}", _ASK_AGAIN)
    elif isinstance(answer, NoSuchName):
        yield fault(
            subject, "it does not exist in DNS: nobody can write to it", "Register it, or check its spelling."
        )
    elif isinstance(answer, NoRecords) or not answer:
        yield warning(
            subject,
            "it has no MX record: senders fall back to its address record, if there is one",
            f"Have an MX record added, like: {domain}. MX 10 {config.station.hostname}.",
        )
    elif all(not record.host for record in answer):
        yield fault(
            subject, "DNS says it accepts no mail at all (a null MX)", "Have that record replaced by a real MX."
        )
    else:
        records = sorted(answer, key=lambda record: (record.preference, record.host))
        yield _mx_finding(config, subject, records)
        yield from _host_findings(subject, records, addresses)


def _mx_finding(config: Config, subject: str, records: list[MxRecord]) -> Finding:
    shown = ", ".join(f"{record.host} ({record.preference})" for record in records)
    hosts = [record.host for record in records]
    if config.station.hostname in hosts:
        if hosts[0] == config.station.hostname or config.etrn_host in hosts:
            return ok(subject, f"the world sends its mail to {shown}")
        return warning(
            subject,
            f"the world sends its mail to {shown}: another host comes before this station",
            "Right only if that host passes the mail on to this station.",
        )
    if config.etrn_wanted and config.etrn_host in hosts:
        return ok(subject, f"the world sends its mail to {shown}, which is asked for it by ETRN")
    held = (
        f"Right only if it holds mail for this station. ETRN asks {config.etrn_host}: is that the same host?"
        if config.etrn_wanted and config.etrn_host
        else "Right only if it passes mail on to this station without being asked."
    )
    return warning(subject, f"the world sends its mail to {shown}, not to this station", held)


def _host_findings(
    subject: str, records: list[MxRecord], addresses: Mapping[str, AddressAnswer]
) -> Iterator[Finding]:
    lost = [record.host for record in records if _has_none(addresses.get(record.host))]
    for host in lost:
        yield warning(subject, f"its MX host {host} has no address", "Have the MX record corrected.")
    if len(lost) == len(records):
        yield fault(subject, "none of its MX hosts can be reached", "Have the MX records corrected.")


def _has_none(answer: AddressAnswer | None) -> bool:
    return isinstance(answer, NoSuchName | NoRecords) or answer == ()


def problem_words(problem: DnsProblem) -> str:
    """Why a host has no address, in words."""
    if isinstance(problem, DnsTrouble):
        return f"name service does not answer for {problem.name}: {problem.why}"
    return f"{problem.name} is not in DNS" if isinstance(problem, NoSuchName) else f"{problem.name} has no address"


def _is_only_here(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified
