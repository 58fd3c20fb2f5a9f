"""A package's licences as an SPDX expression, and the texts that no SPDX name covers.

Taken from the package itself: Debian's /usr/share/doc/NAME/copyright (machine-readable by DEP-5, or else the whole
file is the licence's text), a wheel's metadata. Nothing is guessed: a name that SPDX does not know becomes a
LicenseRef- with the text that the package gives.

Sources: SPDX 2.3 annex D (expressions) and clause 10; Debian's copyright-format 1.0, whose short names are mostly
SPDX's, with a + for "or later".
"""

from __future__ import annotations

import email.message
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_KNOWN = {
    "agpl-3": "AGPL-3.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0",
    "artistic-1": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsl-1": "BSL-1.0",
    "cc-by-3": "CC-BY-3.0",
    "cc-by-4": "CC-BY-4.0",
    "cc-by-sa-3": "CC-BY-SA-3.0",
    "cc-by-sa-4": "CC-BY-SA-4.0",
    "cc0": "CC0-1.0",
    "cc0-1": "CC0-1.0",
    "expat": "MIT",
    "mit": "MIT",
    "mit-0": "MIT-0",
    "gpl-1": "GPL-1.0",
    "gpl-2": "GPL-2.0",
    "gpl-3": "GPL-3.0",
    "lgpl-2": "LGPL-2.0",
    "lgpl-2.1": "LGPL-2.1",
    "lgpl-3": "LGPL-3.0",
    "gfdl-1.2": "GFDL-1.2",
    "gfdl-1.3": "GFDL-1.3",
    "isc": "ISC",
    "mpl-1.1": "MPL-1.1",
    "mpl-2": "MPL-2.0",
    "ofl-1.1": "OFL-1.1",
    "python-2": "Python-2.0",
    "psf-2": "PSF-2.0",
    "unlicense": "Unlicense",
    "zlib": "Zlib",
    "0bsd": "0BSD",
    "curl": "curl",
    "openssl": "OpenSSL",
    "bzip2-1.0.6": "bzip2-1.0.6",
    "unicode-dfs-2016": "Unicode-DFS-2016",
}
"""Debian's short names (a closing .0 left out, no +) that mean the same as SPDX's."""
_GNU = re.compile(r"(A?GPL|LGPL|GFDL)-[0-9.]+$")
_LONGEST_TEXT = 60_000


@dataclass(frozen=True, slots=True)
class Licence:
    """`expression` is SPDX's; `texts` has the text of each LicenseRef- in it; `copyrights`: the holders."""

    expression: str
    texts: Mapping[str, str] = field(default_factory=dict)
    copyrights: str = ""


def of_debian(package: str, text: str) -> Licence:
    """From the package's copyright file."""
    paragraphs = list(_paragraphs(text))
    if not paragraphs or "format" not in paragraphs[0]:
        name = _reference(package, "copyright")
        return Licence(name, {name: text[:_LONGEST_TEXT]})
    written = {_first_line(found["license"]): _rest(found["license"]) for found in paragraphs if "license" in found}
    parts: dict[str, None] = {}
    texts: dict[str, str] = {}
    for found in paragraphs:
        if "license" not in found or ("files" not in found and found is not paragraphs[0]):
            continue
        synopsis = _first_line(found["license"])
        if synopsis:
            parts[_expression(package, synopsis, written, texts)] = None
    if not parts:
        return of_debian(package, text.replace("Format:", "", 1))
    holders = (line.strip() for found in paragraphs for line in found.get("copyright", "").splitlines())
    return Licence(_all_of(parts), texts, "\n".join(dict.fromkeys(filter(None, holders)))[:_LONGEST_TEXT])


def of_wheel(package: str, metadata: email.message.Message, texts: Mapping[str, str]) -> Licence | None:
    """From METADATA and the licence files beside it; None if neither says anything."""
    if metadata["License-Expression"]:
        return Licence(str(metadata["License-Expression"]))
    said = " ".join(str(metadata["License"] or "").split())
    name = _spdx(said) or next(
        (known for line in metadata.get_all("Classifier", []) if (known := _classified(str(line)))), ""
    )
    if name:
        return Licence(name)
    if not texts and not said:
        return None
    reference = _reference(package, "licence")
    return Licence(reference, {reference: "\n\n".join(texts.values())[:_LONGEST_TEXT] or said})


