"""Hosts that need a person: told until they serve us; a refused login is not tried before something changed."""

from dialpost.core.smtp_target import SessionFate
from dialpost.flow.host_troubles import HostTroubles, HostUse

OUT, ETRN = HostUse.OUTBOUND, HostUse.ETRN


def test_a_refused_login_bars_the_host_until_somebody_wants_it_tried():
    seen = []
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


def test_a_certificate_is_told_and_tried_again():
    troubles = HostTroubles()
    troubles.note(
        OUT, "smart.example", 587, SessionFate.NEEDS_PERSON, "the certificate is not acceptable", served=False
    )
    assert troubles.login_refused(OUT, "smart.example", 587) is None
    [told] = troubles.attention()
    assert "the certificate is not acceptable" in told and "outbound.tls_verify" in told
    assert troubles.at("smart.example") == told
    assert troubles.at("other.example") == ""
