"""The modem's line as it is wired."""

from typing import cast

from dialpost.core.config import Config, ModemConfig, OutboundConfig, StationConfig
from dialpost.core.ppp_options import PppRequest
from dialpost.edge.clock import Clock
from dialpost.edge.resolver import Resolver
from dialpost.modem_line import modem_line
from fakes import MemoryCallStore


async def nothing() -> None:
    pass


def test_a_link_to_the_port_is_followed_for_root_takes_real_names_only(tmp_path) -> None:
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
