"""docs/line-reasons.md, made from the tables of `core/line/reasons` and `core/line/ppp/log`."""

from __future__ import annotations

from dialpost.core.line.link import Again
from dialpost.core.line.ppp.log import LOG_REASONS, LogReason
from dialpost.core.line.reasons import DIAL_REASONS, MEDIUM_REASONS, PPP_REASONS, Reason

_AGAIN = {
    Again.SOON: "soon",
    Again.NEXT_TIME: "at the next scheduled time",
    Again.AFTER_CHANGE: "not before a change",
}
_COLUMNS = "log | panel, once the call is over | on the console | what to do next | dialled again |"
_RULE = "|---|---|---|---|---|---|\n"


def page() -> str:
    """docs/line-reasons.md, whole."""
    dialled = [f"| {result.value} | {_cells(reason)} |" for result, reason in DIAL_REASONS.items()]
    others = [
        f"| {medium.value}, {result.value} | {_cells(reason)} |"
        for (medium, result), reason in MEDIUM_REASONS.items()
    ]
    logged = [f"| {_said(one)} | {_cells(one.reason)} |" for one in LOG_REASONS]
    codes = [f"| {code} | {_cells(reason)} |" for code, reason in PPP_REASONS.items()]
    return (
        "# Why a line did not come up, or dropped\n\n"
        "Generated from `firmware/dialpost/core/line/reasons.py` and `core/line/ppp/log.py`. Don't edit it;\n"
        "regenerate it with `.venv/bin/python -m dialpost.core.line.reasons_page > docs/line-reasons.md`.\n\n"
        "The last column says when the station redials automatically: `soon` = as call.redial_attempts and\n"
        "the country's rules allow; `not before a change` = automatic calls stop until a commit changes\n"
        "[modem], [ppp] or [link], or an operator asks for a call (`dialpost call now`, the button).\n\n"
        "## Results of dialling\n\n" + _table("result", dialled) + "\n"
        "The log has them as `call: failed result=...`, and a line that came up as `call: connected`.\n\n"
        "On a cellular or satellite modem some of them mean something else:\n\n"
        + _table("modem, result", others)
        + "\n## The network over the line: what pppd logged\n\n"
        "Where pppd ends by itself, its log decides: a peer that hangs up after refusing a login leaves\n"
        "pppd with the status of a lost carrier. The first matching row counts. The first column holds\n"
        "regular expressions for pppd's lines.\n\n"
        + _table("pppd says", logged)
        + "\n## The network over the line: pppd's exit status\n\n"
        "These apply where pppd's log says none of the above. The station's log has them as\n"
        "`call: network ended reason=...`. A call that the station hangs up is not a fault.\n\n"
        + _table("status", codes)
    )


def _table(first: str, rows: list[str]) -> str:
    return f"| {first} | {_COLUMNS}\n{_RULE}" + "".join(f"{row}\n" for row in rows)


def _said(row: LogReason) -> str:
    patterns = " or ".join("`" + pattern.pattern.replace("|", "\\|") + "`" for pattern in row.patterns)
    return f"{patterns} (before the network is up)" if row.before_up else patterns


def _cells(reason: Reason) -> str:
    again = "" if reason.log in {"connected", "cancelled"} else _AGAIN[reason.again]
    return f"{reason.log} | {reason.light} | {reason.words} | {reason.next_step} | {again}"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
