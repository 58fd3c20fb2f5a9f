"""Line, provider and station together, and what a test of whole calls asks of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from dialpost.sim.telephone_line import TelephoneSettings
from rig.line.guests import Answers, ProviderGuest, Sizes, StationGuest
from rig.line.provider_mail import Kind
from rig.line.telephone import TelephoneLine
from rig.processes import eventually
from rig.servers.certificates import Certificate
from rig.station import Settings

_UNANSWERED = "answer=unknown"
"""In the log line of a message that was sent whole, and whose answer was lost with the line."""


class Exchange:
    """Two booted guests and the line between them; `afresh` before each test gives a clean slate on them."""

    def __init__(
        self,
        directory: Path,
        *,
        line: TelephoneSettings | None = None,
        kind: Kind = "postfix",
        settings: Settings | None = None,
        main: Mapping[str, str] | None = None,
        certificate: Certificate | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.line = TelephoneLine(line)
        self.provider = ProviderGuest(
            directory / "provider",
            self.line.provider_path,
            kind=kind,
            main=main,
            certificate=certificate,
            files=files,
        )
        self.station = StationGuest(directory / "station", self.line.station_path, settings=settings)
        self.line.on_carrier = self.provider.carrier
        self.is_spoilt = False  # a test failed in the middle: the next one begins afresh
        self._inbound: list[str] = []
        self._outbound: list[str] = []

    def __enter__(self) -> Exchange:
        try:
            self.provider.begin()
            self.station.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.station.stop()
        self.provider.stop()
        self.line.close()

    def afresh(
        self,
        settings: Settings | None = None,
        *,
        answers: Answers = "ppp",
        ppp_options: Sequence[str] = ("auth", "require-chap"),
        main: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing waits anywhere, nobody has mail, the line is down and in order."""
        self.station.end()
        self.line.heal()
        eventually(lambda: not self.line.is_up, what="the line down")
        self.provider.afresh(answers=answers, ppp_options=ppp_options, main=main)
        self.station.afresh(settings)
        self._inbound, self._outbound = [], []

    def load(self, inbound: Sizes, outbound: Sizes, *, prefix: str = "", like_mail: bool = False) -> None:
        """Mail that the provider holds for the station, and mail that waits there for the world."""
        self._inbound += self.provider.hold(inbound, prefix=f"in{prefix}", like_mail=like_mail)
        self._outbound += self.station.submit(outbound, prefix=f"out{prefix}", like_mail=like_mail)
        eventually(
            lambda: self.provider.queue_length() == len(self._inbound) - len(self.inbound_arrived()),
            what="the provider holds all",
        )

    def inbound_arrived(self) -> list[str]:
        return self.station.arrived(self.station.maildir())

    def outbound_arrived(self) -> list[str]:
        return self.provider.arrived(self.provider.world)

    def is_all_across(self) -> bool:
        """Whether every message that was loaded has arrived."""
        return {*self._inbound} <= {*self.inbound_arrived()} and {*self._outbound} <= {*self.outbound_arrived()}

    def check_all_is_across(self) -> int:
        """Each message loaded so far arrived whole and once, and nothing waits at either end.

        What was cut between its end and the answer may be at the provider twice, for nobody can know (RFC 1047): no
        message but those the station says so of. Returns how many came twice.
        """
        try:
            eventually(self.is_all_across, what="all mail there")
            assert self.inbound_arrived() == sorted(self._inbound), "inbound mail is not there just once"
            outbound, unanswered = Counter(self.outbound_arrived()), self.station.log("dialpost").count(_UNANSWERED)
            assert outbound.keys() == set(self._outbound), "outbound mail is not what was sent"
            twice = outbound.total() - len(self._outbound)
            assert twice <= unanswered, f"{twice} came twice, {unanswered} had no answer: {outbound.most_common(9)}"
            eventually(lambda: self.provider.queue_length() == 0, what="the provider's queue empty")
            assert self.station.waiting() == 0, "something waits at the station"
            return twice
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def story(self) -> str:
        """What happened, for the message of a failed test."""
        return "\n".join(
            [
                *(f"{seconds:8.3f} {what}" for seconds, what in self.line.events[-40:]),
                "--- station",
                self.station.log("dialpost")[-6000:],
                "--- pppd at the provider",
                self.provider.log(self.provider.answering)[-2000:],
                "--- mail server at the provider",
                self.provider.mail_log()[-4000:],
            ]
        )
