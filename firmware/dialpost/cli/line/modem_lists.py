"""`dialpost modem list` and `dialpost modem countries`: what is in the board folder."""

from __future__ import annotations

import argparse
import textwrap

from dialpost.cli.output import print_answer, span, table
from dialpost.core.control import local
from dialpost.core.line.country import Country
from dialpost.core.line.modem.profile import ModemProfile
from dialpost.core.line.redial_rules import RedialRules
from dialpost.edge.system.board_files import BoardFiles


def profiles(args: argparse.Namespace) -> int:
    """The profiles, or one of them."""
    files = BoardFiles()
    if args.json:
        print_answer(tuple(map(_profile_json, [files.profile(args.name)] if args.name else files.profiles())))
        return 0
    if args.name:
        profile = files.profile(args.name)
        print(f"{profile.name}: {profile.title}")
        for label, value in (
            ("note", profile.note),
            ("source", profile.source),
            ("set up by", ", ".join(profile.init)),
            ("must take", ", ".join(profile.must)),
            ("dialled by", profile.dial),
            ("line", f"{profile.line_rate_bps} bit/s" if profile.line_rate_bps else ""),
            ("port", f"{profile.speed_bps} bit/s, {profile.flow_control.value}"),
            ("hung up by", ", then ".join(way.value for way in profile.hang_up)),
        ):
            if value:
                _print(f"  {label + ':':<12}", value)
        return 0
    known = files.profiles()
    print(table(("NAME", "MODEM"), [(profile.name, profile.title) for profile in known]))
    print("\n`dialpost modem list NAME` shows one in full; `dialpost modem probe` suggests one for your modem.")
    return 0


def countries(args: argparse.Namespace) -> int:
    """The countries, or one of them."""
    files = BoardFiles()
    if args.json:
        print_answer(tuple(map(_country_json, [files.country(args.name)] if args.name else files.countries())))
        return 0
    if args.name:
        _show_country(files.country(args.name))
        return 0
    rows = [
        (country.key, _limit(country.redial), _pauses(country.redial), country.name)
        for country in files.countries()
    ]
    print(table(("NAME", "FAILED ATTEMPTS PER NUMBER", "PAUSE BETWEEN THEM", "WHERE"), rows))
    print("\n`dialpost modem countries NAME` shows one in full, with the source of its rules.")
    return 0


def _profile_json(profile: ModemProfile) -> local.Profile:
    return local.Profile(
        name=profile.name,
        title=profile.title,
        note=profile.note,
        source=profile.source,
        speed_bps=profile.speed_bps,
        line_rate_bps=profile.line_rate_bps,
    )


def _country_json(country: Country) -> local.Country:
    rules = country.redial
    return local.Country(
        name=country.key,
        title=country.name,
        attempts=rules.attempts,
        attempts_busy=rules.attempts_busy,
        rest_s=rules.rest_s,
        period_attempts=rules.period_attempts,
        period_s=rules.period_s,
        pauses_s=rules.pauses_s,
        note=country.note,
        source=country.source,
    )


def _limit(rules: RedialRules) -> str:
    if rules.period_attempts:
        return f"{rules.period_attempts} in {span(rules.period_s)}"
    if not rules.attempts:
        return "no limit"
    busy = f" ({rules.attempts_busy} if busy)" if rules.attempts_busy else ""
    rest = f"then a pause of {span(rules.rest_s)}" if rules.rest_s else "then no more automatic attempts"
    return f"{rules.attempts} in a row{busy}, {rest}"


def _pauses(rules: RedialRules) -> str:
    first, last = rules.pauses_s[0], rules.pauses_s[-1]
    return span(first) if first == last else f"{span(first)} to {span(last)}"


def _show_country(country: Country) -> None:
    rules, dialling = country.redial, country.dialling
    print(f"{country.key}: {country.name}")
    waits = ", ".join(span(pause_s) for pause_s in rules.pauses_s)
    lines = [
        ("tries", _limit(rules)),
        ("waits", f"{waits}{' and so on' if len(rules.pauses_s) > 1 else ''} after a failed attempt"),
        (
            "",
            f"{span(rules.other_number_pause_s)} before dialling another number"
            if rules.other_number_pause_s
            else "",
        ),
        ("dialling", "tone" + (" or pulse" if dialling.pulse else " only: pulse dialling reaches wrong numbers")),
        ("no answer", f"hangs up after {span(dialling.answer_within_s)}"),
        ("note", country.note),
        ("source", country.source),
    ]
    for label, value in lines:
        if value:
            _print(f"  {label + ':' if label else '':<11}", value)


def _print(label: str, value: str) -> None:
    print(textwrap.fill(value, 100, initial_indent=label, subsequent_indent=" " * len(label)))
