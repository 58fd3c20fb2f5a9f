"""What doctor concludes: each subject when all is well, and in each way it can be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cases import cases
from dialpost.core.config.model import (
    Config,
    EtrnConfig,
    EtrnUse,
    InboundConfig,
    InboundUse,
    LinkConfig,
    LinkKind,
    MailboxConfig,
    OutboundConfig,
    StationConfig,
    TlsConfig,
    Via,
)
from dialpost.core.control.local import finding_json
from dialpost.core.control.shapes import to_json
from dialpost.core.findings import Finding, Severity, exit_status, fault
from dialpost.core.mail.accounts import Account, Alias, Directory
from dialpost.core.mail.certificate import CertificateFacts
from dialpost.core.mail.mx import DnsTrouble, MxRecord, NoRecords, NoSuchName
from dialpost.core.system.card_wear import CardWear
from dialpost.core.system.doctor import dns_findings, findings
from dialpost.core.system.doctor.findings import _mb, _orphans
from known import known

OK, SKIPPED, WARNING, FAULT = Severity.OK, Severity.SKIPPED, Severity.WARNING, Severity.FAULT
HOST, DOMAIN, PROVIDER = "mail.clinic.example", "clinic.example", "smtp.provider.example"
CONFIG = Config(
    station=StationConfig(HOST, (DOMAIN,)),
    outbound=OutboundConfig(smarthost=PROVIDER),
    link=LinkConfig(LinkKind.MODEM),
)
YEAR_S = 365 * 86_400
NOW_S = 60 * YEAR_S


def told(found: Iterator[Any] | list[Finding] | Finding) -> list[tuple[Severity, str]]:
    """Severity and the part of the text a test cares about."""
    made = [found] if isinstance(found, Finding) else list(found)
    return [(finding.severity, finding.what) for finding in made]


def has(found: Iterator[Any] | list[Finding] | Finding, *expected: tuple[Severity, str]) -> None:
    """Each finding in order: its severity, and words in it."""
    made = told(found)
    assert [severity for severity, _ in made] == [severity for severity, _ in expected], made
    for (_, what), (_, words) in zip(made, expected, strict=True):
        assert words in what


def test_every_remark_but_ok_says_what_to_do() -> None:
    bad = [
        findings.disk(0, 100, 10),
        findings.disk(120, 100, 10),
        findings.durable_write(9.0),
        findings.wear(CardWear(0, 1)),
        findings.wear(CardWear(0, 0, 10)),
        findings.set_aside(["x"]),
        findings.clock(0, 1, "1970"),
        findings.ways_out(Config()),
        findings.host_name(replace(CONFIG, station=StationConfig("a.local", (DOMAIN,)))),
        *findings.configuration(["x"], "f"),
        *findings.accounts(Directory({}, {}, (DOMAIN,)), {"gone": 3}, "boss"),
        *findings.certificate(CONFIG, CertificateFacts((), 0, 5, True, ""), NOW_S, True),
    ]
    assert [finding for finding in bad if finding.severity in {WARNING, FAULT} and not finding.advice] == []
    assert {finding.severity for finding in bad} == {WARNING, FAULT}


@pytest.mark.parametrize(
    ("severities", "status"),
    [((), 0), ((OK, SKIPPED), 0), ((OK, WARNING), 1), ((WARNING, FAULT, OK), 2), ((FAULT,), 2)],
)
def test_exit_status(severities: tuple[Severity, ...], status: int) -> None:
    assert exit_status([Finding("x", severity, "y") for severity in severities]) == status


def test_json() -> None:
    assert to_json(finding_json(fault("card", "full", "make room"))) == {
        "subject": "card",
        "severity": "fault",
        "what": "full",
        "advice": "make room",
    }


def test_configuration() -> None:
    has(findings.configuration([], "f.toml"), (OK, "no problems found in f.toml"))
    has(findings.configuration(["One.", "Two."], "f"), (WARNING, "One."), (WARNING, "Two."))


@pytest.mark.parametrize(
    ("free", "severity", "words"),
    [(99, FAULT, "new mail is deferred"), (139, WARNING, "only a few large messages"), (140, OK, "free, reserve")],
)
def test_disk(free: int, severity: Severity, words: str) -> None:
    has(findings.disk(free, 100, 10), (severity, words))


def test_a_slow_card() -> None:
    has(findings.durable_write(0.004), (OK, "4 ms"))
    has(findings.durable_write(2.5), (WARNING, "2.5 s"))


def test_how_worn_the_card_is() -> None:
    has([findings.wear(None)], (SKIPPED, "not an ext4"))
    has([findings.wear(CardWear(5 * 10**9))], (OK, "5.0 GB written in its life; it does not report its wear"))
    has([findings.wear(CardWear(5 * 10**9, 0, 3))], (OK, "some 30 %"))
    has([findings.wear(CardWear(5 * 10**9, 0, 11))], (WARNING, "100 % of its rated life"))
    has([findings.wear(CardWear(2 * 10**12, 0, 3))], (OK, "2.0 TB written in its life"))
    has([findings.wear(CardWear(5 * 10**9, 2, 1))], (FAULT, "met 2 faults"))
    has([findings.wear(CardWear(5 * 10**9, 1, 1))], (FAULT, "met 1 fault;"))


def test_clock() -> None:
    has(findings.clock(5, 6, "1970-01-01"), (FAULT, "before this release"))
    has(findings.clock(6, 6, "2026-11-01"), (OK, "2026-11-01"))


def test_set_aside() -> None:
    has(findings.set_aside([]), (OK, "no messages"))
    has(findings.set_aside([f"n{n}" for n in range(7)]), (WARNING, "n0, n1, n2, n3, n4 and 2 more"))
    five = findings.set_aside([f"n{n}" for n in range(5)])
    assert five.what.endswith(": n0, n1, n2, n3, n4")


def facts(**changes: Any) -> CertificateFacts:
    values: dict[str, Any] = {"names": (HOST, DOMAIN), "not_before_s": 0, "not_after_s": NOW_S + YEAR_S}
    values |= {"self_signed": True, "fingerprint": "ab"}
    return CertificateFacts(**(values | changes))


@cases(
    ("changes", "severity", "words"),
    [
        ({}, OK, "made here, so mail programs ask once"),
        ({"names": (DOMAIN,)}, WARNING, f"not for {HOST}"),
        ({"names": ()}, WARNING, "it is for nothing"),
        ({"names": (HOST,)}, WARNING, f"made without {DOMAIN}"),
        ({"not_after_s": NOW_S - 86_400 * 3 + 5}, FAULT, "expired 3 days ago"),
        ({"not_after_s": NOW_S + 86_400 * 29}, WARNING, "expires in 29 days"),
        ({"not_after_s": NOW_S + 86_400 * 30}, OK, "made here"),
        ({"not_before_s": NOW_S + 1}, FAULT, "not valid yet"),
    ],
)
def test_certificate(changes: dict[str, tuple[str, ...] | int], severity: Severity, words: str) -> None:
    found = findings.certificate(CONFIG, facts(**changes), NOW_S, clock_trusted=True)
    assert (found[0].severity, words in found[0].what) == (severity, True), found


def test_a_clock_that_is_wrong_says_nothing_of_a_certificate() -> None:
    has(findings.certificate(CONFIG, facts(not_before_s=NOW_S + 1), NOW_S, clock_trusted=False), (OK, "made here"))


def test_a_configured_certificate_needs_only_the_host_name() -> None:
    config = replace(CONFIG, tls=TlsConfig("/c.pem", "/k.pem"))
    has(findings.certificate(config, facts(names=("*.clinic.example",)), NOW_S, True), (OK, "configured"))


def directory(
    *accounts: Account, aliases: Sequence[Alias] = (), catch_all: dict[str, str] | None = None, postmaster: str = ""
) -> Directory:
    return Directory(
        {account.name: account for account in accounts},
        {alias.address: alias for alias in aliases},
        (DOMAIN,),
        catch_all or {},
        postmaster,
    )


@cases(
    ("found", "mailboxes", "postmaster", "expected"),
    [
        (directory(Account("anna")), {"anna": 5}, "", [(OK, "1 in clinic.example; postmaster is anna")]),
        (directory(), {"postmaster": 0}, "", [(FAULT, "there are none")]),
        (
            directory(),
            {"postmaster": 2},
            "",
            [(FAULT, "there are none"), (WARNING, "2 messages are in the mailbox postmaster")],
        ),
        (directory(Account("anna", enabled=False)), {}, "", [(WARNING, "all are locked")]),
        (directory(Account("anna")), {}, "boss", [(OK, ""), (WARNING, "names boss, which is not an account")]),
        (
            directory(Account("anna"), catch_all={DOMAIN: "boss"}),
            {},
            "",
            [(OK, ""), (WARNING, "delivery.catch_all of clinic.example names boss")],
        ),
        (
            directory(Account("anna"), aliases=[Alias("all@clinic.example", ("anna", "gone"))]),
            {},
            "",
            [(OK, ""), (WARNING, "the alias all@clinic.example goes to gone")],
        ),
        (directory(Account("anna")), {"ben": 1}, "", [(OK, ""), (WARNING, "mail of a deleted account")]),
        (
            Directory({"anna": Account("anna")}, {}, (DOMAIN, "b.example"), separate_domains=("b.example",)),
            {},
            "",
            [(OK, ""), (WARNING, "nobody has an address in b.example: its mail is refused")],
        ),
    ],
)
def test_accounts(
    found: Directory, mailboxes: dict[str, int], postmaster: str, expected: list[tuple[Severity, str]]
) -> None:
    has(findings.accounts(found, mailboxes, postmaster), *expected)


def test_ways_out() -> None:
    has(findings.ways_out(CONFIG), (OK, f"through {PROVIDER}, port 587"))
    has(findings.ways_out(replace(CONFIG, outbound=OutboundConfig(via=Via.MX))), (OK, "straight to the recipients"))
    has(findings.ways_out(replace(CONFIG, outbound=OutboundConfig())), (FAULT, "waits here indefinitely"))


def test_etrn_use() -> None:
    assert findings.etrn_use(CONFIG) is None
    has(known(findings.etrn_use(replace(CONFIG, link=LinkConfig(LinkKind.GATEWAY)))), (SKIPPED, "dedicated line"))
    has(known(findings.etrn_use(replace(CONFIG, etrn=EtrnConfig(EtrnUse.NEVER)))), (SKIPPED, "switched off"))
    others = replace(CONFIG, inbound=InboundConfig(use=(InboundUse.ATRN,)))
    has(known(findings.etrn_use(others)), (SKIPPED, "inbound.use"))


@pytest.mark.parametrize(
    ("answer", "severity", "words"),
    [
        (("192.0.2.7", "2001:db8::7"), OK, "is 192.0.2.7, 2001:db8::7 in DNS"),
        (("127.0.1.1",), WARNING, "nobody outside can reach"),
        (("127.0.1.1", "192.0.2.7"), OK, "192.0.2.7"),
        ((), WARNING, "no address"),
        (NoRecords(HOST), WARNING, "no address"),
        (NoSuchName(HOST), WARNING, "does not exist in DNS"),
        (DnsTrouble(HOST, "SERVFAIL"), WARNING, "SERVFAIL"),
    ],
)
def test_the_host_name_in_dns(answer: Any, severity: Severity, words: str) -> None:
    has(dns_findings.host_records(CONFIG, answer), (severity, words))


ADDRESSES = {HOST: ("192.0.2.7",), PROVIDER: ("192.0.2.8",), "mx.other.example": ("192.0.2.9",)}


@cases(
    ("answer", "expected"),
    [
        ((MxRecord(10, HOST),), [(OK, HOST)]),
        ((MxRecord(20, PROVIDER), MxRecord(10, HOST)), [(OK, f"{HOST} (10), {PROVIDER} (20)")]),
        ((MxRecord(10, PROVIDER), MxRecord(20, HOST)), [(OK, PROVIDER)]),
        ((MxRecord(10, PROVIDER),), [(OK, "asked for it by ETRN")]),
        ((MxRecord(10, "mx.other.example"), MxRecord(20, HOST)), [(WARNING, "another host comes before")]),
        ((MxRecord(10, "mx.other.example"),), [(WARNING, "not to this station")]),
        (
            (MxRecord(10, HOST), MxRecord(20, "gone.example")),
            [(OK, HOST), (WARNING, "its MX host gone.example has no address")],
        ),
        (
            (MxRecord(10, "gone.example"),),
            [
                (WARNING, "not to this station"),
                (WARNING, "gone.example has no"),
                (FAULT, "none of its MX hosts can be reached"),
            ],
        ),
        ((MxRecord(0, ""),), [(FAULT, "accepts no mail at all")]),
        ((), [(WARNING, "no MX record")]),
        (NoRecords(DOMAIN), [(WARNING, "no MX record")]),
        (NoSuchName(DOMAIN), [(FAULT, "does not exist")]),
        (DnsTrouble(DOMAIN, "no answer within 45 s"), [(WARNING, "no answer within 45 s")]),
    ],
)
def test_a_domain_in_dns(answer: Any, expected: list[tuple[Severity, str]]) -> None:
    addresses = ADDRESSES | {"gone.example": NoSuchName("gone.example")}
    has(dns_findings.domain_records(CONFIG, DOMAIN, answer, addresses), *expected)


def test_without_etrn_the_provider_as_mx_is_only_remarked_on() -> None:
    config = replace(CONFIG, etrn=EtrnConfig(EtrnUse.NEVER))
    has(dns_findings.domain_records(config, DOMAIN, (MxRecord(1, PROVIDER),), ADDRESSES), (WARNING, "not to this"))


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (NoSuchName("x.example"), "x.example is not in DNS"),
        (NoRecords("x.example"), "x.example has no address"),
        (DnsTrouble("x.example", "REFUSED"), "name service does not answer for x.example: REFUSED"),
    ],
)
def test_problem_words(problem: DnsTrouble | NoRecords | NoSuchName, words: str) -> None:
    assert dns_findings.problem_words(problem) == words


def test_a_host_name_the_world_knows() -> None:
    assert told([findings.host_name(CONFIG)])[0][0] is OK


@pytest.mark.parametrize(
    ("after_s", "severity", "words"),
    [
        (-1, FAULT, "it expired 1 day ago"),
        (0, WARNING, "it expires in 0 days"),
        (86_400 - 1, WARNING, "it expires in 0 days"),
        (86_400, WARNING, "it expires in 1 day"),
        (86_400 * 30 - 1, WARNING, "it expires in 29 days"),
        (86_400 * 30, OK, "made here"),
    ],
)
def test_how_long_a_certificate_is_valid_yet(after_s: int, severity: Severity, words: str) -> None:
    has(findings.certificate(CONFIG, facts(not_after_s=NOW_S + after_s), NOW_S, True), (severity, words))


def test_a_certificate_is_valid_from_its_first_second_on() -> None:
    has(findings.certificate(CONFIG, facts(not_before_s=NOW_S), NOW_S, True), (OK, "made here"))


def test_each_figure_of_the_card_at_its_bound() -> None:
    has(findings.disk(100, 100, 10), (WARNING, "0 MB free: above the reserve"))
    has(findings.disk(999_000_000, 100, 10), (OK, "999 MB free, reserve 0 MB"))
    has(findings.disk(1_000_000_000, 0, 10), (OK, "1.0 GB free"))
    has(findings.disk(500_500_100, 0, 10), (OK, "501 MB free"))
    has(findings.disk(500_499_900, 0, 10), (OK, "500 MB free"))
    has(findings.disk(50_050_000_001, 0, 10), (OK, "50.1 GB free"))
    has(findings.disk(50_049_999_999, 0, 10), (OK, "50.0 GB free"))
    has(findings.durable_write(1.0), (OK, "takes 1000 ms"))
    has(findings.durable_write(1.01), (WARNING, "took 1.0 s"))
    has([findings.wear(CardWear(10**9, 0, 8))], (OK, "1.0 GB written in its life; some 80 % of its life is used"))
    has([findings.wear(CardWear(10**9, 0, 9))], (WARNING, "90 % of its rated life"))
    has([findings.wear(CardWear(10**9, 0, 10))], (WARNING, "100 % of its rated life"))
    assert findings.set_aside(list("abcde")).what.endswith(": a, b, c, d, e")
    assert findings.set_aside(list("abcdef")).what.endswith(": a, b, c, d, e and 1 more")


@pytest.mark.parametrize("suffix", ["local", "lan", "home", "internal", "localdomain", "localhost", "invalid"])
def test_a_name_that_only_this_network_knows(suffix: str) -> None:
    config = replace(CONFIG, station=StationConfig(f"mail.{suffix}", (DOMAIN,)))
    has(findings.host_name(config), (WARNING, "only this network knows"))
    config = replace(CONFIG, station=StationConfig(f"mail.x{suffix}", (DOMAIN,)))
    has(findings.host_name(config), (OK, f"mail.x{suffix}"))


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "0.0.0.0", "::1", "fe80::1", "::"])
def test_an_address_that_only_this_machine_has(address: str) -> None:
    has(dns_findings.host_records(CONFIG, (address,)), (WARNING, "nobody outside can reach"))


def test_what_a_host_without_a_name_is_reported_depends_on_its_way_out() -> None:
    straight = replace(CONFIG, outbound=OutboundConfig(via=Via.MX))
    for config, words in ((CONFIG, "still goes out"), (straight, "many servers refuse")):
        for answer in (NoSuchName(HOST), (), ("127.0.0.1",)):
            assert words in dns_findings.host_records(config, answer).advice


def test_what_is_said_where_the_mail_goes_elsewhere() -> None:
    elsewhere = (MxRecord(10, "mx.other.example"),)
    for config, words in (
        (CONFIG, f"ETRN asks {PROVIDER}: is that the same host?"),
        (replace(CONFIG, etrn=EtrnConfig(EtrnUse.NEVER)), "without being asked"),
        (replace(CONFIG, outbound=OutboundConfig(via=Via.MX)), "without being asked"),
    ):
        [found] = dns_findings.domain_records(config, DOMAIN, elsewhere, ADDRESSES)
        assert words in found.advice


def test_a_null_mx_beside_a_real_one_is_no_null_mx() -> None:
    found = list(dns_findings.domain_records(CONFIG, DOMAIN, (MxRecord(0, ""), MxRecord(1, HOST)), ADDRESSES))
    assert "takes no mail" not in found[0].what
    same = (MxRecord(5, "z.example"), MxRecord(5, "mx.other.example"), MxRecord(1, HOST))
    [first, *_] = dns_findings.domain_records(CONFIG, DOMAIN, same, ADDRESSES)
    assert f"{HOST} (1), mx.other.example (5), z.example (5)" in first.what


def test_an_mx_host_that_name_service_was_silent_about_may_be_reachable() -> None:
    silent = {HOST: DnsTrouble(HOST, "SERVFAIL")}
    has(dns_findings.domain_records(CONFIG, DOMAIN, (MxRecord(10, HOST),), silent), (OK, HOST))
    has(
        dns_findings.domain_records(CONFIG, DOMAIN, (MxRecord(10, HOST),), {HOST: ()}),
        (OK, HOST),
        (WARNING, "has no address"),
        (FAULT, "can be reached"),
    )


def test_a_providers_mailbox_for_nobody() -> None:
    there = Directory({"anna": Account("anna")}, {}, (DOMAIN,))
    boxes = [
        MailboxConfig(name=name, account=account) for name, account in (("a", "anna"), ("b", "carol"), ("c", ""))
    ]
    [found] = findings.mailbox_accounts(there, boxes)
    assert "mailbox b is for carol, which is not an account; anna gets its mail" in found.what


def test_whose_mail_is_in_a_mailbox_without_an_account() -> None:
    directory = Directory({}, {}, domains=("a.example",), hostname="mail.a.example")
    found = [str(one) for one in _orphans(directory, {"anna": 1, "postmaster": 1, "zoe": 1})]
    assert ["postmaster)" in text for text in found] == [False, True, False]


def test_a_gigabyte_has_its_own_unit() -> None:
    assert [_mb(count) for count in (999_999_999, 1_000_000_000)] == ["1000 MB", "1.0 GB"]
