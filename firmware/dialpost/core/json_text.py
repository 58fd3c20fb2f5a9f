"""The only place where JSON is read (RFC 8259): whatever the text contains, the result is a value or a sentence.

Python's reader handles JSON correctly, but it also accepts what is not JSON (NaN, numbers without limit, lone
surrogates), and that breaks later users: `int` of an infinity, a text that can't be encoded as UTF-8, a nesting
depth that the next walk doesn't survive, a duplicate key that is read in two ways (RFC 8259 §4). All of that is
refused here.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter

from dialpost.core.errors import JsonError
from dialpost.core.json_value import JsonValue
from dialpost.core.printable import one_line

DEEPEST = 64
_INT64 = 2**63
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(text: str | bytes) -> JsonValue:
    """The value of a text; bytes are UTF-8. Raises: JsonError (a ValueError) with a sentence that says where the
    fault is."""
    try:
        if isinstance(text, bytes | bytearray):
            text = text.decode("utf-8-sig")
        value: JsonValue = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise JsonError(f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise JsonError(f"This is not JSON: line {line} is not UTF-8 text.") from None
    except RecursionError:
        raise JsonError("This is not usable JSON: brackets are nested too deeply.") from None
    except ValueError as error:
        raise JsonError(f"This is not usable JSON: {error}.") from None
    _check(value)
    return value


def parse_object(text: str | bytes) -> dict[str, JsonValue]:
    """The same for a text that must be an object. Raises: JsonError."""
    value = parse_json(text)
    if not isinstance(value, dict):
        raise JsonError("This is JSON, but not an object in { }.")
    return value


def render_json(value: object) -> str:
    """One line of JSON that every reader accepts: octets that were not UTF-8 become "?"."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub("?", text)


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {one_line(twice, 40)!r} appears twice in an object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: JsonValue) -> None:
    """Raises: JsonError. Not recursive, because depth is what it checks."""
    layer: list[object] = [value]
    for _ in range(DEEPEST):
        following: list[object] = []
        for one in layer:
            if isinstance(one, dict):
                following += one
                following += one.values()
            elif isinstance(one, list):
                following += one
            elif isinstance(one, str):
                if _SURROGATE.search(one):
                    raise JsonError("This is not usable JSON: a text contains half of a surrogate pair.")
            elif isinstance(one, int):
                if not -_INT64 <= one < _INT64:
                    raise JsonError("This is not usable JSON: a whole number has more than 64 bits.")
            elif isinstance(one, float) and not math.isfinite(one):
                raise JsonError("This is not usable JSON: a number is too large.")
        if not following:
            return
        layer = following
    raise JsonError(f"This is not usable JSON: brackets are nested more than {DEEPEST} deep.")
