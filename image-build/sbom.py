"""The image's bill of materials as SPDX 2.3 JSON: every Debian package of a slot and of the boot partition, every
wheel, Dialpost itself, with version, package URL and (wheels) checksum. Written to stdout; the same each time.
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

Entry = dict[str, object]
_BOOT = ("raspi-firmware", "u-boot-rpi")


def main() -> None:
    args = _arguments()
    image = hashlib.sha256(args.image.read_bytes()).hexdigest()
    entries = [_debian(line.split()[0]) for line in args.packages.read_text().splitlines()]
    entries += [_debian(line) for line in args.boot.read_text().splitlines() if line.startswith(_BOOT)]
    entries += [_wheel(path, args.commit) for path in sorted(args.wheels.glob("*.whl"))]
    top: Entry = {
        "SPDXID": "SPDXRef-image", "name": "dialpost.img", "versionInfo": args.version,
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "primaryPackagePurpose": "OPERATING-SYSTEM",
        "checksums": [{"algorithm": "SHA256", "checksumValue": image}],
    }  # fmt: skip
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"dialpost-{args.version}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, image)}",
        "creationInfo": {
            "created": datetime.fromtimestamp(args.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: dialpost image-build"],
        },
        "packages": [top, *entries],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"),
            *(_relation("SPDXRef-image", "CONTAINS", str(entry["SPDXID"])) for entry in entries),
        ],
    }  # fmt: skip
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--epoch", required=True, type=int)
    parser.add_argument("--commit", required=True)
    for name in ("packages", "boot", "wheels", "image"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    return parser.parse_args()


def _debian(line: str) -> Entry:
    name, version = line.split("=", 1)
    return _entry("deb", name, version, f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch=arm64&distro=trixie")


def _wheel(path: Path, commit: str) -> Entry:
    with zipfile.ZipFile(path) as wheel:
        inside = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata: email.message.Message = email.message_from_bytes(wheel.read(inside))
    name, version = metadata["Name"], metadata["Version"]
    if name == "dialpost":
        return _entry("own", name, version, f"pkg:generic/dialpost@{version}?vcs_ref={commit}") | {
            "licenseDeclared": "GPL-3.0-or-later"
        }
    checksum = {"algorithm": "SHA256", "checksumValue": hashlib.sha256(path.read_bytes()).hexdigest()}
    return _entry("wheel", name, version, f"pkg:pypi/{name.lower()}@{version}") | {"checksums": [checksum]}


def _relation(one: str, kind: str, other: str) -> Entry:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _entry(kind: str, name: str, version: str, purl: str) -> Entry:
    clean = "".join(sign if sign.isalnum() or sign in ".-" else "-" for sign in f"{kind}-{name}")
    return {
        "SPDXID": f"SPDXRef-{clean}", "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        ],
    }  # fmt: skip


if __name__ == "__main__":
    main()
