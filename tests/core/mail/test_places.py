"""The doors a configuration opens, and the hosts that its calls talk to."""

import pytest

from dialpost.core.config.text import parse_config
from dialpost.core.mail.places import Host, hosts_to_knock_at, place_words, wanted_doors

STATION = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
NO_ETRN = '[etrn]\nuse = "never"\n'
SMARTHOST = '[outbound]\nsmarthost = "smtp.provider.example"\nport = 587\n'
ROUTE = '[[outbound.route]]\ndomains = ["a.example"]\nhost = "mx.partner.example"\nport = 2525\n'
DIRECT = NO_ETRN + '[outbound]\nvia = "mx"\n'


def test_each_listener_has_its_doors() -> None:
    config = parse_config(
        STATION + SMARTHOST + '[smtp]\nlisten = ["127.0.0.1:25"]\n'
        'submission_listen = ["127.0.0.1:587", "[::1]:587"]\n'
        "submissions_listen = []\n"
    )
    assert wanted_doors(config) == {
        "smtp": ("127.0.0.1:25",),
        "submission": ("127.0.0.1:587", "[::1]:587"),
        "submissions": (),
    }


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        (NO_ETRN + SMARTHOST, [Host("smtp.provider.example", 587)]),
        (NO_ETRN + SMARTHOST + ROUTE, [Host("smtp.provider.example", 587), Host("mx.partner.example", 2525)]),
        (
            NO_ETRN + SMARTHOST + ROUTE + ROUTE.replace("a.example", "b.example"),
            [Host("smtp.provider.example", 587), Host("mx.partner.example", 2525)],
        ),
        (
            SMARTHOST + '[etrn]\nuse = "always"\nhost = "etrn.provider.example"\nport = 26\n',
            [Host("smtp.provider.example", 587), Host("etrn.provider.example", 26)],
        ),
        (SMARTHOST, [Host("smtp.provider.example", 587), Host("smtp.provider.example", 25)]),
        (
            DIRECT + '[dns]\nservers = ["192.0.2.53", "192.0.2.54"]\nport = 5353\n',
            [Host("192.0.2.53", 5353, is_name_server=True), Host("192.0.2.54", 5353, is_name_server=True)],
        ),
        # ETRN without a host of its own has none to talk to.
        (
            '[outbound]\nvia = "mx"\n[dns]\nservers = ["192.0.2.53"]\n',
            [Host("192.0.2.53", 53, is_name_server=True)],
        ),
        (DIRECT + ROUTE, [Host("mx.partner.example", 2525)]),
        (
            SMARTHOST + '[etrn]\nuse = "never"\n[atrn]\nhost = "a.example"\nuser = "u"\npassword = "p"\n'
            '[[inbound.mailbox]]\nname = "b"\nhost = "b.example"\nuser = "u"\npassword = "p"\n',
            [Host("smtp.provider.example", 587), Host("a.example", 366), Host("b.example", 993)],
        ),
    ],
)
def test_who_is_knocked_at(text: str, hosts: list[Host]) -> None:
    assert hosts_to_knock_at(parse_config(STATION + text)) == hosts


def test_a_place_is_written_as_people_write_it() -> None:
    assert place_words("mail.example", 25) == "mail.example:25"
    assert place_words("2001:db8::1", 587) == "[2001:db8::1]:587"
