"""What contradicts the owner's trust in the dialled line is reported, with what to do; nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cases import cases
from dialpost.core.config.check import warnings
from dialpost.core.config.model import TlsMode
from dialpost.core.config.text import parse_config
from dialpost.core.config.trust import is_line_plain, plain_host, provider_hosts, trust_warnings, trusts_line

ATRN = '[atrn]\nuser = "u"\npassword = "p"\n'
HEAD = """
[station]
hostname = "mail.a.example"
domains = ["a.example"]
[link]
kind = "{kind}"
[ppp]
trusted_line = {trusted}
"""
LOGIN = 'user = "u"\npassword = "p"\n'
SMARTHOST = '[outbound]\nsmarthost = "m.example"\n'
ROUTE = '[[outbound.route]]\ndomains = ["b.example"]\n'


def told(text: str, *, kind: str = "modem", trusted: str = "true") -> list[str]:
    config = parse_config(HEAD.format(kind=kind, trusted=trusted) + text)
    found = list(trust_warnings(config))
    assert set(found) <= set(warnings(config))
    return found


@cases(
    "text",
    [
        SMARTHOST,
        SMARTHOST + LOGIN,
        SMARTHOST + LOGIN + 'auth = "cram-md5"',
        SMARTHOST + 'tls = "opportunistic"',
        SMARTHOST + 'auth = "plain"\nclear_password = true',  # there is no password
        SMARTHOST + 'via = "mx"\ntls = "starttls"\n[etrn]\nuse = "never"',
        SMARTHOST + '[etrn]\nuse = "never"\ntls = "starttls"',
        SMARTHOST + ROUTE + 'host = "partner.example"\ntls = "starttls"',
        SMARTHOST + ROUTE + 'via = "mx"\ntls = "starttls"',
        '[outbound]\ntls = "starttls"',
        '[outbound]\nsmarthost = "[192.0.2.1]"\n[dns]\nservers = ["192.168.1.1"]',
    ],
)
def test_nothing_to_say(text: str) -> None:
    assert told(text) == []


@cases(
    ("text", "begins", "advice"),
    [
        (
            SMARTHOST + 'tls = "starttls"',
            'outbound.tls = "starttls" demands TLS: it is used with m.example',
            "auto",
        ),
        (SMARTHOST + 'tls = "implicit"\nport = 465', 'outbound.tls = "implicit" demands TLS', "auto"),
        (
            SMARTHOST + '[etrn]\ntls = "starttls"',
            'etrn.tls = "starttls" demands TLS: it is used with m.example',
            "auto",
        ),
        (
            SMARTHOST + ROUTE + 'host = "M.example."\ntls = "starttls"',
            'outbound.route[1].tls = "starttls" demands TLS',
            'outbound.route[1].tls = "auto"',
        ),
        (SMARTHOST + LOGIN + 'auth = "plain"', 'outbound.auth = "plain" sends the password itself', "CRAM-MD5"),
        (SMARTHOST + LOGIN + 'auth = "login"', 'outbound.auth = "login" sends the password itself', "CRAM-MD5"),
        (
            SMARTHOST + LOGIN + "clear_password = true",
            "outbound.clear_password has no effect on a trusted line",
            "ppp.trusted_line = false",
        ),
        (
            SMARTHOST + "[etrn]\nclear_password = true\n" + LOGIN,
            "etrn.clear_password has no effect on a trusted line",
            "ppp.trusted_line = false",
        ),
    ],
)
def test_a_contradiction(text: str, begins: str, advice: str) -> None:
    (sentence,) = told(text)
    assert sentence.startswith(begins) and advice in sentence
    assert told(text, trusted="false") == []


@pytest.mark.parametrize("text", ['[dns]\nservers = ["192.168.1.1"]', ""])
def test_who_gets_mail_in_clear_is_for_the_providers_name_servers_to_say(text: str) -> None:
    """A name server of the LAN could name a host on the internet."""
    config = parse_config(HEAD.format(kind="modem", trusted="true") + SMARTHOST + text)
    asks_peer = config if text else replace(config, ppp=replace(config.ppp, use_peer_dns=False))
    (sentence,) = trust_warnings(asks_peer)
    assert sentence.startswith("The address of m.example decides") and "Leave dns.servers empty" in sentence
    demanded = replace(config.outbound, tls=TlsMode.STARTTLS)
    sure = replace(asks_peer, outbound=demanded, etrn=replace(config.etrn, host="192.0.2.1"))
    assert not any("decides who" in told for told in trust_warnings(sure))


@pytest.mark.parametrize("kind", ["gateway", "dialup-gateway"])
def test_a_line_that_the_station_does_not_dial_is_never_trusted(kind: str) -> None:
    (sentence,) = told(SMARTHOST, kind=kind)
    assert sentence.startswith(f'ppp.trusted_line has no effect: with link.kind = "{kind}"')
    assert told(SMARTHOST, kind=kind, trusted="false") == []
    for trusted in ("true", "false"):
        assert not trusts_line(parse_config(HEAD.format(kind=kind, trusted=trusted)))


def test_no_answer_is_no_trust() -> None:
    assert not trusts_line(parse_config(HEAD.partition("[link]")[0]))
    assert not trusts_line(parse_config(HEAD.format(kind="modem", trusted="false")))
    assert trusts_line(parse_config(HEAD.format(kind="modem", trusted="true")))


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        (SMARTHOST, True),
        (SMARTHOST + ROUTE + 'host = "M.example"', True),
        (SMARTHOST + ROUTE + 'host = "partner.example"', False),
        (SMARTHOST + ROUTE + 'via = "mx"', False),
        (SMARTHOST + 'tls = "starttls"', False),
        (SMARTHOST + '[etrn]\ntls = "starttls"', False),
        (SMARTHOST + ATRN, True),
        (SMARTHOST + ATRN + 'tls = "starttls"', False),
        (SMARTHOST + '[[inbound.mailbox]]\nname = "a"\nhost = "b"\nuser = "u"\npassword = "p"', False),
        ('[outbound]\nvia = "mx"', False),
    ],
)
def test_a_call_needs_no_tls_where_all_of_it_is_with_the_provider(text: str, is_plain: bool) -> None:
    assert is_line_plain(parse_config(HEAD.format(kind="modem", trusted="true") + text)) is is_plain
    assert not is_line_plain(parse_config(HEAD.format(kind="modem", trusted="false") + text))


def test_whose_hosts_are_the_providers() -> None:
    def of(text: str) -> frozenset[str]:
        return provider_hosts(parse_config(HEAD.format(kind="modem", trusted="true") + text))

    assert of(SMARTHOST + ROUTE + 'host = "partner.example"') == {"m.example"}
    assert of(SMARTHOST + '[etrn]\nhost = "etrn.example"') == {"m.example", "etrn.example"}
    assert of(SMARTHOST + ATRN + 'host = "atrn.example"') == {"m.example", "atrn.example"}
    assert of(SMARTHOST + '[atrn]\nhost = "unused.example"') == {"m.example"}
    assert of("") == frozenset()
    assert plain_host(" [192.0.2.1] ") == "192.0.2.1" and plain_host("Mail.Example.") == "mail.example"


def test_the_first_host_whose_address_is_looked_up_is_named() -> None:
    other = '[etrn]\nhost = "e.example"\n[dns]\nservers = ["192.0.2.53"]\n'
    sentence = next(one for one in told(SMARTHOST + other) if "decides who" in one)
    assert "The address of m.example decides" in sentence
    alone = next(one for one in told(SMARTHOST + '[dns]\nservers = ["192.0.2.53"]\n') if "decides who" in one)
    assert alone == sentence
