"""The set-up wizard's questions, in order: what each asks, explains, offers and accepts.

A question knows which of the others it depends on (`applies`). The declarations of the configuration say which
answers are valid (`draft.check_key`); only what is not a key of the configuration (accounts, how to log in) is
checked here.
"""

from __future__ import annotations

from difflib import get_close_matches

from dialpost.core.config.model import LanMethod, LinkKind
from dialpost.core.console.wizard.draft import (
    KEEP,
    NONE,
    NOT_TRUSTED,
    OTHER,
    SAME,
    TRUSTED,
    USER_NUMBERS,
    Draft,
    check_key,
)
from dialpost.core.console.wizard.facts import Choice
from dialpost.core.console.wizard.inbound_steps import INBOUND_STEPS
from dialpost.core.console.wizard.line_steps import LINE_STEPS
from dialpost.core.console.wizard.step import Check, Step, by_key
from dialpost.core.errors import AccountError
from dialpost.core.mail.accounts import check_name
from dialpost.core.password import check_strength


def steps(draft: Draft) -> tuple[Step, ...]:
    """Every question that applies now, in order."""
    return tuple(
        step for step in (*LINE_STEPS, *_MAIL, *_PLACE, *_users(draft), _POSTMASTER) if step.applies(draft)
    )


def _times(typed: str, draft: Draft) -> str:
    words = typed.replace(",", " ").split()
    if typed == KEEP and draft.base.schedule.entry:
        return KEEP
    if [word.lower() for word in words] == [NONE]:
        return NONE
    return " ".join(sorted({check_key("schedule.entry.at", word) for word in words}))


def _timezone(typed: str, draft: Draft) -> str:
    name = check_key("schedule.timezone", typed)
    zones = {zone.casefold(): zone for zone in draft.facts.timezones}
    if zones and name.casefold() not in zones:
        city = name.rpartition("/")[2].casefold()
        near = sorted(zone for zone in zones.values() if city in zone.casefold())[:3]
        near = near or [zones[found] for found in get_close_matches(name.casefold(), zones, 1, 0.8)]
        hint = f" Did you mean {' or '.join(near)}?" if near else " Use the form Europe/Berlin."
        raise ValueError(f"{name} is not known on this machine.{hint}")
    return zones.get(name.casefold(), name)


def _strong(typed: str, draft: Draft) -> str:
    check_strength(typed)
    return typed


def _user(own: str) -> Check:
    def check(typed: str, draft: Draft) -> str:
        if typed.lower() == NONE:
            return ""
        name = check_name(typed.partition("@")[0] if typed.endswith(f"@{draft.get('domain')}") else typed)
        others = {draft.get(f"user{number}") for number in USER_NUMBERS if f"user{number}" != own}
        if name in others or name in draft.facts.accounts:
            raise AccountError(f"User {name} already exists.")
        return name

    return check


def _words(typed: str, draft: Draft) -> str:
    return typed


# -- mail -----------------------------------------------------------------------------------------------------


def _logins(draft: Draft) -> tuple[Choice, ...]:
    same = (Choice(SAME, "The same user name and password as for dialling in."),) if draft.get("ppp_user") else ()
    none = Choice(NONE, "No login: it recognises customers by their line.")
    return (none, *same, Choice(OTHER, "A different user name and password."))


def _usual_login(draft: Draft) -> str:
    base = draft.base
    if not base.outbound.user:
        return NONE
    return SAME if base.outbound.user == draft.get("ppp_user") else OTHER


def _has_own_login(draft: Draft) -> bool:
    return draft.get("mail_login") == OTHER


_TRUST = (
    Choice(NOT_TRUSTED, "No, or not sure: use TLS on it. Safe; calls take longer."),
    Choice(TRUSTED, "Yes: no TLS on it. Calls are shorter; whoever taps it can read the mail."),
)

_MAIL = (
    Step(
        "mail_host",
        "Mail host",
        "The provider's server for outgoing mail (SMTP), for example mail.provider.example.",
        by_key("outbound.smarthost"),
        default=lambda draft: draft.base.outbound.smarthost,
        more="The provider's letter calls it outgoing mail server or SMTP server.",
    ),
    Step(
        "mail_login",
        "Mail login",
        "How does the station log in to the mail host?",
        _words,
        choices=_logins,
        default=_usual_login,
        more="With a login the station uses port 587 and requires TLS, unless you trust the line (a later "
        "question); without one, port 25. To change that later: `set outbound.port` and `set outbound.tls`.",
    ),
    Step(
        "mail_user",
        "Mail user",
        "The user name for the mail host.",
        by_key("outbound.user"),
        applies=_has_own_login,
        default=lambda draft: draft.base.outbound.user,
        more="Often a full mail address. This is the station's login at the provider, not a login of your users.",
    ),
    Step(
        "mail_password",
        "Mail password",
        "The password for the mail user.",
        by_key("outbound.password"),
        applies=_has_own_login,
        is_secret=True,
        default=lambda draft: draft.base.outbound.password,
        more="It stays hidden while you type, and you type it twice. Upper and lower case differ.",
    ),
    *INBOUND_STEPS,
    Step(
        "trusted_line",
        "Trusted line",
        "Do you trust the line from this modem to the provider's network as you trust a telephone line?",
        _words,
        applies=lambda draft: draft.is_modem,
        choices=lambda draft: _TRUST,
        default=lambda draft: TRUSTED if draft.base.ppp.trusted_line else NOT_TRUSTED,
        more="1 is safe: mail and passwords are encrypted (TLS). That costs time and money: about 3 kB for each "
        "connection (1 s at 33,600 bit/s, 10 s at 2,400), and encrypted mail can't be compressed, so small mail "
        "takes up to four times as long. 2: no TLS on this line with the mail host and the ETRN host. Passwords "
        "go as a digest (CRAM-MD5 or SCRAM), never in clear; the text of all mail can be read by whoever taps the "
        "line. Choose it only if both hosts belong to the provider that you dial, with no internet in between. All "
        "other hosts get TLS in any case. To change it later: `set ppp.trusted_line`.",
    ),
    Step(
        "times",
        "Call times",
        "When should the station call every day, for example 07:30 12:30 17:30? `none`: only by button or command.",
        _times,
        applies=lambda draft: draft.link is not LinkKind.GATEWAY,
        default=lambda draft: KEEP if draft.base.schedule.entry else NONE,
        more="For more choices later, see `help schedule`.",
    ),
)


