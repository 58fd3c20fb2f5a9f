"""Whom a change cuts off, and from when on it counts."""

from dataclasses import replace

from cases import cases
from dialpost.core.config.editing.candidate import Candidate
from dialpost.core.config.editing.effects import changed_keys, cut_off, when_it_counts
from dialpost.core.config.model import Config

BASE = Candidate('[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example", "ward.example"]\n')


def changed(*changes: tuple[str, str]) -> tuple[Config, Config]:
    candidate = BASE
    for key, value in changes:
        candidate = candidate.set(key, value)
    return BASE.config(), candidate.config()


@cases(
    ("key", "value", "words"),
    [
        ("smtp.listen", "127.0.0.1:25", "smtp.listen: the station is no longer reachable at [::]:25."),
        ("smtp.listen", "[::]:25, [::]:2525", ""),
        ("station.domains", "clinic.example", "mail for ward.example is no longer accepted"),
        ("delivery.separate_domains", "ward.example", "accounts' names are no longer addresses in ward.example"),
        ("station.data_dir", "/srv/mail", "stay behind in /var/lib/dialpost"),
        ("lan.fallback_address", "192.168.9.1/24", "lan.fallback_address: connections over the LAN end"),
        ("lan.services", "imaps", "lan.services: the LAN can no longer read mail by pop3s or imap."),
        ("lan.ssh", "true", ""),
        ("console.speed_bps", "9600", "from the next login, the serial console runs at 9600 bit/s"),
        ("console.idle_min", "5", ""),
        ("smtp.max_recipients", "600", ""),
        ("link.kind", "gateway", ""),
    ],
)
def test_who_is_cut_off(key: str, value: str, words: str) -> None:
    said = cut_off(*changed((key, value)), call_is_up=False)
    assert [words in one for one in said] == ([True] if words else [])


def test_a_call_that_would_lose_its_link_and_an_ssh_that_is_shut() -> None:
    assert "current call" in cut_off(*changed(("link.kind", "gateway")), call_is_up=True)[0]
    with_ssh = replace(BASE.config(), lan=replace(BASE.config().lan, ssh=True))
    assert cut_off(with_ssh, BASE.config(), call_is_up=False) == (
        "lan.ssh: the LAN can no longer reach the console by ssh.",
    )


def test_when_it_counts() -> None:
    old, new = changed(
        ("modem.numbers", "0961"),
        ("smtp.max_errors", "30"),
        ("station.run_dir", "/run/x"),
        ("outbound.route[1].domains", "a.example"),
    )
    keys = changed_keys(old, new)
    assert set(keys) == {"modem.numbers", "smtp.max_errors", "station.run_dir", "outbound.route"}
    assert when_it_counts(keys, call_is_up=False) == ("Takes effect when the daemon restarts: station.run_dir.",)
    line, other, start = when_it_counts(keys, call_is_up=True)
    assert line == "Takes effect on the next call: outbound.route, modem.numbers."
    assert other == "Takes effect when the current call ends: smtp.max_errors."
    assert start == "Takes effect when the daemon restarts: station.run_dir."
    assert when_it_counts([f"smtp.{letter}" for letter in "abcdefghi"], call_is_up=True) == (
        "Takes effect when the current call ends: "
        "smtp.a, smtp.b, smtp.c, smtp.d, smtp.e, smtp.f, smtp.g, smtp.h and 1 more.",
    )
    [eight] = when_it_counts([f"smtp.{letter}" for letter in "abcdefgh"], call_is_up=True)
    assert eight.endswith("smtp.g, smtp.h.")
    assert changed_keys(old, old) == () and when_it_counts((), call_is_up=True) == ()


def test_a_secret_that_changes_is_a_change() -> None:
    assert changed_keys(*changed(("ppp.user", "u"), ("ppp.password", "another one"))) == (
        "ppp.user",
        "ppp.password",
    )
    old = BASE.set("ppp.password", "one of them").config()
    assert changed_keys(old, replace(old, ppp=replace(old.ppp, password="another one"))) == ("ppp.password",)
