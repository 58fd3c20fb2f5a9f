"""The modem's line as it is wired."""

from pathlib import Path
from typing import cast

import pytest

from dialpost.core.config.model import Config, LinkConfig, ModemConfig, OutboundConfig, PppConfig, StationConfig
from dialpost.core.line.modem.set_up import line_rate_bps
from dialpost.core.line.ppp.events import PppUp
from dialpost.core.line.ppp.options import PppRequest
from dialpost.edge.mail.resolver import Resolver
from dialpost.edge.system.board_files import BoardFiles
from dialpost.edge.system.clock import Clock
from dialpost.modem_line import expected_rate_bps, line_pace, modem_line
from fakes import MemoryCallStore


async def nothing() -> None:
    pass


def test_the_lines_rate_before_the_first_call_is_the_profiles(tmp_path: Path) -> None:
    def rate_bps(profile: str, **link: int) -> int:
        return expected_rate_bps(
            Config(
                station=StationConfig("mail.clinic.example", ("clinic.example",)),
                modem=ModemConfig(profile=profile),
                link=LinkConfig(**link),  # type: ignore[arg-type]
            )
        )

    assert [rate_bps("iridium"), rate_bps("hayes"), rate_bps("no-such")] == [2400, 33_600, 33_600]
    assert rate_bps("iridium", line_rate_bps=9600) == 9600


def test_the_ports_speed_is_not_the_lines_rate(tmp_path: Path) -> None:
    for profile, told_bps, known_bps in (
        ("iridium", 9600, 2400),
        ("iridium", None, 2400),
        ("hayes", 115_200, 33_600),
        ("hayes", 57_600, 33_600),
        ("hayes", 38_400, 33_600),
        ("hayes", 28_800, 28_800),
        ("hayes", 56_000, 56_000),
        ("hayes", 9600, 9600),
        ("cellular", 150_000_000, 150_000_000),
        ("cellular", 115_200, 33_600),
    ):
        of_profile = BoardFiles().profile(profile)
        assert line_rate_bps(told_bps, of_profile, 33_600, of_profile.speed_bps) == known_bps


def test_a_link_to_the_port_is_followed_for_root_takes_real_names_only(tmp_path: Path) -> None:
    port = tmp_path / "serial0"  # as a Pi's /dev/serial0 is one, to /dev/ttyAMA0 or ttyS0
    port.symlink_to("/dev/ttyS3")
    config = Config(
        station=StationConfig("mail.clinic.example", ("clinic.example",), run_dir=str(tmp_path)),
        outbound=OutboundConfig(smarthost="192.0.2.1"),
        modem=ModemConfig(port=str(port), numbers=("1",)),
    )
    link, _ = modem_line(config, cast("Clock", None), cast("Resolver", None), MemoryCallStore(), nothing)
    request = link._request(33_600)
    assert request.device == "/dev/ttyS3"
    assert PppRequest.from_json(request.to_json()) == request


def test_lcp_asks_often_only_after_a_call_with_a_short_round_trip(tmp_path: Path) -> None:
    """With a longer one it would never stay open (RFC 1661 §4.1)."""
    config = Config(
        station=StationConfig("mail.clinic.example", ("clinic.example",), run_dir=str(tmp_path)),
        modem=ModemConfig(port="/dev/ttyS3", numbers=("1",)),
    )
    pace = line_pace(config)
    link, _ = modem_line(
        config,
        cast("Clock", None),
        cast("Resolver", None),
        MemoryCallStore(),
        nothing,
        on_rate=pace.begins,
        round_trip_s=lambda: pace.round_trip_s,
    )
    asked = []
    for heard_s in (None, 1.8, 0.51, 0.5, 0.15, None, 0.001):
        if heard_s is not None:
            pace.heard(heard_s)
        asked.append(link._request(33_600).answers_soon)
    assert asked == [False, False, False, True, True, False, False], "the last one was of a host on the LAN"


@pytest.mark.parametrize(("is_trusted", "interface"), [(True, "ppp0"), (False, "")])
def test_the_name_servers_of_a_trusted_line_are_asked_on_it_alone(
    tmp_path: Path, is_trusted: bool, interface: str
) -> None:
    """They say which host gets mail without TLS: nobody on the LAN may answer in their place."""
    told: list[tuple[object, str]] = []

    class Names:
        def use_servers(self, servers: object, interface: str = "") -> None:
            told.append((servers, interface))

    config = Config(
        station=StationConfig("mail.clinic.example", ("clinic.example",), run_dir=str(tmp_path)),
        modem=ModemConfig(port="/dev/null", numbers=("1",)),
        ppp=PppConfig(trusted_line=is_trusted),
    )
    link, _ = modem_line(config, cast("Clock", None), cast("Resolver", Names()), MemoryCallStore(), nothing)
    watcher = link._watchers[0]
    watcher.line_up(PppUp("ppp0", "10.0.0.2", "10.0.0.1", ("192.0.2.53",)))
    watcher.line_down()
    assert told == [(("192.0.2.53",), interface), ((), "")]
