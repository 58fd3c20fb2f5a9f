"""`dialpost simulate`: the station with a simulated line and provider, for demonstration and proof.

In a terminal the panel is drawn and a key is the button. Without one (or with `--once`) it makes its calls
automatically, counts what arrived, and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialpost.core.config.console import CONSOLE_SPEEDS_BPS
from dialpost.core.errors import DialpostError, StorageError

if TYPE_CHECKING:  # the station's machinery is loaded only when it is simulated
    from dialpost.sim.once import Load
    from dialpost.sim.report import Report
    from dialpost.sim.world import World, WorldSettings

ETRN_CODES = (250, 251, 252, 253, 458, 459, 500, 501, 502, 504, 530)
MOST_MESSAGES = 10_000
DEMO_MESSAGES = 3

_DESCRIPTION = """\
Run the real station with a simulated line and provider. In a terminal, this shows the panel, with a key as its
button, and how to send a message with a mail program. With --once, or without a terminal, it submits messages at
both ends, makes calls until all are delivered, and counts them.

Exit status of --once: 0 everything arrived exactly once; 1 something is missing, duplicated or damaged; 2 the
command was not understood; 3 only the provider's mail is missing, because it refused ETRN.
"""


def add_parser(commands: Any) -> None:
    """Add `simulate` to the command line."""
    parser = commands.add_parser(
        "simulate",
        description=_DESCRIPTION,
    )
    parser.add_argument("--once", action="store_true", help="carry the messages, count them, and exit")
    parser.add_argument(
        "--outbound", type=_whole(0, MOST_MESSAGES), metavar="N", help="number of messages to the world"
    )
    parser.add_argument(
        "--inbound", type=_whole(0, MOST_MESSAGES), metavar="N", help="number of messages waiting at the provider"
    )
    parser.add_argument(
        "--size",
        type=_whole(1, 50_000_000),
        metavar="BYTES",
        help="size of every message (default: 0.5 to 8 kB, chosen by the seed)",
    )
    parser.add_argument(
        "--seed",
        type=_whole(0, 1 << 62),
        default=1,
        metavar="S",
        help="seed for generating the messages (default 1)",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the result to this file as JSON")
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="keep the station's data in this folder (default: a temporary folder)",
    )
    parser.add_argument("--verbose", action="store_true", help="also show the station's log")
    first = parser.add_argument_group("the first start")
    first.add_argument(
        "--first-start",
        action="store_true",
        help="start a station without a configuration; set it up at its serial console",
    )
    first.add_argument(
        "--console-bps",
        type=int,
        choices=CONSOLE_SPEEDS_BPS,
        default=115_200,
        metavar="R",
        help="speed of the serial console in bit/s, also with the panel (default 115200)",
    )
    first.add_argument(
        "--any-ports", action="store_true", help="listen on free ports instead of 2525, 2587 and 2465"
    )
    _add_line(parser.add_argument_group("the line"))
    _add_provider(parser.add_argument_group("the provider"))
    parser.set_defaults(func=lambda args: _simulate(parser, args))


def _add_line(group: Any) -> None:
    group.add_argument(
        "--rate-bps",
        type=_whole(50, 1_000_000_000),
        default=33_600,
        metavar="R",
        help="line rate in bit/s, ten bits per byte (default 33600)",
    )
    group.add_argument(
        "--rtt-ms",
        type=_number(0, 60_000),
        default=150.0,
        metavar="T",
        help="round-trip time in milliseconds (default 150)",
    )
    group.add_argument(
        "--dial-s",
        type=_number(0, 120),
        default=3.0,
        metavar="S",
        help="seconds from dialling to the modem's result (default 3)",
    )
    group.add_argument(
        "--results",
        default="",
        metavar="LIST",
        help="results of the first dial attempts, for example BUSY,NO-ANSWER,CONNECT",
    )
    group.add_argument(
        "--cut-up",
        type=_whole(0, 1 << 50),
        metavar="BYTES",
        help="drop the carrier after this many bytes to the provider",
    )
    group.add_argument(
        "--cut-down",
        type=_whole(0, 1 << 50),
        metavar="BYTES",
        help="drop the carrier after this many bytes from the provider",
    )


def _add_provider(group: Any) -> None:
    group.add_argument(
        "--etrn",
        type=int,
        choices=ETRN_CODES,
        metavar="CODE",
        help=f"reply to ETRN: {', '.join(map(str, ETRN_CODES))} (default: the appropriate one)",
    )
    group.add_argument("--no-pipelining", action="store_true", help="don't offer PIPELINING")
    group.add_argument("--no-chunking", action="store_true", help="don't offer CHUNKING")
    group.add_argument(
        "--start-s",
        type=_number(0, 600),
        default=0.0,
        metavar="S",
        help="seconds from ETRN to the provider's first connection",
    )
    group.add_argument(
        "--gap-s",
        type=_number(0, 600),
        default=0.0,
        metavar="S",
        help="seconds between messages, each on a separate connection",
    )
    group.add_argument(
        "--connections",
        type=_whole(1, 20),
        default=1,
        metavar="N",
        help="parallel connections from the provider (default 1)",
    )


def _whole(low: int, high: int) -> Any:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return parse


def _number(low: float, high: float) -> Any:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    return parse


def _settings(parser: argparse.ArgumentParser, args: argparse.Namespace) -> WorldSettings:
    from dialpost.sim.line import LineSettings, parse_results
    from dialpost.sim.provider.provider import ProviderSettings
    from dialpost.sim.world import WorldSettings

    try:
        results = tuple(parse_results(args.results)) if args.results else ()
    except ValueError as error:
        parser.error(f"argument --results: {error}")
    rtt_s = args.rtt_ms / 1000.0
    line = LineSettings(args.rate_bps, rtt_s, args.dial_s, results, args.cut_up, args.cut_down)
    provider = ProviderSettings(
        args.etrn,
        pipelining=not args.no_pipelining,
        chunking=not args.no_chunking,
        start_s=args.start_s,
        gap_s=args.gap_s,
        connections=args.connections,
    )
    slowest_s = max(args.start_s, args.gap_s)
    return WorldSettings(
        line,
        provider,
        grace_min_s=max(0.3, min(2.0, 10 * rtt_s)),
        grace_max_s=max(10.0, 20 * rtt_s, 2.5 * slowest_s),
        pause_s=max(0.2, min(2.0, args.dial_s)),
        redials=5 + len(results),
    )


def _simulate(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    settings = _settings(parser, args)
    if args.report is not None and args.report.name in {"", ".."}:
        parser.error(f"argument --report: '{args.report}' is not a file name")
    if args.report is not None and not args.report.absolute().parent.is_dir():
        parser.error(f"argument --report: the folder {args.report.absolute().parent} does not exist")
    if args.first_start:
        from dialpost.sim.first_start import FIRST, run

        _set_up_logging(args.verbose)
        with _folder(args.dir, goes_on_with=FIRST) as folder:
            ended: int = asyncio.run(run(settings, folder, console_bps=args.console_bps, any_ports=args.any_ports))
            return ended
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not args.once and on_terminal:
        from dialpost.sim.panel_view import show

        _set_up_logging(False)
        with _folder(args.dir) as folder:
            shown: int = asyncio.run(show(settings, folder, args.console_bps))
            return shown
    _set_up_logging(args.verbose)
    load = _load(args)
    with _folder(args.dir) as folder:
        status = asyncio.run(_once(settings, load, folder, args))
    if not args.once:
        _say("")
        _say("This was a demonstration without a terminal. In a terminal, `dialpost simulate` shows the panel;")
        _say("`dialpost simulate --once --outbound 20 --inbound 20 --report r.json` is for scripts.")
    return status


def _load(args: argparse.Namespace) -> Load:
    from dialpost.sim.once import Load

    outbound = DEMO_MESSAGES if args.outbound is None else args.outbound
    inbound = DEMO_MESSAGES if args.inbound is None else args.inbound
    return Load(outbound, inbound, args.seed, args.size)


async def _once(settings: WorldSettings, load: Load, folder: Path, args: argparse.Namespace) -> int:
    from dialpost.sim.once import Once
    from dialpost.sim.world import World

    world = World(settings, folder)
    _say(f"Line: {settings.line.rate_bps} bit/s, round trip {settings.line.rtt_s * 1000:g} ms; seed {load.seed}")
    once = Once(world, load, lambda words: _say(f"{world.seconds():7.1f} s  {words}"))

    async def run() -> Report:
        await world.start()
        return await once.run()

    try:
        report = await _with_report(run(), world, args)
    finally:
        await world.stop()
    return report.exit_status


async def _with_report(run: Coroutine[None, None, Report], world: World, args: argparse.Namespace) -> Report:
    """Run it; report the end, and write the report whatever the end was."""
    from dialpost.sim.report import Count, Report, write_report

    nothing = Count(0, 0, 0, 0, 0)
    report = Report(nothing, nothing, 0, [], world.led_history, words=["The simulation failed."])
    try:
        report = await run
        if report.exit_status:
            report.extra["status"] = await _status(world)
        _tell(report)
    except DialpostError as error:
        report.words = [str(error)]
        _tell(report)
    finally:
        if args.report is not None:
            write_report(args.report, report)
    return report


def _tell(report: Report) -> None:
    _say("")
    for words in report.words:
        _say(words)
    status = report.extra.get("status")
    if isinstance(status, dict):
        _say(f"`dialpost status` says (exit status {status['exit_status']}):")
        for line in status["lines"]:
            _say(f"  {line}")


async def _status(world: World) -> dict[str, object]:
    """What the real command says about this station."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dialpost",
        "--config",
        str(world.config_path),
        "status",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        await process.wait()
        return {"exit_status": None, "lines": ["dialpost status did not answer"]}
    return {"exit_status": process.returncode, "lines": said.decode(errors="replace").splitlines()}