def _classified(line: str) -> str:
    names = {
        "MIT License": "MIT",
        "Apache Software License": "Apache-2.0",
        "ISC License (ISCL)": "ISC",
        "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    }
    return names.get(line.rpartition(" :: ")[2], "") if line.startswith("License ::") else ""


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """The fields of a deb822 file, names in lower case; continuation lines are kept."""
    found: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if found:
                yield found
            found, key = {}, ""
        elif line[0] in " \t":
            if key:
                found[key] += "\n" + ("" if line.strip() == "." else line[1:])
        elif ":" in line and not line.startswith("#"):
            key, _, value = line.partition(":")
            key = key.strip().lower()
            found[key] = value.strip()


def _first_line(value: str) -> str:
    return " ".join(value.partition("\n")[0].split())


def _rest(value: str) -> str:
    return value.partition("\n")[2].strip("\n")


def _expression(package: str, synopsis: str, written: Mapping[str, str], texts: dict[str, str]) -> str:
    """`GPL-2+ and BSD-3-clause` as SPDX has it. A comma before the word binds weaker: `GPL-2+ or Artistic, and BSD`
    is (GPL or Artistic) and BSD (copyright-format 1.0, "License specification").
    """
    weak = re.split(r",\s+(and|or)\s+", synopsis, flags=re.IGNORECASE)
    if len(weak) > 1:
        sides = [_expression(package, each, written, texts) for each in weak[::2]]
        operators = [each.upper() for each in weak[1::2]]
        return (
            "(" + sides[0] + "".join(f" {op} {side}" for op, side in zip(operators, sides[1:], strict=True)) + ")"
        )
    words = re.split(r"(\s+and/or\s+|\s*,?\s+and\s+|\s*,?\s+or\s+|\s*,\s*|\(|\))", synopsis, flags=re.IGNORECASE)
    made: list[str] = []
    for word in filter(None, (each.strip() for each in words)):
        joined = word.strip(" ,").lower()
        if joined in {"and", ""}:
            made.append("AND")
        elif joined in {"or", "and/or"}:
            made.append("OR")
        elif word in "()":
            made.append(word)
        else:
            made.append(_one(package, word, written, texts))
    whole = " ".join(made).replace("( ", "(").replace(" )", ")")
    return f"({whole})" if len(made) > 1 else whole


def _one(package: str, name: str, written: Mapping[str, str], texts: dict[str, str]) -> str:
    plain, _, exception = re.sub(r"\s+", " ", name).partition(" with ")
    known = "" if exception else _spdx(plain)
    if known:
        return known
    reference = _reference(package, name or "unnamed")
    texts[reference] = (written.get(name) or f"The package names it {name!r}: see its copyright file.")[
        :_LONGEST_TEXT
    ]
    return reference


def _spdx(name: str) -> str:
    """SPDX's name; "" if there is none that means the same."""
    plain = re.sub(r"\s*(license|licence)$", "", name.strip(), flags=re.IGNORECASE)
    later = plain.endswith("+") or plain.lower().endswith("-or-later")
    plain = re.sub(r"(\+|-or-later|-only)$", "", plain, flags=re.IGNORECASE)
    found = _KNOWN.get(re.sub(r"(\.0)+$", "", plain.lower())) or _KNOWN.get(plain.lower(), "")
    if found and _GNU.match(found):
        return f"{found}-or-later" if later else f"{found}-only"
    return "" if later else found


def _reference(package: str, name: str) -> str:
    clean = re.sub(r"[^A-Za-z0-9.]+", "-", f"{package}-{name}").strip("-")
    return f"LicenseRef-{clean}"


def _all_of(parts: Mapping[str, None]) -> str:
    return " AND ".join(sorted(parts))
