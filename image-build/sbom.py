"""The image's bill of materials as SPDX 2.3 JSON: every Debian package of a slot and of the boot partition, every
wheel, Dialpost itself, with version, package URL, licence and (wheels) checksum. Written to stdout, the same each
time. A package without a licence ends it with status 1.
"""

from __future__ import annotations

import argparse
import email
import email.message
import hashlib
import json
import sys
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import licences

Entry = dict[str, object]
_BOOT = ("raspi-firmware", "u-boot-rpi")


def main() -> None:
    args = _arguments()
    image = hashlib.sha256(args.image.read_bytes()).hexdigest()
    texts: dict[str, str] = {}
    debian = [line.split()[0] for line in args.packages.read_text().splitlines()]
    debian += [line for line in args.boot.read_text().splitlines() if line.startswith(_BOOT)]
    entries = [_debian(line, args.docs, texts) for line in debian]
    entries += [_wheel(path, args.commit, texts) for path in sorted(args.wheels.glob("*.whl"))]
    without = [str(entry["name"]) for entry in entries if "licenseDeclared" not in entry]
    if without:
        sys.exit(f"sbom: no licence is known of {', '.join(without)}")
    top: Entry = {
        "SPDXID": "SPDXRef-image",
        "name": "dialpost.img",
        "versionInfo": args.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "checksums": [{"algorithm": "SHA256", "checksumValue": image}],
    }
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"dialpost-{args.version}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image)}",
        "creationInfo": {
            "created": datetime.fromtimestamp(args.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: dialpost image-build"],
        },
        "packages": [top, *entries],
        "hasExtractedLicensingInfos": [
            {"licenseId": name, "extractedText": text} for name, text in sorted(texts.items())
        ],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"),
            *(_relation("SPDXRef-image", "CONTAINS", str(entry["SPDXID"])) for entry in entries),
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--epoch", required=True, type=int)
    parser.add_argument("--commit", required=True)
    for name in ("packages", "boot", "wheels", "docs", "image"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    return parser.parse_args()


def _debian(line: str, docs: Path, texts: dict[str, str]) -> Entry:
    """`docs` is the slot's /usr/share/doc: a folder for each package, or a link to another package's."""
    name, version = line.split("=", 1)
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch=arm64&distro=trixie"
    folder = docs / name
    if folder.is_symlink():
        folder = docs / folder.readlink().name
    file = folder / "copyright"
    if file.is_symlink():
        file = docs / file.readlink().parent.name / "copyright"
    found = licences.of_debian(name, file.read_text("utf-8", "replace")) if file.is_file() else None
    return _entry("deb", name, version, purl) | _licensed(found, texts)


def _licensed(found: licences.Licence | None, texts: dict[str, str]) -> Entry:
    if found is None:
        return {}
    texts.update(found.texts)
    made: Entry = {"licenseDeclared": found.expression}
    return made | ({"copyrightText": found.copyrights} if found.copyrights else {})


def _wheel(path: Path, commit: str, texts: dict[str, str]) -> Entry:
    with zipfile.ZipFile(path) as wheel:
        inside = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata: email.message.Message = email.message_from_bytes(wheel.read(inside))
        beside = {
            name: wheel.read(name).decode("utf-8", "replace")
            for name in sorted(wheel.namelist())
            if ".dist-info/" in name and name.rpartition("/")[2].upper().startswith(("LICEN", "COPYING"))
        }
    name, version = metadata["Name"], metadata["Version"]
    if name == "dialpost":
        return _entry("own", name, version, f"pkg:generic/dialpost@{version}?vcs_ref={commit}") | {
            "licenseDeclared": "GPL-3.0-or-later"
        }
    checksum = {"algorithm": "SHA256", "checksumValue": hashlib.sha256(path.read_bytes()).hexdigest()}
    made = _entry("wheel", name, version, f"pkg:pypi/{name.lower()}@{version}") | {"checksums": [checksum]}
    return made | _licensed(licences.of_wheel(str(name), metadata, beside), texts)


def _relation(one: str, kind: str, other: str) -> Entry:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _entry(kind: str, name: str, version: str, purl: str) -> Entry:
    clean = "".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in f"{kind}-{name}")
    return {
        "SPDXID": f"SPDXRef-{clean}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        ],
    }


if __name__ == "__main__":
    main()
