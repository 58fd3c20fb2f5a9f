"""image-build/licences.py: what a package's copyright file says, as SPDX has it; nothing is guessed."""

from __future__ import annotations

import email
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cases import cases

BUILD = Path(__file__).parents[2] / "image-build"
HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", BUILD / "licences.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


licences = _module()


def _files(licence: str, copyright: str = "2020, Anna") -> str:
    return f"\nFiles: *\nCopyright: {copyright}\nLicense: {licence}\n"


@cases(
    ("synopsis", "expression"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("LGPL-3.0", "LGPL-3.0-only"),
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("Apache-2.0", "Apache-2.0"),
        ("GPL-1+ or Artistic", "(GPL-1.0-or-later OR Artistic-1.0)"),
        ("GPL-2+ and Expat", "(GPL-2.0-or-later AND MIT)"),
        ("GPL-2+ or Artistic-2.0, and ISC", "((GPL-2.0-or-later OR Artistic-2.0) AND ISC)"),
        ("GPL-2+ with OpenSSL exception", "LicenseRef-pkg-GPL-2-with-OpenSSL-exception"),
        ("Proprietary_1", "LicenseRef-pkg-Proprietary-1"),
    ],
)
def test_a_synopsis(synopsis: str, expression: str) -> None:
    found = licences.of_debian("pkg", HEAD + _files(synopsis))
    assert found.expression == expression
    assert set(found.texts) == ({expression} if expression.startswith("LicenseRef") else set())
    assert found.copyrights == "2020, Anna"


def test_every_part_of_the_package_counts_and_each_text_is_kept() -> None:
    text = (
        HEAD
        + _files("Expat")
        + _files("Own", "2021, Mie")
        + "\nLicense: Own\n Do as you like.\n .\n But be kind.\n"
    )
    found = licences.of_debian("pkg", text)
    assert found.expression == "LicenseRef-pkg-Own AND MIT"
    assert found.texts == {"LicenseRef-pkg-Own": "Do as you like.\n\nBut be kind."}
    assert found.copyrights == "2020, Anna\n2021, Mie"


@pytest.mark.parametrize(
    "text", ["This package was put together by hand.\nLicense:\n\n GPL, see there\n", "", "Format: x\n"]
)
def test_a_file_for_people_only_is_the_licence_itself(text: str) -> None:
    found = licences.of_debian("python3.13", text)
    assert found.expression == "LicenseRef-python3.13-copyright"
    assert set(found.texts) == {found.expression}


@pytest.mark.parametrize(
    ("metadata", "texts", "expression"),
    [
        ("License-Expression: BSD-3-Clause", {}, "BSD-3-Clause"),
        ("License: MIT License", {}, "MIT"),
        (
            "License: BSD\nClassifier: License :: OSI Approved :: BSD License",
            {"LICENSE": "x"},
            "LicenseRef-w-licence",
        ),
        ("Classifier: License :: OSI Approved :: MIT License", {}, "MIT"),
        ("Name: w", {"LICENSE": "do as you like"}, "LicenseRef-w-licence"),
        ("Name: w", {}, None),
    ],
)
def test_a_wheel(metadata: str, texts: dict[str, str], expression: str | None) -> None:
    found = licences.of_wheel("w", email.message_from_string(metadata + "\n\n"), texts)
    assert (found.expression if found else None) == expression


def test_the_boot_partition_carries_its_notices() -> None:
    """The firmware may be given away only with its notice (raspi-firmware's copyright file)."""
    build, slot = (BUILD / "build").read_text(), (BUILD / "slot").read_text()
    assert 'for package in raspi-firmware u-boot-rpi; do cp "$work/slot/usr/share/doc/$package/copyright"' in build
    assert "--wildcards './usr/share/doc/*/copyright'" in slot
    assert "path-include=/usr/share/doc/*/copyright" in (BUILD / "leave-out").read_text()
