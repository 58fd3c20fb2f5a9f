"""Everything published for one version, made from the last commit in one folder: `make release`.

    wheel, source archive, manual pages, completion, bill of materials, SHA256SUMS   (ARGS=--wheel: only these)
    the SD image, its block map, the boot partition's files, the update bundle       (root; first: make image-deps)

It refuses a dirty tree, so that what is published can be rebuilt, and a version without a dated section in
CHANGELOG.md. Exit status: 0 made, 1 refused or failed, with the reason on standard error.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

TREE = Path(__file__).resolve().parents[1]
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\]+)", re.MULTILINE)
_IMAGE_FILES = (
    "dialpost.img.zst",
    "dialpost.img.bmap",
    "dialpost.raucb",
    "dialpost-boot.zip",
    "dialpost.spdx.json",
    "packages.txt",
)


class RefusedError(Exception):
    """The text says why nothing was made."""


def main() -> int:
    """Make it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__.split("\n")[0])
    parser.add_argument("--wheel", action="store_true", help="only what needs neither root nor the image's tools")
    parser.add_argument("--out", type=Path, help="the folder to make (default: dist/dialpost-VERSION)")
    args = parser.parse_args()
    try:
        version = _version()
        _check(version)
        out: Path = args.out or TREE / "dist" / f"dialpost-{version}"
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".release-") as work:
            made = Path(work) / "out"
            made.mkdir()
            _make(made, Path(work) / "source", version, with_image=not args.wheel)
            if out.exists():
                shutil.rmtree(out)
            made.rename(out)
    except RefusedError as error:
        sys.stderr.write(f"release: {error}\n")
        return 1
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"release: {' '.join(map(str, error.cmd[:4]))} ... failed\n{error.stderr or ''}")
        return 1
    print(out)
    return 0


def _version() -> str:
    found = _VERSION.search((TREE / "firmware/dialpost/__init__.py").read_text("utf-8"))
    if found is None:
        raise RefusedError("firmware/dialpost/__init__.py names no version.")
    return found[1]


def _check(version: str) -> None:
    """Raises: RefusedError."""
    changed = _git("status", "--porcelain").splitlines()
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise RefusedError(f"the tree has changes that no commit holds: {', '.join(changed[:5])}{more}.")
    log = (TREE / "CHANGELOG.md").read_text("utf-8")
    if not re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", log, re.MULTILINE):
        raise RefusedError(
            f'CHANGELOG.md has no dated section for {version}. Write one, like "## {version} ({_today()})", or '
            "change the version in firmware/dialpost/__init__.py."
        )
    if re.search(r"^## Unreleased\n+(?!\n*## )", log, re.MULTILINE):
        sys.stderr.write("release: note: CHANGELOG.md lists effects under Unreleased; this release has them too.\n")


def _make(out: Path, source: Path, version: str, *, with_image: bool) -> None:
    epoch = int(_git("log", "-1", "--format=%ct"))
    _archive(source, out / f"dialpost-{version}.tar.gz", f"dialpost-{version}")
    _run(
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        out,
        source,
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    pages: list[str | Path] = [
        sys.executable,
        source / "release/pages.py",
        out,
        datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d"),
    ]
    _run(*pages, environment={"PYTHONPATH": str(source / "firmware")})
    (wheel,) = out.glob("*.whl")
    document = _materials(wheel, version, epoch)
    (out / f"{wheel.name}.spdx.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    if with_image:
        _run(TREE / "image-build/build")
        made = Path(os.environ.get("DIALPOST_IMAGE_CACHE") or TREE / ".cache/image") / "out"
        for name in _IMAGE_FILES:
            shutil.copy2(made / name, out / name)
    sums = [f"{_digest(path)}  {path.relative_to(out)}\n" for path in sorted(out.rglob("*")) if path.is_file()]
    (out / "SHA256SUMS").write_text("".join(sums), "utf-8")


def _archive(source: Path, packed: Path, prefix: str) -> None:
    """The last commit as an archive and unpacked, without untracked files such as old builds."""
    source.mkdir()
    tar = packed.with_suffix("")
    _git("archive", "--format=tar", f"--prefix={prefix}/", f"--output={tar}", "HEAD")
    _run("tar", "-xf", tar, "-C", source, "--strip-components=1")
    _run("gzip", "--no-name", "--best", "--force", tar)


def _materials(wheel: Path, version: str, epoch: int) -> dict[str, object]:
    """The bill of materials of the wheel and the locked packages it runs with, as SPDX 2.3."""
    checksum = _digest(wheel)
    locked = _LOCKED.findall((TREE / "requirements.lock").read_text("utf-8"))
    ours: dict[str, object] = {
        "SPDXID": "SPDXRef-dialpost",
        "name": "dialpost",
        "versionInfo": version,
        "packageFileName": wheel.name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseDeclared": "GPL-3.0-or-later",
        "checksums": [{"algorithm": "SHA256", "checksumValue": checksum}],
    }
    others = [
        {
            "SPDXID": f"SPDXRef-{name.replace('_', '-')}",
            "name": name,
            "versionInfo": number,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": f"pkg:pypi/{name.lower()}@{quote(number)}",
                }
            ],
        }
        for name, number in locked
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": wheel.name,
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, checksum)}",
        "creationInfo": {
            "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: dialpost release"],
        },
        "packages": [ours, *others],
        "relationships": [
            {
                "spdxElementId": "SPDXRef-DOCUMENT",
                "relationshipType": "DESCRIBES",
                "relatedSpdxElement": "SPDXRef-dialpost",
            },
            *(
                {
                    "spdxElementId": "SPDXRef-dialpost",
                    "relationshipType": "DEPENDS_ON",
                    "relatedSpdxElement": each["SPDXID"],
                }
                for each in others
            ),
        ],
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=TREE, check=True, capture_output=True, text=True).stdout.strip()


def _run(*words: str | Path, environment: Mapping[str, str] = MappingProxyType({})) -> None:
    """Raises: CalledProcessError."""
    subprocess.run(words, check=True, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    sys.exit(main())
