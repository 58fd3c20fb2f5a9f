"""What a running board holds in memory, and what it writes to its card."""

from __future__ import annotations

from image.rig.machine import Machine

from rig.processes import eventually

# Every process of a unit of ours: the daemon, the console, the doors, Dovecot. Shared pages count once (PSS).
_LISTING = (
    "for p in /proc/[0-9]*; do if grep -q dialpost $p/cgroup; then "
    "awk -v c=\"$(tr '\\0' ' ' <$p/cmdline)\" '/^Pss:/ {print $2, c}' $p/smaps_rollup; fi; done 2>/dev/null"
)


def wait_settled(board: Machine, within_s: float = 900.0) -> None:
    """After `wait_up`, until the start counts as a good one: the watch over it has ended without a complaint."""

    def watch() -> list[str]:
        return sorted(board.run("systemctl show -p ActiveState -p Result dialpost-health").split())

    eventually(lambda: watch()[0] == "ActiveState=inactive", within_s=within_s, what="the end of the health watch")
    assert watch()[1] == "Result=success", board.run("journalctl -b -u dialpost-health --no-pager")


def resident(board: Machine) -> list[tuple[int, str]]:
    """Our processes and Dovecot's, the largest first: kilobytes, command line."""
    rows = [line.split(None, 1) for line in board.run(_LISTING).split("\n")]
    return sorted(((int(row[0]), row[1]) for row in rows), reverse=True)


def written(board: Machine) -> int:
    """Bytes written to the card since the plug went in, all that waited written first."""
    board.run("sync", within_s=300)
    (card,) = (each for each in board.qmp.ask("query-blockstats") if each["device"] == "card")
    return int(card["stats"]["wr_bytes"])
