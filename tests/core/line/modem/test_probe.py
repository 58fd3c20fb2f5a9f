"""Which profile is suggested for which modem, and what is to be written into the configuration."""

from __future__ import annotations

import tomllib

import pytest

from cases import cases
from dialpost.core.config.text import parse_config
from dialpost.core.line.modem.probe import (
    IDENTITY_COMMANDS,
    Hints,
    Likeness,
    PortFacts,
    Suggestion,
    config_lines,
    identity,
    suggest,
)

HINTS = {
    "courier": Hints(says=("Courier",)),
    "usb-v92": Hints(usb=("0572:1340", "0baf:*"), says=("CX93010",)),
    "cellular": Hints(usb=("12d1:*",)),
    "hayes": Hints(),
}
NONE = ("",) * len(IDENTITY_COMMANDS)


def said(**answers: str) -> tuple[str, ...]:
    """Answers by command, with the signs of a name spelt out."""
    spelt = {"I": "i", "I3": "i3", "+GMI": "gmi", "+GMM": "gmm", "+CGMM": "cgmm", "+CPIN?": "cpin"}
    return tuple(answers.get(spelt[command], "") for command in IDENTITY_COMMANDS)


@cases(
    ("port", "answers", "wanted"),
    [
        (
            PortFacts("/dev/ttyS0"),
            NONE,
            Suggestion("hayes", Likeness.PLAIN, "it answers AT and nothing more is known of it"),
        ),
        (
            PortFacts("/dev/ttyS0"),
            said(i3="USRobotics  Courier V.Everything"),
            Suggestion("courier", Likeness.SAYS, 'it says "USRobotics Courier V.Everything"'),
        ),
        (
            PortFacts("/dev/ttyACM0", usb="0572:1340"),
            NONE,
            Suggestion("usb-v92", Likeness.DEVICE, "its USB id is 0572:1340"),
        ),
        (
            PortFacts("/dev/ttyACM0", usb="0baf:0303"),
            NONE,
            Suggestion("usb-v92", Likeness.MAKER, "its USB id 0baf:0303 is of such a maker"),
        ),
        (
            PortFacts("/dev/ttyACM0", usb="0baf:0303"),
            said(i="courier"),
            Suggestion("courier", Likeness.SAYS, 'it says "courier"'),
        ),
        (
            PortFacts("/dev/ttyACM0"),
            said(i="Couriers united"),
            Suggestion("hayes", Likeness.PLAIN, "it answers AT and nothing more is known of it"),
        ),
        (
            PortFacts("/dev/ttyUSB2", usb="1e0e:9001"),
            said(gmi="ACME", cpin="+CPIN: READY OK"),
            Suggestion("cellular", Likeness.SIM, "it has a SIM slot (it answers AT+CPIN?)"),
        ),
        (
            PortFacts("/dev/ttyUSB2"),
            said(cpin="+CME ERROR: 10"),
            Suggestion("cellular", Likeness.SIM, "it has a SIM slot (it answers AT+CPIN?)"),
        ),
    ],
)
def test_suggestions(port: PortFacts, answers: tuple[str, ...], wanted: Suggestion) -> None:
    assert suggest(port, answers, HINTS) == wanted


def test_what_it_says_of_itself_is_reported_once() -> None:
    assert identity(said(i="56000", gmi="CONEXANT\r\nACF", gmm="56000")) == "56000; CONEXANT ACF"
    assert identity(NONE) == ""


def test_the_lines_are_a_configuration() -> None:
    text = config_lines(PortFacts("/dev/serial/by-id/usb-Conexant_USB_Modem-if00", "/dev/ttyACM0"), "usb-v92")
    assert tomllib.loads(text)["modem"]["profile"] == "usb-v92"
    config = parse_config(
        '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
        '[outbound]\nsmarthost = "smtp.provider.example"\n' + text
    )
    assert config.modem.port == "/dev/serial/by-id/usb-Conexant_USB_Modem-if00"


@pytest.mark.parametrize("usb", ["572:1340", "0572", "0572:134g", "0572:**", "0572:1340 "])
def test_what_is_no_usb_id_is_reported(usb: str) -> None:
    assert Hints(usb=(usb,)).faults() == [f'probe.usb has "{usb}", which is not a USB id like 0572:1340 or 0572:*.']
    assert Hints(usb=("0572:1340", "12d1:*")).faults() == []


def test_what_a_modem_says_of_itself_is_surest_and_no_answer_least() -> None:
    assert [likeness.name for likeness in sorted(Likeness)] == ["PLAIN", "SIM", "MAKER", "DEVICE", "SAYS"]
