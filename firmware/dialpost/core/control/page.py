"""docs/control-api.md, made from the declarations that run."""

from __future__ import annotations

from collections.abc import Sequence

from dialpost.core.columns import wrap
from dialpost.core.control.declared import VERSION, Declared, Parameter
from dialpost.core.control.faces import COMMANDS, CONSOLE, OTHERS, Act
from dialpost.core.control.local import QueueChange
from dialpost.core.control.shapes import members, objects_in, words
from dialpost.core.control.table import SUBJECTS

_WIDTH = 100
"""Columns of the page's prose."""
_INTRODUCTION = f"""\
# The control API

Generated from the declarations in `firmware/dialpost/core/control/`, which are what runs; don't
edit it. `.venv/bin/python -m dialpost.core.control.page > docs/control-api.md` regenerates it.

Every face of the station (the command line, the console, later a web page) asks the daemon through
this API, and so may a script of yours. It is version {VERSION}; `status` says which one a daemon
has. Within a version an answer may gain members and a method may gain optional parameters: ignore
members that you don't know.

## Asking

Connect to the UNIX stream socket `control.sock` in `station.run_dir` (usually
`/run/dialpost/control.sock`). Send one request per line, as JSON in UTF-8:

    {{"method": "queue.list", "params": {{"held_only": true}}}}

The answer is any number of `{{"event": ...}}` lines, if the method streams events, and then one of

    {{"result": ...}}
    {{"error": "What is wrong, in a sentence.", "kind": "ControlError"}}

`null` stands for a parameter that is left out. A parameter that is unknown, missing, out of range
or of another type is one error that names it, and nothing is done. So is a line that is not a JSON
object, has a key twice, is nested deeper than 64 brackets or is longer than 4 MiB. A connection may
send several requests, one after another. One that sends none for a minute is closed, unless it has
an editing session. At most 100 connections may be open at once.

## Who may call

The kernel tells the daemon who is at the other end. Only root, the daemon's own user and members of
its group (`dialpost`) get an answer.

| in the tables | on the socket | in a face where people log in |
|---|---|---|
| anyone | all of those | every user who is logged in |
| admin | all of those | the administrator only |
| owner | root and the daemon's user | nobody: the station's own units use it |
"""

_COMMANDS = """\
## What each command asks

`--json` prints the answer for scripts: indented, its members sorted, in UTF-8. Its form is the one
of the last column, and as stable as the API. A command that asks nothing says why it needs no
daemon.
"""


def page() -> str:
    """The whole text."""
    lines = [_INTRODUCTION]
    for title, methods in SUBJECTS.items():
        lines += [f"## {title}", ""]
        for method in methods:
            lines += _method(method)
        lines += _objects([method.answer for method in methods])
    lines += [_COMMANDS, "| command | asks | `--json` |", "|---|---|---|"]
    lines += [_act(f"dialpost {name}", act) for name, act in COMMANDS.items()]
    lines += [_act(f"console: {name}", act) for name, act in CONSOLE.items()]
    lines += [_act(name, act) for name, act in OTHERS.items()]
    lines += ["", *_objects([act.json for act in COMMANDS.values() if act.local or act.json is QueueChange])]
    return "\n".join(lines).rstrip("\n") + "\n"


def _act(name: str, act: Act) -> str:
    asks = ", ".join(f"`{method.name}`" for method in act.methods)
    why = f"{asks}. {act.local}" if asks and act.local else asks or act.local
    return f"| `{name}` | {why} | {words(act.json) if act.json is not None else ''} |"


def _method(method: Declared) -> list[str]:
    lines = [f"### `{method.name}`", "", _wrapped(method.help), ""]
    lines += [f"- Called by: {method.access.value}"]
    if method.in_session:
        lines += ["- Needs the connection's editing session (`config.open`)"]
    if method.streams:
        lines += [f"- Events: {method.streams}"]
    lines += [f"- Answer: {words(method.answer)}", ""]
    if not method.parameters:
        return lines
    lines += ["| parameter | must be | default | |", "|---|---|---|---|"]
    return [*lines, *(_parameter(one) for one in method.parameters), ""]


def _parameter(one: Parameter) -> str:
    default = "required" if one.is_required else _default(one)
    note = " Never shown or logged." if one.setting.secret else ""
    example = f" For example `{one.setting.example}`." if one.setting.example else ""
    return f"| `{one.name}` | {one.words()} | {default} | {one.setting.help}{example}{note} |"


def _default(one: Parameter) -> str:
    value = getattr(one.default, "value", one.default)
    if value is None or value in {"", ()}:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _objects(answers: Sequence[object]) -> list[str]:
    """The objects of these answers, each once."""
    lines: list[str] = []
    for kind in dict.fromkeys(one for answer in answers for one in objects_in(answer)):
        about = " ".join((kind.__doc__ or "").split())
        lines += [f"#### {kind.__name__}", "", _wrapped(about), "", "| member | type | |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {words(one.kind)} | {one.help} |" for one in members(kind)]
        lines += [""]
    return lines


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, _WIDTH))


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
