"""What the wizard starts from: whole, begun or damaged configurations."""

from __future__ import annotations

import pytest

from dialpost.core.config.model import Config, LinkKind
from dialpost.core.config.text import parse_config
from dialpost.core.console.wizard.base import base_config

WHOLE = """\
[station]
hostname = "mail.clinic.example"
domains = ["clinic.example"]
[link]
kind = "gateway"
[[schedule.entry]]
at = ["07:30"]
"""


def test_a_whole_one_is_taken_as_it_is() -> None:
    assert base_config(WHOLE) == parse_config(WHOLE)


def test_the_first_lines_of_one_are_kept_and_names_are_open() -> None:
    config = base_config('[station]\ndata_dir = "/srv/post"\n[smtp]\nlisten = ["127.0.0.1:2525"]\n')
    assert (config.station.data_dir, config.smtp.listen) == ("/srv/post", ("127.0.0.1:2525",))
    assert (config.station.hostname, config.station.domains) == ("", ())


def test_of_a_damaged_one_every_good_key_is_kept() -> None:
    text = (
        WHOLE + '[smtp]\nmax_errors = 9\nmax_recipients = "many"\nfoo = 1\n[nonsense]\na = 1\n[ppp]\nuser = "x"\n'
    )
    config = base_config(text)
    assert config.station == parse_config(WHOLE).station
    assert (config.link.kind, config.smtp.max_errors, config.ppp.user) == (LinkKind.GATEWAY, 9, "x")
    assert config.smtp.max_recipients == Config().smtp.max_recipients
    assert [entry.at for entry in config.schedule.entry] == [("07:30",)]


def test_keys_that_contradict_each_other_are_not_both_kept() -> None:
    config = base_config(WHOLE + "[call]\ngrace_min_s = 50.0\ngrace_max_s = 5.0\n")
    assert (config.call.grace_min_s, config.call.grace_max_s) == (50.0, Config().call.grace_max_s)


@pytest.mark.parametrize("text", ["", "nonsense", "[", "station = 5\n", "\x00", "[station]\nhostname = 5\n"])
def test_what_is_no_configuration_at_all_gives_the_defaults(text: str) -> None:
    assert base_config(text) == Config()
