"""A simulated telephone line between two pseudo-terminals: the station's modem here, the provider's end there.

Realistic enough for stock chat, minicom and pppd. The station's end is a modem (sim/modem). The provider's is
either a second modem, which rings and is answered (ATA, S0=1), or "direct": its tty is simply connected to the
call, as on a leased line, and what it sends between calls is lost.

Each direction is one transmitter: a byte takes `bits_per_byte` / `rate_bps` seconds and arrives half a round trip
later. In front of it is the modem's buffer of `buffer_bytes`; while that is full the modem accepts nothing from its
tty, as with hardware flow control, and the tty's own buffers (4 kB on Linux) fill next. A pseudo-terminal has no
DTR and no DCD: hanging up is by escape and ATH, and a lost carrier shows as the words NO CARRIER.

Runs in one event loop. As a program: `python -m dialpost.sim.telephone --help`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dialpost.sim.modem import Answer, Data, Dial, HangUp, Mode, SimulatedModem
from dialpost.sim.telephone_line import Direction, PtyEnd, TelephoneSettings

SHORTEST_NAP_S = 0.002
RING_S = 2.0
CHATTER_S = 1.0
RESULTS = (
    "CONNECT",
    "BUSY",
    "NO CARRIER",
    "NO DIALTONE",
    "NO ANSWER",
    "ERROR",
    "DELAYED",
    "BLACKLISTED",
    "SILENCE",
)


@dataclass
class _End:
    modem: SimulatedModem | None
    pty: PtyEnd
    out: Direction  # towards the other end


@dataclass
class Telephone:
    """The line and everything connected to it. `start`, use, `stop`; `events` is (seconds, what) for everything
    that happened."""

    settings: TelephoneSettings = field(default_factory=TelephoneSettings)
    events: list[tuple[float, str]] = field(default_factory=list)
    calls: int = 0
    is_up: bool = False

    async def start(self) -> Telephone:
        """Make the pseudo-terminals: `station_path` and `provider_path`."""
        settings = self.settings
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._results = deque(settings.results)
        self._timer: asyncio.TimerHandle | None = None
        self._dialling: asyncio.TimerHandle | None = None
        self._ringing = False
        self.up = Direction(settings, lambda data: self._arrived(self._provider, data), "up")
        self.down = Direction(settings, lambda data: self._arrived(self._station, data), "down")
        modem = SimulatedModem(
            sim_pin=settings.sim_pin, has_sim=settings.has_sim, stored=settings.stored, refuses=settings.refuses
        )
        self._station = _End(
            modem, PtyEnd(lambda data: self._typed(self._station, data), self._room(self.up)), self.up
        )
        other = SimulatedModem() if settings.provider_is_modem else None
        self._provider = _End(
            other, PtyEnd(lambda data: self._typed(self._provider, data), self._room(self.down)), self.down
        )
        self.station_path, self.provider_path = self._station.pty.path, self._provider.pty.path
        self._station.pty.look()
        self._provider.pty.look()
        self._late = set(settings.late)
        self._chatterer = self._loop.call_later(CHATTER_S, self._chatter) if settings.chatter else None
        return self

    async def stop(self) -> None:
        """End everything. Harmless if it never started."""
        if not hasattr(self, "_provider"):
            return  # it never started: an earlier step failed
        for timer in (self._timer, self._dialling, self._chatterer):
            if timer is not None:
                timer.cancel()
        self._station.pty.close()
        self._provider.pty.close()

    # -- what a test may do ---------------------------------------------------------------------------

    @property
    def counters(self) -> dict[str, int]:
        """Bytes that arrived each way over all calls, and what is waiting in the modems' buffers."""
        return {
            "up": self.up.carried,
            "down": self.down.carried,
            "buffered_up": self.up.buffered,
            "buffered_down": self.down.buffered,
            "calls": self.calls,
        }

    @property
    def seconds(self) -> float:
        """Seconds since the start, as in `events`."""
        return self._loop.time() - self._began_s

    def answer_next(self, *results: str) -> None:
        """The results of the next dials."""
        unknown = [result for result in results if result not in RESULTS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a result; allowed: {', '.join(RESULTS)}")
        self._results.extend(results)

    def cut(self, why: str = "cut") -> None:
        """Lose the carrier now; everything under way vanishes."""
        if self.is_up:
            self._end_call(why, tell=(self._station, self._provider))

    def die(self, *, dead: bool = True) -> None:
        """The carrier stays, but every byte vanishes."""
        self.up.is_dead = self.down.is_dead = dead
        self._note("dead" if dead else "alive")

    # -- inside ---------------------------------------------------------------------------------------

    def _note(self, what: str) -> None:
        self.events.append((round(self._loop.time() - self._began_s, 3), what))

    def _room(self, direction: Direction) -> Callable[[], int]:
        return lambda: direction.room if self.is_up else 4096

    def _other(self, end: _End) -> _End:
        return self._provider if end is self._station else self._station

    def _typed(self, end: _End, data: bytes) -> None:
        modem = end.modem
        if modem is None:
            if self.is_up:
                end.out.take(data)
                self._schedule()
            return
        for event in modem.receive(data, self._loop.time()):
            if isinstance(event, Data):
                if self.is_up:
                    end.out.take(event.content)
            elif isinstance(event, Dial):
                self._dial(end, event.number)
            elif isinstance(event, Answer):
                self._answer()
            elif isinstance(event, HangUp):
                self._hung_up(end)
        self._say(end, modem, data)
        self._schedule()

    def _say(self, end: _End, modem: SimulatedModem, asked: bytes) -> None:
        """What the modem says to its computer; answers to commands can be delayed."""
        said, late_s = modem.data_to_send(), self.settings.answer_s
        if late_s and self.settings.late and b"\r" in asked:
            found = next((word for word in self._late if asked.upper().startswith(word.encode())), None)
            self._late -= {found or ""}
            late_s = late_s if found else 0.0
        if said and late_s and end is self._station and modem.mode is Mode.COMMAND:
            self._loop.call_later(late_s, lambda: end.pty.write(said) if end.pty.is_open else None)
        else:
            end.pty.write(said)

    def _chatter(self) -> None:
        modem = self._station.modem
        if modem is not None and modem.mode in {Mode.COMMAND, Mode.DIALLING}:
            self._station.pty.write(f"\r\n{self.settings.chatter}\r\n".encode())
        self._chatterer = self._loop.call_later(CHATTER_S, self._chatter)

    def _arrived(self, end: _End, data: bytes) -> None:
        if end.modem is None:
            end.pty.write(data)
        else:
            end.modem.from_line(data)
            end.pty.write(end.modem.data_to_send())

    def _dial(self, end: _End, number: str) -> None:
        self._note(f"dials {number}")
        if number:
            is_wrong = bool(self.settings.number) and number != self.settings.number
            result = self._results.popleft() if self._results else "NO CARRIER" if is_wrong else "CONNECT"
        else:  # off hook and no digit (ATD;): all a modem can detect is the dial tone
            lacks_tone = bool(self._results) and self._results[0] == "NO DIALTONE"
            result = self._results.popleft() if lacks_tone else "OK"
        if result != "SILENCE":
            self._dialling = self._loop.call_later(self.settings.dial_s, self._dialled, end, result)

    def _dialled(self, end: _End, result: str) -> None:
        self._dialling = None
        assert end.modem is not None
        if end.modem.mode is not Mode.DIALLING:
            return
        if result != "CONNECT":
            self._note(result)
            end.modem.failed(result)
            end.pty.write(end.modem.data_to_send())
        elif self._provider.modem is None:
            self._connect()
        else:
            self._ringing = True
            self._ring()

    def _ring(self) -> None:
        provider = self._provider.modem
        assert provider is not None
        if not self._ringing:
            return
        self._note("rings")
        provider.ring()
        self._provider.pty.write(provider.data_to_send())
        if provider.answers_by_itself:
            self._answer()
        else:
            self._dialling = self._loop.call_later(RING_S, self._ring)

    def _answer(self) -> None:
        if self._ringing:
            self._ringing = False
            self._connect()
        elif self._provider.modem is not None:
            self._provider.modem.mode = Mode.DIALLING
            self._provider.modem.failed("NO CARRIER")

    def _connect(self) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
        self.up.clear()
        self.down.clear()
        self.is_up = True
        self.calls += 1
        self._note("CONNECT")
        for end in (self._station, self._provider):
            if end.modem is not None:
                end.modem.connected(self.settings.told_rate or self.settings.rate_bps)
                end.pty.write(end.modem.data_to_send())

    def _hung_up(self, end: _End) -> None:
        if self._dialling is not None and end is self._station:
            self._dialling.cancel()
        self._ringing = False
        if self.is_up:
            self._end_call("hung up", tell=(self._other(end),))

    def _end_call(self, why: str, tell: tuple[_End, ...]) -> None:
        self.is_up = False
        self._note(why)
        self.up.clear()
        self.down.clear()
        for end in tell:
            if end.modem is not None:
                end.modem.carrier_lost()
                end.pty.write(end.modem.data_to_send())
        for end in (self._station, self._provider):
            end.pty.look()

    def _schedule(self) -> None:
        """Move what is due, and continue when more is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = self._loop.time()
        for direction in (self.up, self.down):
            if direction.step(now_s):
                self._end_call(f"cut {direction.name}", tell=(self._station, self._provider))
        times = [time_s for direction in (self.up, self.down) if (time_s := direction.next_s()) is not None]
        for end in (self._station, self._provider):
            end.pty.look()
            if end.modem is not None:
                end.modem.tick(now_s)
                end.pty.write(end.modem.data_to_send())
                if end.modem.wakes_at_s is not None:
                    times.append(end.modem.wakes_at_s)
        if times:
            self._timer = self._loop.call_at(max(min(times), now_s + SHORTEST_NAP_S), self._schedule)


# -- as a program -------------------------------------------------------------------------------------


async def serve(telephone: Telephone, station: Path | None, provider: Path | None) -> None:
    """Run until SIGTERM, SIGINT or the end of standard input; commands come on standard input, one per line."""
    await telephone.start()
    links = [
        (link, path)
        for link, path in ((station, telephone.station_path), (provider, telephone.provider_path))
        if link
    ]
    for link, path in links:
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    print(json.dumps({"station": telephone.station_path, "provider": telephone.provider_path}), flush=True)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    orders = asyncio.create_task(_take_orders(telephone, reader))
    await asyncio.wait({orders, asyncio.create_task(over.wait())}, return_when=asyncio.FIRST_COMPLETED)
    await telephone.stop()
    for link, _ in links:
        link.unlink(missing_ok=True)


async def _take_orders(telephone: Telephone, reader: asyncio.StreamReader) -> None:
    while line := await reader.readline():
        words = line.decode("utf-8", "replace").split(None, 1)
        try:
            answer = order(telephone, words[0] if words else "", words[1].strip() if len(words) > 1 else "")
        except (ValueError, IndexError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def order(telephone: Telephone, word: str, rest: str) -> dict[str, object]:
    """One command of the program. Raises: ValueError for an unknown one."""
    if word == "cut":
        telephone.cut()
    elif word == "cut-at":
        way, _, byte = rest.partition(" ")
        direction = {"up": telephone.up, "down": telephone.down}[way]
        direction.cut_at = int(byte)
    elif word in {"dead", "alive"}:
        telephone.die(dead=word == "dead")
    elif word == "garbage":
        telephone.up.garbage_every = telephone.down.garbage_every = int(rest)
    elif word == "results":
        telephone.answer_next(*(part.strip() for part in rest.split(",")))
    elif word == "events":
        return {"events": telephone.events}
    elif word != "counters":
        raise ValueError("orders: counters, events, results A,B, cut, cut-at up|down BYTE, dead, alive, garbage N")
    return {"up": telephone.is_up, "counters": telephone.counters}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dialpost.sim.telephone",
        description="Simulate a modem and a telephone line between two pseudo-terminals and print their paths. "
        "Dial on the station's side with minicom, chat or pppd; give the provider's side to a pppd.",
        epilog="Orders on standard input, a line each: counters | events | results BUSY,CONNECT | cut | "
        "cut-at up|down BYTE | dead | alive | garbage N (one byte in N is spoilt). Results: " + ", ".join(RESULTS),
    )
    parser.add_argument("--rate", type=int, default=33_600, metavar="BPS", help="of the line (default 33600)")
    parser.add_argument("--rtt", type=float, default=0.150, metavar="S", help="round trip (default 0.15)")
    parser.add_argument("--buffer", type=int, default=2048, metavar="BYTES", help="the modem's (default 2048)")
    parser.add_argument(
        "--dial", type=float, default=1.0, metavar="S", help="from dialling to the result (default 1)"
    )
    parser.add_argument("--results", default="", metavar="A,B", help="of the first dials; then CONNECT")
    parser.add_argument("--provider-modem", action="store_true", help="the provider's end is a modem that rings")
    parser.add_argument("--sim-pin", metavar="PIN", help="the station's modem is a cellular one with this PIN")
    parser.add_argument("--answer-delay", type=float, default=0.0, metavar="S", help="each answer comes so late")
    parser.add_argument(
        "--late", default="", metavar="AT+CSQ,..", help="only the first answer to each of these does"
    )
    parser.add_argument("--chatter", default="", metavar="TEXT", help="said unasked each second, like ^RSSI:17")
    parser.add_argument("--stored", default="", metavar="E0Q1", help="the modem's stored settings (E0, Q1, V0)")
    parser.add_argument("--refuse", default="", metavar="A,B", help="commands it refuses, without AT, like %%C3,X7")
    parser.add_argument("--station", type=Path, metavar="PATH", help="make a symbolic link to the station's tty")
    parser.add_argument("--provider", type=Path, metavar="PATH", help="and to the provider's")
    args = parser.parse_args()
    results = tuple(part.strip() for part in args.results.split(",") if part.strip())
    if unknown := [result for result in results if result not in RESULTS]:
        parser.error(f"{unknown[0]!r} is not a result; allowed: {', '.join(RESULTS)}")
    settings = TelephoneSettings(
        args.rate, args.rtt, buffer_bytes=args.buffer, dial_s=args.dial, results=results,
        provider_is_modem=args.provider_modem, sim_pin=args.sim_pin, has_sim=args.sim_pin is not None,
        answer_s=args.answer_delay, late=_listed(args.late), chatter=args.chatter, stored=args.stored,
        refuses=_listed(args.refuse),
    )  # fmt: skip
    telephone = Telephone(settings)
    asyncio.run(serve(telephone, args.station, args.provider))


if __name__ == "__main__":
    main()
