"""The line's settings: what can't work is refused when it is written, not when a call is paid for."""

import pytest

from cases import cases
from dialpost.core.config.check import warnings
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError

BASE = (
    '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
    '[outbound]\nsmarthost = "smtp.provider.example"\n[schedule]\nentry = [{at = ["07:30"]}]\n'
)


@cases(
    ("section", "line", "said"),
    [
        (
            "modem",
            'sim_pin = "12a4"',
            "modem.sim_pin (not shown here) is not allowed: a PIN has four to eight digits",
        ),
        ("modem", 'sim_pin = "1234\\";+CFUN=0"', "a PIN has four to eight digits"),
        ("modem", 'sim_pin = "123"', "a PIN has four to eight digits"),
        ("modem", 'extra_init = "AT\\tM0"', "ASCII letters, digits and punctuation"),
        ("modem", 'extra_init = "M0é"', "ASCII letters, digits and punctuation"),
        ("ppp", 'local_address = "2001:db8::1"', "the line has IPv4 only"),
        ("ppp", 'remote_address = "::ffff:192.0.2.1"', "the line has IPv4 only"),
        ("ppp", 'password = "a\\tb"', "no control characters"),
        ("ppp", f'user = "{"u" * 256}"', "at most 255 characters"),
        ("ppp", "mtu = 1", "ppp.mtu = 1 is too small for PPP: use 0 or at least 128."),
        ("ppp", "mtu = 127", "ppp.mtu = 127 is too small for PPP: use 0 or at least 128."),
    ],
)
def test_what_no_call_can_be_made_with_is_refused(section: str, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"{BASE}[{section}]\n{line}\n")
    assert len(caught.value.problems) == 1 and said in caught.value.problems[0]


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("modem", 'sim_pin = "12345678"'),
        ("modem", 'extra_init = "S7=45 S0=0 L1"'),
        ("ppp", 'local_address = "192.0.2.2"\nremote_address = "192.0.2.1"\nmtu = 128'),
        ("ppp", 'user = "a b\\"c"\npassword = "é\\\\\\"#%p"'),
    ],
)
def test_odd_but_possible_values_stand(section: str, line: str) -> None:
    parse_config(f"{BASE}[{section}]\n{line}\n")


def test_a_login_that_sends_no_password_is_reported() -> None:
    script = '[modem]\nport = "/dev/ttyUSB0"\nnumbers = ["0961"]\nlogin_script = ["word:", "%p"]\n'
    assert any("ppp.password is empty" in sentence for sentence in warnings(parse_config(BASE + script)))
    assert warnings(parse_config(BASE + script + '[ppp]\nuser = "u"\npassword = "p"\n')) == ()
