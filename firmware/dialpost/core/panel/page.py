"""docs/panel.md, made from the tables that the code uses: the signals, the faults' flashes, the button."""

from __future__ import annotations

from dialpost.core.faults import FAULT_FLASHES
from dialpost.core.panel.blink import OFF
from dialpost.core.panel.button import CONTACTS, LIMIT_S, SETTLE_S, TABLE, Go, Ignore, Turn
from dialpost.core.panel.lights import FAULT_WORDS, SIGNALS, Signal

_HEAD = """\
# The front panel

Generated from the tables that the code uses, in `firmware/dialpost/core/panel/lights.py` and
`button.py`. Don't edit it; regenerate it with
`.venv/bin/python -m dialpost.core.panel.page > docs/panel.md`.

A board has up to four lights: **power**, **line**, **mail**, **fault**. On boards with fewer, one
light stands for several and shows the first row of the table that is true; each row has its own
pattern there, so that one light can be read. A light of three colours adds a colour, which only
repeats what the pattern says, so colour is never essential. At night (`panel.night_hours`) the
lights are dark; touching the button wakes them. `dialpost board test` shows each light, and
`dialpost status` says all of it in words.

## What the lights say

The most urgent comes first. "all" means every light at once.

| what | light | on a light of its own | on a light for several | colour |
|---|---|---|---|---|
"""

_FAULTS = """
## Counting the fault light

| flashes | what | what to do |
|---|---|---|
"""

_BUTTON = """
## The button

Everything happens when you let go, and the lights say beforehand what will happen.

| how | what |
|---|---|
| press (under 3 s) | dial, fetch and send; while a call is under way: hang up after the current message |
| hold 3 s, let go | hang up at once (the lights blink evenly) |
| hold 10 s, let go | the factory reset is offered for 5 s (three quick flashes while held, then very fast) |
| then press once more | the factory reset: the station restarts, with mail, accounts and configuration erased |
| ... or wait, or hold that press for 3 s | nothing is reset |
| hold on past 15 s | cancelled: the lights go out, letting go does nothing |
| longer than 30 s, or down when the station starts | stuck: the fault light says so until it is let go |

`panel.button_resets = false` disables the factory reset by button; such a hold then does nothing.

"""


def page() -> str:
    """docs/panel.md, whole."""
    signals = [
        f"| {signal.words} | {_led(signal)} | {signal.alone.words} | {_shared(signal)} | {_colour(signal)} |"
        for signal in SIGNALS
    ]
    faults = [
        f"| {number} | {_split(FAULT_WORDS[fault])[0]} | {_split(FAULT_WORDS[fault])[1]} |"
        for fault, number in FAULT_FLASHES.items()
    ]
    return _HEAD + _lines(signals) + _FAULTS + _lines(faults) + _BUTTON + _diagram() + _contact() + _ignored()


def _led(signal: Signal) -> str:
    return signal.led.value if signal.led else "all"


def _colour(signal: Signal) -> str:
    return "" if signal.alone == OFF else signal.colour.name.lower()


def _shared(signal: Signal) -> str:
    return signal.shared.words if signal.shared else "(left out)"


def _split(words: str) -> tuple[str, str]:
    what, _, command = words.rpartition(": ")
    return what, f"`{command}`"


def _lines(rows: list[str]) -> str:
    return "\n".join(rows) + "\n"


def _diagram() -> str:
    """The button's table as a state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> UP", "    [*] --> STUCK: down at the start"]
    for state, row in TABLE.items():
        for event, step in row.items():
            if isinstance(step, Go):
                limit = f" ({LIMIT_S[state]:g} s)" if event.value == "time" else ""
                follows = f" / {step.action.value}" if step.action else ""
                lines.append(f"    {state.name} --> {step.to.name}: {event.value}{limit}{follows}")
    return "\n".join([*lines, "```"]) + "\n"


def _contact() -> str:
    ways = [
        f"| {contact.value} | {edge.value} | {step.to.value}{f', {step.tells.value}' if step.tells else ''} |"
        for contact, row in CONTACTS.items()
        for edge, step in row.items()
        if isinstance(step, Turn)
    ]
    head = f"\nA bouncing contact settles first: a change counts once it has lasted {SETTLE_S * 1000:g} ms.\n\n"
    return head + "| contact | edge | then |\n|---|---|---|\n" + _lines(ways)


def _ignored() -> str:
    ways = [
        f"| {state.name} | {event.value} | {step.why} |"
        for state, row in TABLE.items()
        for event, step in row.items()
        if isinstance(step, Ignore)
    ]
    return "\nWhat each state ignores, and why:\n\n| state | event | because |\n|---|---|---|\n" + _lines(ways)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
