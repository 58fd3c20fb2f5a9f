"""Keys that contradict each other, at the values where they begin to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from cases import cases
from dialpost.core.config.check import faults, warnings
from dialpost.core.config.model import Config
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError

HEAD = '[station]\nhostname = "mail.a.example"\ndomains = ["a.example"]\n'
CALM = (
    HEAD
    + '[outbound]\nsmarthost = "m.example"\n[modem]\nport = "/dev/ttyS0"\nnumbers = ["0961 123456"]\n'
    + '[[schedule.entry]]\nat = ["10:00"]\n'
)


ATRN = '[atrn]\nuser = "u"\npassword = "p"\n'
BOX = '[[inbound.mailbox]]\nname = "office"\nhost = "box.example"\nuser = "u"\npassword = "p"\n'
MAPPED = ip_network("::ffff:0:0/96")
"""Python 3.13 shows it as ::ffff:0.0.0.0/96."""


def problems(text: str) -> list[str]:
    try:
        assert list(faults(parse_config(HEAD + text))) == []
    except ConfigError as error:
        return list(error.problems)
    return []


@cases(
    ("text", "begins"),
    [
        ("[outbound]\nretry_min_s = 60\nretry_max_s = 60", ""),
        ("[outbound]\nretry_min_s = 61\nretry_max_s = 60", "outbound.retry_min_s = 61 must not be greater than"),
        ("[call]\ngrace_min_s = 9\ngrace_max_s = 9", ""),
        ("[call]\ngrace_min_s = 10\ngrace_max_s = 9", "call.grace_min_s = 10 must not be greater than"),
        ("[dns]\ntry_s = 5\ntotal_s = 5", ""),
        ("[dns]\ntry_s = 6\ntotal_s = 5", "dns.try_s = 6 must not be greater than"),
        ("[ppp]\nmtu = 0", ""),
        ("[ppp]\nmtu = 127", "ppp.mtu = 127 is too small"),
        ("[ppp]\nmtu = 128", ""),
        ("[ppp]\nmtu = 129", ""),
        ("[console]\nspeed_bps = 115201", "console.speed_bps = 115201 is not"),
        ('[delivery.catch_all]\n"b.example" = "anna"', "delivery.catch_all names b.example"),
        ('[delivery.catch_all]\n"a.example" = "anna"', ""),
        ('[delivery]\nseparate_domains = ["b.example"]', "delivery.separate_domains names b.example, which is not"),
        (
            '[delivery]\nseparate_domains = ["a.example"]',
            "delivery.separate_domains names a.example, but in the main domain",
        ),
        ('[smtp]\nlisten = ["192.0.2.1:25", "192.0.2.2:25"]', ""),
        (
            '[smtp]\nlisten = ["192.0.2.1:25", "192.0.2.1:25"]',
            'smtp.listen has "192.0.2.1:25", and so has smtp.listen',
        ),
        ('[smtp]\nlisten = ["[::]:25", "0.0.0.0:25"]', 'smtp.listen has "0.0.0.0:25", and so has'),
        ('[smtp]\nlisten = ["127.0.0.1:0", "127.0.0.1:0"]', ""),
        ('[smtp]\nlisten = [":25"]\nsubmission_listen = ["[::]:25"]', "smtp.submission_listen has"),
        ('[outbound]\nsmarthost = "a.example"', 'outbound.smarthost = "a.example" is this station itself'),
        ('[outbound]\nsmarthost = "mail.a.example"', 'outbound.smarthost = "mail.a.example" is this station'),
        ('[etrn]\nhost = "a.example"', 'etrn.host = "a.example" is this station itself'),
        (
            '[[outbound.route]]\ndomains = ["b.example"]\nhost = "a.example"',
            'outbound.route[1].host = "a.example" is this station itself',
        ),
        (
            '[smtp]\nlisten = [":25"]\n[outbound]\nsmarthost = "localhost"\nport = 25',
            'outbound.smarthost = "localhost" with port 25 is this station itself',
        ),
        (
            '[smtp]\nlisten = [":25"]\n[[outbound.route]]\ndomains = ["b.example"]\nvia = "mx"\n'
            '[[outbound.route]]\ndomains = ["c.example"]\nhost = "localhost"\nport = 25',
            'outbound.route[2].host = "localhost" with port 25 is this station itself',
        ),
        ('[smtp]\nlisten = [":26"]\n[outbound]\nsmarthost = "localhost"\nport = 25', ""),
        ('[smtp]\nlisten = [":25"]\n[outbound]\nsmarthost = "b.provider.example"\nport = 25', ""),
        ('[smtp]\nlisten = [":25"]\n[outbound]\nsmarthost = "smtp.provider.example"\nport = 25', ""),
        (
            '[smtp]\nlisten = [":25"]\n[outbound]\nsmarthost = "x.localhost"\nport = 25',
            'outbound.smarthost = "x.localhost" with port 25',
        ),
        (
            '[smtp]\nlisten = [":25"]\n[outbound]\nsmarthost = "127.0.0.9"\nport = 25',
            'outbound.smarthost = "127.0.0.9" with port 25',
        ),
        (
            '[lan]\nmethod = "static"\naddress = "192.0.2.5/24"\n[smtp]\nlisten = [":25"]\n'
            '[outbound]\nsmarthost = "192.0.2.5"\nport = 25',
            'outbound.smarthost = "192.0.2.5" with port 25',
        ),
        ('[smtp]\nlisten = [":25"]\n[outbound]\nsmarthost = "192.0.2.5"\nport = 25', ""),
        ('[relay]\nnetworks = ["10.0.0.0/8", "fc00::/7"]', ""),
        ('[relay]\nnetworks = ["10.0.0.0/7"]', 'relay.networks has "10.0.0.0/7": that would let the whole world'),
        ('[relay]\nnetworks = ["fc00::/6"]', 'relay.networks has "fc00::/6": that would let the whole world'),
        (
            '[relay]\nnetworks = ["::ffff:0:0/96"]',
            f'relay.networks has "{MAPPED}", IPv4 written as IPv6',
        ),
        ('[relay]\nnetworks = ["::fffe:0:0/95"]', ""),
        ('[tls]\ncertificate = "/c"', "tls.certificate and tls.key belong together"),
        ('[tls]\nkey = "/k"', "tls.certificate and tls.key belong together"),
        ('[tls]\ncertificate = "/c"\nkey = "/k"', ""),
        ('[outbound]\nuser = "u"', "outbound.user and outbound.password belong together"),
        ('[etrn]\npassword = "p"', "etrn.user and etrn.password belong together"),
        ("[[schedule.entry]]", "schedule.entry[1] never calls"),
        ("[[schedule.entry]]\nevery_min = 30", ""),
        (
            '[[schedule.entry]]\nat = ["10:00"]\nend = "11:00"',
            "schedule.entry[1] has start or end without every_min",
        ),
        ('[[schedule.entry]]\nevery_min = 30\nstart = "08:00"\nend = "08:01"', ""),
        ('[[schedule.entry]]\nevery_min = 30\nend = "08:01"', ""),
        ('[[schedule.entry]]\nevery_min = 30\nstart = "08:00"\nend = "08:00"', "schedule.entry[1] starts at 08:00"),
        ('[[schedule.entry]]\nevery_min = 30\nstart = "09:00"\nend = "08:00"', "schedule.entry[1] starts at 09:00"),
        (
            '[[outbound.route]]\ndomains = ["b.example"]\n[[outbound.route]]\ndomains = ["b.example"]',
            "outbound.route names b.example 2 times",
        ),
        ('[inbound]\nuse = ["auto"]', ""),
        ('[inbound]\nuse = ["auto", "etrn"]', 'inbound.use: "auto" stands alone'),
        ('[inbound]\nuse = ["etrn", "etrn"]', 'inbound.use names "etrn" 2 times'),
        ('[inbound]\nuse = ["etrn"]\n[etrn]\nuse = "never"', 'inbound.use names "etrn", but etrn.use = "never"'),
        ('[inbound]\nuse = ["atrn"]', 'inbound.use names "atrn", which needs a login'),
        (f'[inbound]\nuse = ["atrn"]\n{ATRN}host = "b.example"', ""),
        (f'[inbound]\nuse = ["atrn"]\n{ATRN}', "atrn.host is not set"),
        (f'[atrn]\nhost = "a.example"\n{ATRN.removeprefix("[atrn]")}', 'atrn.host = "a.example" is this station'),
        ('[atrn]\nuser = "u"\nhost = "b.example"', "atrn.user and atrn.password belong together"),
        ('[inbound]\nuse = ["imap"]', 'inbound.use names "imap", but no inbound.mailbox'),
        ('[inbound]\nuse = ["imap"]\n' + BOX, ""),
        ('[inbound]\nuse = ["pop3"]\n' + BOX, 'inbound.use names "pop3", but no inbound.mailbox'),
        (BOX + BOX, 'inbound.mailbox: 2 are called "office"'),
        (BOX.replace('password = "p"', ""), "inbound.mailbox[1] needs either"),
        (BOX + 'token_file = "/run/token"', "inbound.mailbox[1] needs either"),
        (BOX.replace("box.example", "a.example"), 'inbound.mailbox[1].host = "a.example" is this station itself'),
        (BOX + 'tls_verify = "fingerprint"', 'inbound.mailbox[1].tls_verify = "fingerprint" and'),
        (BOX + 'account = "anna"\nrecipient_header = "X-To"', "inbound.mailbox[1].recipient_header has no use"),
    ],
)
def test_what_contradicts_itself_is_one_sentence(text: str, begins: str) -> None:
    found = problems(text)
    assert [sentence.startswith(begins) for sentence in found] == ([True] if begins else []), found


@cases(
    ("text", "begins"),
    [
        (CALM, []),
        (CALM.replace('smarthost = "m.example"', ""), ["outbound.smarthost is not set", "etrn.host is not set"]),
        (CALM.replace('smarthost = "m.example"', 'via = "mx"'), ["etrn.host is not set"]),
        (CALM.replace('"m.example"', '"m.example"\nport = 465'), ["outbound.port = 465 with"]),
        (CALM.replace('"m.example"', '"m.example"\nport = 465\ntls = "implicit"'), []),
        (CALM.replace('"m.example"', '"m.example"\nport = 25\ntls = "implicit"'), ["outbound.port = 25 with"]),
        (
            CALM.replace('"m.example"', '"localhost"\nport = 2525'),
            [
                "outbound.smarthost =",
            ],
        ),
        (CALM.replace('numbers = ["0961 123456"]', ""), ["modem.numbers is empty"]),
        (CALM.replace('numbers = ["0961 123456"]', 'apn = "internet"'), []),
        (CALM.replace('port = "/dev/ttyS0"', ""), ["modem.port is not set"]),
        (CALM + '[link]\nkind = "gateway"\n', []),
        (CALM.replace('port = "/dev/ttyS0"\nnumbers = ["0961 123456"]', "") + '[link]\nkind = "gateway"\n', []),
        (CALM.partition("[[schedule")[0], ["There is no schedule.entry"]),
        (CALM.partition("[[schedule")[0] + '[link]\nkind = "gateway"\n', []),
        (CALM + '[etrn]\nuse = "never"\nport = 587\n', []),
        (CALM + "[etrn]\nport = 465\n", ["etrn.port = 465"]),
        (CALM + "[etrn]\nport = 26\n", []),
        (CALM + "[smtp]\nlisten = []\n", ["smtp.listen is empty"]),
        (CALM + '[relay]\nnetworks = ["8.8.8.0/24", "2a00::/56", "10.0.0.0/8"]\n', []),
        (CALM + '[relay]\nnetworks = ["8.8.0.0/23"]\n', ["relay.networks 8.8.0.0/23 is a large"]),
        (CALM + '[relay]\nnetworks = ["2a00::/55"]\n', ["relay.networks 2a00::/55 is a large"]),
        (
            CALM + '[relay]\nnetworks = ["192.168.0.0/24"]\n'
            'provider_networks = ["192.168.0.9/32", "192.168.1.0/24", "::1/128"]\n',
            ["relay.networks 192.168.0.0/24 and relay.provider_networks 192.168.0.9/32 overlap"],
        ),
        (
            CALM.replace('"a.example"]', '"a.example", "b.example"]')
            + '[delivery]\nseparate_domains = ["b.example"]\n',
            ["delivery.separate_domains names b.example: mail for accounts' names in it is refused"],
        ),
        (
            CALM.replace('"a.example"]', '"a.example", "b.example"]')
            + '[delivery]\nseparate_domains = ["b.example"]\ncatch_all = {"b.example" = "anna"}\n',
            [],
        ),
        (CALM + "[budget]\nminutes_per_call = 1\n", []),
        (CALM + "[budget]\nminutes_per_call = 0.9\n", ["budget.minutes_per_call = 0.9"]),
        (CALM + "[budget]\nminutes_per_month = 0.9\n", ["budget.minutes_per_month = 0.9"]),
        (CALM + "[budget]\ncost_per_call = 2\nlimit_per_call = 2\n", []),
        (CALM + "[budget]\ncost_per_call = 2\nlimit_per_call = 1.9\n", ["budget.limit_per_call = 1.9"]),
        (CALM + "[budget]\nlimit_per_month = 1\n", ["budget.limit_per_month never applies"]),
        (
            CALM + "[budget]\ncost_per_call = 1\ncost_per_minute = 6\nbilling_step_s = 10\nlimit_per_day = 1.9\n",
            ["budget.limit_per_day = 1.9: the shortest call costs more (2)"],
        ),
        (CALM + '[budget]\nbig_windows = ["22:00-06:00"]\nbig_message_bytes = 1000\n', []),
        (CALM.replace("[modem]", '[modem]\nlogin_script = ["word:", "%p"]'), ["modem.login_script sends %p"]),
        (CALM.replace("[modem]", '[ppp]\nuser = "u"\npassword = "p"\n[modem]\nlogin_script = ["word:", "%p"]'), []),
    ],
)
def test_what_deserves_attention_is_one_sentence_each(text: str, begins: list[str]) -> None:
    found = warnings(parse_config(text))
    assert [sentence[: len(start)] for sentence, start in zip(found, begins, strict=False)] == begins, found
    assert len(found) == len(begins), found


@pytest.mark.parametrize("way", ["outbound", "etrn"])
@pytest.mark.parametrize(
    ("more", "begins"),
    [
        ('tls = "none"', '.tls = "none" may expose'),
        ('tls = "opportunistic"', '.tls = "opportunistic" may expose'),
        ('tls = "starttls"\ntls_verify = "full"', ""),
        ('tls = "starttls"\ntls_verify = "none"', '.tls_verify = "none": somebody'),
    ],
)
def test_a_password_that_others_could_read(way: str, more: str, begins: str) -> None:
    login = f'user = "u"\npassword = "p"\n{more}\n'
    text = CALM.replace("[outbound]\n", f"[outbound]\n{login}") if way == "outbound" else CALM + f"[etrn]\n{login}"
    found = warnings(parse_config(text))
    assert [sentence[: len(way + begins)] for sentence in found] == ([way + begins] if begins else [])
    assert warnings(parse_config(text.replace('user = "u"\npassword = "p"\n', ""))) == ()


def test_a_mailbox_whose_password_others_could_read() -> None:
    for more, begins in (
        ('tls = "none"', '.tls = "none" may expose'),
        ('tls = "opportunistic"', '.tls = "opportunistic" may expose'),
        ('tls_verify = "none"', '.tls_verify = "none": somebody'),
    ):
        found = warnings(parse_config(CALM + BOX + more))
        assert [one for one in found if one.startswith(f"inbound.mailbox[1]{begins}")], found
        assert len(found) == len(warnings(parse_config(CALM + BOX))) + 1


def test_a_dedicated_line_without_a_schedule_fetches_no_mail_by_itself() -> None:
    dedicated = HEAD + '[outbound]\nsmarthost = "m.example"\n[link]\nkind = "gateway"\n'
    assert warnings(parse_config(dedicated)) == ()
    for fetched in (BOX, f'{ATRN}host = "b.example"\n'):
        [found] = warnings(parse_config(dedicated + fetched))
        assert "schedule" in found, found
        timed = fetched + '[[schedule.entry]]\nat = ["07:30"]\n'
        assert warnings(parse_config(dedicated + timed)) == ()


def test_a_route_whose_password_others_could_read_is_named() -> None:
    routes = "".join(
        f'[[outbound.route]]\ndomains = ["{name}.example"]\nhost = "mx.{name}.example"\n{login}'
        for name, login in (("b", ""), ("c", 'user = "u"\npassword = "p"\ntls = "none"\n'))
    )
    [found] = warnings(parse_config(CALM + routes))
    assert found.startswith('outbound.route[2].tls = "none" may expose outbound.route[2].password')


def test_the_defaults_contradict_nothing() -> None:
    assert list(faults(Config())) == []
