"""No text of a setting gets into what root loads other than as the value that was read from it.

Every text of the configuration is tried, whether a renderer uses it today or not: straight into the renderers, as
if no check of the configuration had looked at it before. Either the renderer refuses, or the file has the form it
has with a harmless value.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialpost.core.config.model import Config, LanConfig, LanMethod, StationConfig
from dialpost.core.config.text import parse_config
from dialpost.core.errors import ConfigError
from dialpost.core.ip_text import ip_address, ip_interface, ip_network
from dialpost.core.line.firewall import ruleset
from dialpost.core.line.ppp.options import PppRequest, options
from dialpost.core.system.apply.render import render
from fuzzing import inputs
from known import is_a

BASE = Config(station=StationConfig(hostname="mail.clinic.example", domains=("clinic.example",)))
STATIC = replace(BASE, lan=LanConfig(LanMethod.STATIC, "eth0", "192.0.2.25/24", "192.0.2.1"))
BASES = {"automatic address": BASE, "fixed address": STATIC}
HARMLESS = [
    "",
    "eth0",
    "mail.clinic.example",
    "clinic",
    "192.0.2.9/24",
    "192.0.2.9",
    "2001:db8::1",
    "2001:db8::1/64",
    "/data/x",
    "0.0.0.0:25",
    "[::1]:25",
    "[2001:db8::1]:2525",
    "Europe/Berlin",
    "127.0.0.1:25",
]
SAFE = re.compile(r"[A-Za-z0-9._:/@+-]+")


def _texts() -> Iterator[tuple[str, str, bool]]:
    """Every setting that is a text or a list of texts: (section, name, whether a list)."""
    for part in fields(Config):
        section = getattr(BASE, part.name)
        if is_dataclass(section):
            for one in fields(section):
                value = getattr(section, one.name)
                if isinstance(value, str) or (isinstance(value, tuple) and "str" in str(one.type)):
                    yield part.name, one.name, isinstance(value, tuple)


TEXTS = list(_texts())


def form(config: Config) -> list[tuple[str, str]]:
    """What is rendered, each run of harmless characters as one."""
    return [(file.path, SAFE.sub("x", file.text)) for file in render(config)]


def changed(base: Config, section: str, name: str, is_list: bool, text: str) -> Config:
    value = (text,) if is_list else text
    return replace(base, **{section: replace(getattr(base, section), **{name: value})})


@cache
def harmless_forms(base: str, section: str, name: str, is_list: bool) -> list[list[tuple[str, str]]]:
    """The forms with the harmless values that can be there."""
    forms = []
    for good in HARMLESS:
        with suppress(ValueError):
            forms.append(form(changed(BASES[base], section, name, is_list, good)))
    return forms


foreign = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda good, bad, where: good[:where] + bad + good[where:],
        st.sampled_from(HARMLESS),
        st.text(min_size=1, max_size=12),
        st.integers(0, 20),
    ),
    st.builds("fe80::%{}{}".format, st.text(max_size=12), st.sampled_from(["", "/64"])),
    st.builds("[fe80::%{}]:25".format, st.text(max_size=12)),
    st.sampled_from(["eth0; drop", 'eth0" accept', "x\ny", "a b", "a{b}", "/x/../etc", "::1%lo", "192.0.2.1%x"]),
)


def test_the_settings_that_matter_are_among_those_tried() -> None:
    names = {f"{section}.{name}" for section, name, _ in TEXTS}
    assert names >= {
        "station.hostname",
        "station.data_dir",
        "lan.interface",
        "lan.address",
        "lan.gateway",
        "lan.dns",
        "lan.fallback_address",
        "smtp.listen",
        "smtp.submission_listen",
        "tls.certificate",
        "tls.key",
        "clock.servers",
        "schedule.timezone",
        "relay.networks",
        "relay.provider_networks",
        "ppp.user",
        "outbound.smarthost",
    }


@pytest.mark.parametrize(("section", "name", "is_list"), TEXTS, ids=str)
@settings(max_examples=40, deadline=None)
@given(foreign, st.sampled_from(list(BASES)))
def test_what_root_loads_holds_no_foreign_text(
    section: str, name: str, is_list: bool, text: str, base: str
) -> None:
    try:
        found = form(changed(BASES[base], section, name, is_list, text))
    except ValueError:
        return
    assert found in harmless_forms(base, section, name, is_list)


@pytest.mark.parametrize(("section", "name", "is_list"), TEXTS, ids=str)
@settings(max_examples=20, deadline=None)
@given(
    st.builds(
        "fe80::{}%{}{}".format, st.sampled_from(["", "1"]), st.text(max_size=12), st.sampled_from(["", "/64"])
    )
)
def test_no_kind_of_address_takes_a_zone(section: str, name: str, is_list: bool, text: str) -> None:
    kind = next(one for one in fields(getattr(BASE, section)) if one.name == name).metadata["setting"].kind
    if kind not in {"network", "ip", "ipv4", "host", "interface-address", "listen"}:
        return
    quoted = '"' + "".join(f"\\U{ord(sign):08x}" for sign in text) + '"'
    value = f"[{quoted}]" if is_list else quoted
    extra = (
        ""
        if section == "station"
        else '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n'
    )
    with pytest.raises(ConfigError):
        parse_config(f"{extra}[{section}]\n{name} = {value}\n")


REQUEST = PppRequest("/dev/ttyUSB0", 115_200, 33_600)
_WORD = re.compile(r'(?:user|password) "(?:[^"\\\n]|\\["\\])*"\Z')


@settings(max_examples=inputs(300), deadline=None)
@given(
    st.sampled_from(["device", "flow_control", "auth", "local_address", "remote_address", "user", "password"]),
    foreign,
)
def test_pppd_is_told_nothing_foreign(name: str, text: str) -> None:
    try:
        request = (
            replace(REQUEST, user="u", **is_a(dict, {name: text}))
            if name != "user"
            else replace(REQUEST, user=text)
        )
    except ValueError:
        return
    found = options(request, up_script="/run/up", down_script="/run/down").removesuffix("\n").split("\n")
    for line in found:
        assert SAFE.sub("", line.replace(" ", "")).strip(",") == "" or _WORD.match(line), line


@settings(max_examples=inputs(300), deadline=None)
@given(foreign)
def test_the_lines_firewall_is_made_of_values(text: str) -> None:
    plain = ruleset(
        "ppp0",
        [ip_network("192.0.2.1"), ip_network("2001:db8::1")],
        filtered=True,
        timestamps_off=True,
        share_with_lan=False,
    )
    try:
        interface = ruleset(text, [], filtered=True, timestamps_off=True, share_with_lan=False)
    except ValueError:
        interface = plain
    assert set(SAFE.sub("", interface)) <= set(SAFE.sub("", plain))
    assert interface.count("\n") <= plain.count("\n")
    for read in (ip_address, ip_network, ip_interface):
        try:
            assert SAFE.fullmatch(str(read(text)))
        except ValueError:
            continue
