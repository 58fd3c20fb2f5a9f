"""Manual pages and completion for bash and zsh, made from the grammar of the command line.

pages.py FOLDER [DATE]     writes FOLDER/man/*.1, FOLDER/completion/dialpost (bash) and _dialpost (zsh);
                           DATE, like 2026-11-29, stands in the pages
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Widths and defaults do not depend on the shell that runs this, so the pages are the same everywhere.
os.environ["COLUMNS"] = "10000"
for name in [name for name in os.environ if name.startswith("DIALPOST_")]:
    del os.environ[name]

from completion import bash, zsh  # noqa: E402
from grammar import grammar  # noqa: E402
from manual import pages  # noqa: E402

from dialpost import __version__  # noqa: E402


def main() -> int:
    """Write them; returns the exit status."""
    if len(sys.argv) not in {2, 3}:
        sys.stderr.write(str(__doc__))
        return 2
    folder, date = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    root = grammar()
    for name, text in pages(root, __version__, date).items():
        _write(folder / "man" / name, text)
    _write(folder / "completion" / "dialpost", bash(root))
    _write(folder / "completion" / "_dialpost", zsh(root))
    return 0


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