# -- where the station stands ---------------------------------------------------------------------------------


def _likely_zone(draft: Draft) -> str:
    country = draft.facts.country(draft.get("country"))
    there = country.timezone if country is not None else ""
    return draft.base.schedule.timezone or draft.facts.system_timezone or there or "UTC"


_LANS = (
    Choice(LanMethod.DHCP.value, "Your router assigns it an address (DHCP)."),
    Choice(LanMethod.STATIC.value, "It has a fixed address, which you enter."),
)


def _name_servers(typed: str, draft: Draft) -> str:
    words = typed.replace(",", " ").split()
    if [word.lower() for word in words] == [NONE]:
        return NONE
    made = tuple(dict.fromkeys(check_key("lan.dns", word) for word in words))
    if len(made) > 3:
        raise ValueError("Enter at most three name servers.")
    return " ".join(made)


def _is_static(draft: Draft) -> bool:
    return draft.get("lan") == LanMethod.STATIC.value


_PLACE = (
    Step(
        "lan",
        "Local network",
        "How does the station get its address on the local network?",
        by_key("lan.method"),
        choices=lambda draft: _LANS,
        default=lambda draft: draft.base.lan.method.value,
        more="1 is right where a router assigns addresses; set it to always give this station the same one. 2 "
        "is for networks with fixed addresses; the wizard then asks for address, router and name server.",
    ),
    Step(
        "lan_address",
        "Address",
        "The station's address and, after the /, its prefix length (usually 24), for example 192.168.1.25/24.",
        by_key("lan.address"),
        applies=_is_static,
        default=lambda draft: draft.base.lan.address,
        more="The router's pages show which addresses are free.",
    ),
    Step(
        "gateway",
        "Router",
        "The address of the local network's router; `none` if there is none.",
        by_key("lan.gateway", none=NONE),
        applies=_is_static,
        default=lambda draft: draft.base.lan.gateway or NONE,
        more="It must be in the same network as the station's address. For example 192.168.1.1.",
    ),
    Step(
        "dns",
        "Name server",
        "The address of the name server (DNS), usually the router; `none` if there is none.",
        _name_servers,
        applies=_is_static,
        default=lambda draft: " ".join(draft.base.lan.dns) or draft.get("gateway") or NONE,
        more="Up to three, separated by spaces. A modem's line brings its own while it is up.",
    ),
    Step(
        "timezone",
        "Time zone",
        "The station's time zone, for example Europe/Vienna.",
        _timezone,
        default=_likely_zone,
        more="The continent and the nearest large city, or UTC. Call times and the log use it.",
    ),
    Step(
        "admin_password",
        "Admin password",
        "The password for this console, at least 8 characters.",
        _strong,
        is_secret=True,
        applies=lambda draft: not draft.facts.has_admin_password,
        more="It is not any user's mail password. Write it down and lock it away: if it is lost, only a factory "
        "reset helps.",
    ),
)


# -- users ----------------------------------------------------------------------------------------------------


def _users(draft: Draft) -> tuple[Step, ...]:
    """The first user, and one more question than there are users."""
    made: list[Step] = []
    for number in USER_NUMBERS:
        is_first = number == 1 and not draft.facts.accounts
        domain = draft.get("domain")
        help = (
            f"The first user's name: the part of the address before @{domain}."
            if is_first
            else "Another user's name; press Enter if there are no more."
        )
        made.append(
            Step(
                f"user{number}",
                f"User {number}",
                help,
                _user(f"user{number}"),
                may_be_empty=not is_first,
                empty_words="no more users",
                more="You can add users at any time: `account add NAME`.",
            )
        )
        name = draft.get(f"user{number}")
        if not name:
            break
        made.append(
            Step(
                f"password{number}",
                f"{name}'s password",
                f"The password for {name}'s mail program, at least 8 characters.",
                _strong,
                is_secret=True,
            )
        )
    return tuple(made)


def _everybody(draft: Draft) -> tuple[Choice, ...]:
    return tuple(Choice(name, name) for name in (*draft.facts.accounts, *draft.users))


def _usual_postmaster(configured: str, there: tuple[Choice, ...]) -> str:
    names = [choice.value for choice in there]
    return configured if configured in names else names[0]


_POSTMASTER = Step(
    "postmaster",
    "Postmaster",
    "Who gets the station's reports and mail to postmaster?",
    _words,
    applies=lambda draft: len(_everybody(draft)) > 1,
    choices=_everybody,
    default=lambda draft: _usual_postmaster(draft.base.station.postmaster, _everybody(draft)),
    more="One of the station's users. Reports cover failed calls, a full card and updates.",
)
