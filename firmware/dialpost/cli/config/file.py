"""`dialpost config check|show|explain|init`; `live` has the verbs about the running station."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dialpost.board_check import board_warnings
from dialpost.cli.arguments import file_path, json_option
from dialpost.cli.config.live import add_verbs
from dialpost.cli.output import print_answer
from dialpost.cli.station import load_config
from dialpost.core.config.check import warnings
from dialpost.core.config.fields import all_fields
from dialpost.core.config.text import markdown, render_config, starter, toml_value
from dialpost.core.console.choices import key_help
from dialpost.core.control.local import FileCheck, Key
from dialpost.core.errors import ConfigError, NotFoundError
from dialpost.edge.config.file import ConfigFile


def add_parser(commands: Any) -> None:
    """Add `config` to the command line."""
    parser = commands.add_parser("config")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser(
        "check",
        help="check a configuration file",
        description="Report every fault in a configuration file at once, then warnings. Changes nothing. Exit "
        "status: 0 usable, 1 faults, 2 no such file.",
    )
    check.add_argument("file", type=file_path, nargs="?", help="file name (default: the file of --config)")
    json_option(check)
    check.set_defaults(func=_check)
    show = verbs.add_parser("show", help="show the configuration file, secrets masked")
    show.add_argument("--all", action="store_true", help="include defaults")
    show.set_defaults(func=_show)
    explaining = verbs.add_parser("explain", help="explain a setting: its meaning, type and default")
    explaining.add_argument(
        "key", nargs="?", help="a key such as smtp.listen or a section such as smtp (default: list all keys)"
    )
    explaining.add_argument("--markdown", action="store_true", help="print docs/configuration.md")
    json_option(explaining)
    explaining.set_defaults(func=_explain)
    init = verbs.add_parser("init", help="create a configuration file to fill in")
    init.add_argument("file", type=file_path, nargs="?", help="file name (default: the file of --config)")
    init.set_defaults(func=_init)
    add_verbs(verbs)


def _check(args: argparse.Namespace) -> int:
    file = ConfigFile(args.file or args.config)
    try:
        config = file.load()
    except NotFoundError as error:
        sys.stderr.write(f"dialpost: {error}\n")
        return 2
    except ConfigError as error:
        if args.json:
            print_answer(FileCheck(file=str(file.path), usable=False, problems=tuple(error.problems), warnings=()))
            return 1
        for problem in error.problems:
            print(f"FAULT    {problem}")
        return 1
    known = (*warnings(config), *board_warnings(config), *file.warnings(config))
    if args.json:
        print_answer(FileCheck(file=str(file.path), usable=True, problems=(), warnings=known))
        return 0
    for sentence in known:
        print(f"WARNING  {file.path}: {sentence}")
    print(f"{file.path} is usable.")
    return 0


def _show(args: argparse.Namespace) -> int:
    print(render_config(load_config(args), secrets=False, all_keys=args.all))
    return 0


def _explain(args: argparse.Namespace) -> int:
    if args.markdown:
        print(markdown(), end="")
    elif args.json:
        print_answer(_keys(args.key.strip() if args.key else ""))
    elif args.key:
        print("\n".join(key_help(args.key.strip())))
    else:
        for field in all_fields():
            print(f"{field.key:34} {field.setting.help}")
    return 0


def _keys(named: str) -> tuple[Key, ...]:
    """All settings, those of a section, or one. Raises: NotFoundError."""
    if named:
        key_help(named)  # suggests the nearest if there is none of that name
    return tuple(
        Key(
            key=field.key,
            type=field.type_words(),
            default=toml_value(field.default),
            help=field.setting.help,
            is_required=field.setting.required,
            is_secret=field.setting.secret,
        )
        for field in all_fields()
        if not named or field.key == named or field.key.startswith(f"{named}.")
    )


def _init(args: argparse.Namespace) -> int:
    file = ConfigFile(args.file or args.config)
    file.create(starter())
    print(f"{file.path} created. Fill it in, then run: dialpost config check {file.path}")
    return 0
