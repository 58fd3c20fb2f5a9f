"""`make mutants`: does a test fail if the core does something else? A sample says how often.

Each mutant is tried against those of the core's own tests (tests/core) that reach its line. What no test notices is
printed; what is known to change nothing, or nothing worth a test, is in explained.toml with the reason.

    run.py [--minutes N] [--seed N] [--count N] [--jobs N] [PART ...]

PART is a part of a path below the core, such as `mail/` or `redial`. The status is 1 if more than 5 % of what was
tried survived unexplained.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from mutants.reach import is_own, reach_of
from mutants.sites import Mutant, sample
from mutants.trial import Fate, try_mutant

TREE = Path(__file__).parents[2]
SOURCES = TREE / "firmware"
CORE = SOURCES / "dialpost" / "core"
TESTS = TREE / "tests" / "core"
CACHE = TREE / ".cache" / "mutants"
EXPLAINED = Path(__file__).with_name("explained.toml")
MOST_UNEXPLAINED = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """A mutant, what happened to it, and why that is no fault of the tests ("": it is)."""

    mutant: Mutant
    fate: Fate
    why: str = ""


def main() -> int:
    options = _options()
    os.chdir(TREE)
    sys.dont_write_bytecode = False  # compile the tests once, not for each mutant
    CACHE.mkdir(parents=True, exist_ok=True)
    paths = [path for path in CORE.rglob("*.py") if _is_wanted(path, options.parts)]
    mutants = sample(paths, options.seed, options.count)
    print(
        f"{len(mutants)} mutants in {len(paths)} modules, seed {options.seed}; which tests reach them?", flush=True
    )
    results = []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("fork")) as pool:
        reach = reach_of(TESTS.rglob("test_*.py"), TREE, CORE, CACHE, pool)
        tests = [reach.tests(mutant.path, mutant.line, mutant.last_line) for mutant in mutants]
        work = partial(_try, explained=explanations(), end_s=time.monotonic() + 60 * options.minutes)
        quick = min(filter(len, tests), key=len)
        _check_unchanged(mutants[tests.index(quick)], reach.limits_s(quick))
        under_way = [pool.submit(work, *each) for each in zip(mutants, map(reach.limits_s, tests), strict=True)]
        for done in as_completed(under_way):
            results.append(result := done.result())
            if is_survivor(result) and not result.why:
                _print_survivor(result)
    return _report(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="stop trying after this long (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="which sample (default: 1)")
    parser.add_argument("--count", type=int, default=300, help="how large a sample (default: 300)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="mutants tried at once (default: all cores)"
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="only modules with this in their path")
    return parser.parse_args()


def _is_wanted(path: Path, parts: list[str]) -> bool:
    name = path.relative_to(CORE).as_posix()
    return not parts or any(part in name for part in parts)


def explanations() -> dict[tuple[str, str, str], str]:
    """Where, what was there and what came: why it may survive."""
    entries = tomllib.loads(EXPLAINED.read_text()).get("mutant", [])
    return {(entry["where"], entry["was"], entry["now"]): entry["why"] for entry in entries}


def _try(
    mutant: Mutant, limits_s: dict[str, float], *, explained: dict[tuple[str, str, str], str], end_s: float
) -> Result:
    if time.monotonic() > end_s:
        return Result(mutant, Fate.NOT_TRIED)
    why = explained.get((mutant.where, *mutant.change()), "")
    if not limits_s:
        return Result(mutant, Fate.UNREACHED, why)
    own = {test: limit_s for test, limit_s in limits_s.items() if is_own(test, mutant.path)}
    others = {test: limit_s for test, limit_s in limits_s.items() if test not in own}
    fate = Fate.SURVIVED
    for tests in filter(None, (own, others)):  # the first spare most mutants what it takes to load the second
        if fate is Fate.SURVIVED:
            fate = try_mutant(_module(mutant), mutant.source(), mutant.path, tests)
    return Result(mutant, fate, why)


def _module(mutant: Mutant) -> str:
    return ".".join(mutant.path.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__")


def _check_unchanged(mutant: Mutant, limits_s: dict[str, float]) -> None:
    """A mutant that is none must survive, or every other is killed by a fault of ours."""
    if try_mutant(_module(mutant), mutant.path.read_text(), mutant.path, limits_s) is not Fate.SURVIVED:
        raise SystemExit(f"The tests of {mutant.where} fail without any change; nothing can be said.")


def is_survivor(result: Result) -> bool:
    """Whether no test noticed it."""
    return result.fate in {Fate.SURVIVED, Fate.UNREACHED}


def _print_survivor(result: Result) -> None:
    mutant = result.mutant
    was, now = mutant.change()
    place = f"{mutant.path.relative_to(TREE)}:{mutant.line}"
    print(f"\n{place}  {mutant.where}  {mutant.operator.rpartition('/')[2]}  ({result.fate.value})")
    print(f"  - {was}\n  + {now}", flush=True)


def _report(results: list[Result]) -> int:
    counts = Counter(result.fate for result in results)
    tried = len(results) - counts[Fate.NOT_TRIED] - counts[Fate.UNDECIDED]
    survivors = [result for result in results if is_survivor(result)]
    unexplained = sum(not result.why for result in survivors)
    print(
        f"\n{tried} tried of {len(results)} sampled: "
        + ", ".join(f"{n} {fate.value}" for fate, n in counts.items())
    )
    print(f"{len(survivors)} survived, {len(survivors) - unexplained} of them explained.")
    share = 100 * unexplained / max(tried, 1)
    print(f"Unexplained: {unexplained} of {tried} ({share:.1f} %; at most 5 % are allowed)")
    return int(unexplained > MOST_UNEXPLAINED * tried)


if __name__ == "__main__":
    sys.exit(main())
