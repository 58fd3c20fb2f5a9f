"""Foreign text in a fault's words is cut: a whole file may have come where a name was due."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from dialpost.core.config.values import KIND_CHECKS
from dialpost.core.errors import ConfigError, ProtocolError
from dialpost.core.ip_text import interface_name
from dialpost.core.json_text import parse_json
from dialpost.core.line.ppp.options import PppRequest
from dialpost.core.mail.esmtp.replies import ReplyReader
from dialpost.core.mail.reply import Reply
from dialpost.core.system.apply.rendered import host_name, plain_path, zone
from dialpost.core.toml_text import parse_toml


def _replies(text: str) -> Iterator[Reply]:
    return ReplyReader().receive(f"{text}\n".encode())


def _request(host: str) -> str:
    return json.dumps({"device": "/dev/ttyS0", "speed_bps": 9600, "rate_bps": 2400, "mail_hosts": [host]})


@pytest.mark.parametrize(
    ("take", "longest"),
    [
        (interface_name, 80),
        (zone, 80),
        (host_name, 80),
        (plain_path, 80),
        (lambda text: PppRequest.from_json(_request(text)), 80),
        (lambda text: list(_replies(text)), 80),
        (lambda text: KIND_CHECKS["ip"](f"{text}%eth0"), 45),
    ],
    ids=["interface", "zone", "host", "path", "network", "reply", "address"],
)
def test_foreign_text_is_cut(take: Callable[[str], object], longest: int) -> None:
    for length, shown in ((longest - 1, longest - 1), (longest, longest), (longest + 1, longest)):
        with pytest.raises((ValueError, ProtocolError)) as caught:
            take("!" * length)
        assert str(caught.value).count("!") == shown


def _said(take: Callable[[str], object], text: str) -> str:
    with pytest.raises((ValueError, ConfigError)) as caught:
        take(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("take", "longest"),
    [
        (lambda text: parse_json(f'{{"{text}": 1, "{text}": 2}}'), 39),
        (lambda text: parse_toml(f'["{text}"]\n["{text}"]'), 300 - len("Cannot declare ('")),
        (lambda text: parse_toml(f"{text} = {'{a.b.c.d=' * 20}1{'}' * 20}"), 80),
    ],
    ids=["JSON", "TOML twice", "TOML deep"],
)
def test_a_key_or_a_name_is_cut(take: Callable[[str], object], longest: int) -> None:
    assert "x" * longest in _said(take, "x" * 400)
    assert "x" * (longest + 1) not in _said(take, "x" * 400)


def test_the_longest_name_of_a_time_zone() -> None:
    assert zone("Area/" + "x" * 59) == "Area/" + "x" * 59
    with pytest.raises(ValueError, match="is no time zone"):
        zone("Area/" + "x" * 60)


def test_the_longest_path() -> None:
    whole = ("/" + "x" * 127) * 8
    assert len(whole) == 1024 and plain_path(f"{whole}/") == whole
    with pytest.raises(ValueError, match="plain letters"):
        plain_path(f"{whole}x")


def test_the_longest_host_name() -> None:
    whole = ".".join(["x" * 63] * 3 + ["x" * 61])
    assert len(whole) == 253 and host_name(whole) == whole
    with pytest.raises(ValueError, match="host name"):
        host_name(f"{whole}x")
