"""Hosts that need an operator: told until they serve us; a refused login is not tried before something changed."""

from dataclasses import replace

import pytest

from dialpost.core.config.model import Config, LinkKind
from dialpost.core.mail.smtp_target import SessionFate
from dialpost.flow.mail.outgoing.host_troubles import HostTroubles, HostUse, login_settings
from fakes import MemoryCallStore

OUT, ETRN = HostUse.OUTBOUND, HostUse.ETRN


def test_a_refused_login_bars_the_host_until_somebody_wants_it_tried() -> None:
    seen: list[object] = []
    troubles = HostTroubles(seen.append)
    assert troubles.note(OUT, "smart.example", 587, SessionFate.LOGIN_REFUSED, "535 no", served=False)
    assert not troubles.note(OUT, "smart.example", 587, SessionFate.LOGIN_REFUSED, "535 no", served=False)
    assert troubles.login_refused(OUT, "smart.example", 587) is not None
    assert troubles.login_refused(OUT, "smart.example", 25) is None
    assert troubles.login_refused(ETRN, "smart.example", 587) is None
    troubles.try_again()
    assert troubles.login_refused(OUT, "smart.example", 587) is None
    assert "535 no" in troubles.attention()[0], "it stands until it goes well"
    troubles.note(OUT, "smart.example", 587, SessionFate.LOST, "cut", served=False)
    assert troubles.attention()
    troubles.note(OUT, "smart.example", 587, SessionFate.DONE, "", served=True)
    assert (troubles.attention(), seen) == ([], [True, True, False])


def test_a_certificate_is_reported_and_tried_again() -> None:
    troubles = HostTroubles()
    troubles.note(
        OUT, "smart.example", 587, SessionFate.NEEDS_OPERATOR, "the certificate is not acceptable", served=False
    )
    assert troubles.login_refused(OUT, "smart.example", 587) is None
    [told] = troubles.attention()
    assert "the certificate is not acceptable" in told and "outbound.tls_verify" in told
    assert troubles.at("smart.example") == told
    assert troubles.at("other.example") == ""


@pytest.mark.parametrize(("now", "barred"), [("as it was", True), ("another password", False)])
async def test_a_refused_login_outlives_a_restart_but_no_commit_of_its_settings(now: str, barred: bool) -> None:
    store = MemoryCallStore()
    before = HostTroubles(settings={OUT: "as it was", ETRN: "the same"})
    before.note(OUT, "smart.example", 587, SessionFate.LOGIN_REFUSED, "535 no", served=False)
    before.note(ETRN, "etrn.example", 25, SessionFate.LOGIN_REFUSED, "535 no", served=False)
    before.note(OUT, "other.example", 587, SessionFate.NEEDS_OPERATOR, "a certificate", served=False)
    await before.keep(store)
    seen: list[object] = []
    after = HostTroubles(seen.append, {OUT: now, ETRN: "the same"})
    await after.recall(store)
    assert after.is_barred(OUT, "smart.example", 587) is barred
    assert after.is_barred(ETRN, "etrn.example", 25)
    assert [one for one in after.attention() if "certificate (" in one] == []
    assert seen == [True]
    after.note(ETRN, "etrn.example", 25, SessionFate.DONE, "", served=True)
    await after.keep(store)
    again = HostTroubles(settings={ETRN: "the same"})
    await again.recall(store)
    assert not again.is_barred(ETRN, "etrn.example", 25)


def test_the_trust_in_the_line_is_a_setting_of_each_login_on_it() -> None:
    """A login by CRAM-MD5 alone was refused: with trusted_line = false it may go well, so it is tried."""
    plain = Config()
    trusted = replace(plain, ppp=replace(plain.ppp, trusted_line=True))
    for use in HostUse:
        assert login_settings(plain)[use] != login_settings(trusted)[use]
    routers = [replace(one, link=replace(one.link, kind=LinkKind.GATEWAY)) for one in (plain, trusted)]
    assert login_settings(routers[0]) == login_settings(routers[1]) == login_settings(plain)


@pytest.mark.parametrize("kept", ["", "x", "[1]", '[{"use": 1}]', '[{"use": "etrn", "port": "x"}]', "{}", "null"])
async def test_what_is_kept_and_is_no_record_bars_nobody(kept: str) -> None:
    store = MemoryCallStore()
    store.values["hosts.refused"] = kept
    troubles = HostTroubles()
    await troubles.recall(store)
    assert troubles.attention() == []
