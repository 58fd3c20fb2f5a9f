"""Sends messages inside a guest: one JSON object on standard input, the Message-IDs as JSON on standard output."""

from __future__ import annotations

import json
import sys

from rig.clients import send
from rig.corpus import like_mail
from rig.mailboxes import make_message


def main() -> None:
    asked = json.load(sys.stdin)
    ids: list[str] = []
    for size, count in asked["sizes"]:
        ids += send(
            asked["port"],
            asked["sender"],
            asked["recipients"],
            count=count,
            prefix=f"{asked['prefix']}.{size}",
            size=size,
            make=like_mail if asked["like_mail"] else make_message,
        )
    json.dump(ids, sys.stdout)


if __name__ == "__main__":
    main()