@contextlib.contextmanager
def _folder(wanted: Path | None, goes_on_with: str = "") -> Iterator[Path]:
    """Where the station's data is: an empty folder, or one that contains `goes_on_with`. Raises: StorageError."""
    if wanted is None:
        with tempfile.TemporaryDirectory(prefix="dialpost-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        may_go_on = bool(goes_on_with) and (wanted / goes_on_with).exists()
        if any(wanted.iterdir()) and not may_go_on:
            raise StorageError(f"{wanted} is not empty: the simulation needs an empty folder.")
    except OSError as error:
        raise StorageError(f"{wanted} can't be used: {error.strerror or error}.") from error
    yield wanted.absolute()


def _set_up_logging(verbose: bool) -> None:
    """The station's log on stderr: complete if requested, otherwise only the mail's faults."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.ERROR,
        format="%(levelname)s %(message)s",
        force=True,
    )
    if not verbose:  # the daemon sets the logger's level from its configuration
        logging.getLogger().handlers[0].addFilter(_is_fault_of_mail)
    logging.getLogger("dialpost.mail").setLevel(logging.INFO if verbose else logging.WARNING)


def _is_fault_of_mail(record: logging.LogRecord) -> bool:
    return record.levelno >= (logging.WARNING if record.name == "dialpost.mail" else logging.ERROR)


def _say(words: str) -> None:
    try:
        print(words, flush=True)
    except BrokenPipeError:  # nobody reads any more: the run and its report still finish properly
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
