"""The FAT partition's files as one zip, the same bytes each time: boot_zip.py FOLDER ZIP EPOCH."""

from __future__ import annotations

import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path


def main() -> None:
    folder, target, epoch = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    when = datetime.fromtimestamp(epoch, UTC).timetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            made.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
