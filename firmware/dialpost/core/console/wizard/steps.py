"""The set-up wizard's questions, in their order: what each asks, explains, offers and accepts.

A question knows which of the others it needs (`applies`). What an answer may be is said by the declarations of the
configuration (`draft.check_key`); only what is no key of it (accounts, the way of a login) is checked here.
"""

from __future__ import annotations

from dialpost.core.config.model import LanMethod, LinkKind
from dialpost.core.console.wizard.draft import KEEP, MOST_USERS, NONE, OTHER, SAME, Draft, check_key
from dialpost.core.console.wizard.facts import Choice
from dialpost.core.console.wizard.line_steps import LINE_STEPS
from dialpost.core.console.wizard.step import Check, Step, by_key
from dialpost.core.errors import AccountError
from dialpost.core.mail.accounts import check_name
from dialpost.core.password import check_strength


def steps(draft: Draft) -> tuple[Step, ...]:
    """Every question that applies now, in their order."""
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
        hint = f" Did you mean {' or '.join(near)}?" if near else " It is written like Europe/Berlin."
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
        others = {draft.get(f"user{number}") for number in range(1, MOST_USERS + 1) if f"user{number}" != own}
        if name in others or name in draft.facts.accounts:
            raise AccountError(f"There is a user {name} already.")
        return name

    return check


def _words(typed: str, draft: Draft) -> str:
    return typed


# -- mail -----------------------------------------------------------------------------------------------------


def _logins(draft: Draft) -> tuple[Choice, ...]:
    same = (Choice(SAME, "The same name and password as for dialling in."),) if draft.get("ppp_user") else ()
    none = Choice(NONE, "None: it knows the customers on its own lines.")
    return (none, *same, Choice(OTHER, "A name and password of its own."))


def _usual_login(draft: Draft) -> str:
    base = draft.base
    if not base.outbound.user:
        return NONE
    return SAME if base.outbound.user == draft.get("ppp_user") else OTHER


def _has_own_login(draft: Draft) -> bool:
    return draft.get("mail_login") == OTHER


_MAIL = (
    Step(
        "mail_host", "Mail host", "The provider's host that takes your outgoing mail (its SMTP server).",
        by_key("outbound.smarthost"), default=lambda draft: draft.base.outbound.smarthost,
        more="It stands in the provider's letter as outgoing mail server or SMTP. Like mail.provider.example.",
    ),
    Step(
        "mail_login", "Login there", "How does the station log in at the mail host?", _words, choices=_logins,
        default=_usual_login,
        more="With a login the station uses port 587 and wants TLS; without one port 25. `set outbound.port` "
        "and `set outbound.tls` change that later.",
    ),
    Step(
        "mail_user", "Mail user", "The name to log in with at the mail host.", by_key("outbound.user"),
        applies=_has_own_login, default=lambda draft: draft.base.outbound.user,
        more="Often the whole mail address. It is the station's login there, not that of its users here.",
    ),
    Step(
        "mail_password", "Mail password", "The password that belongs to it.", by_key("outbound.password"),
        applies=_has_own_login, is_secret=True, default=lambda draft: draft.base.outbound.password,
        more="It does not show while you type, and is asked for twice. Capital letters count.",
    ),
    Step(
        "etrn_host", "ETRN host", "The provider's host that is asked (by ETRN) for the mail it holds for you. "
        "`none` if yours brings it unasked.",
        lambda typed, draft: NONE if typed.lower() == NONE else check_key("etrn.host", typed),
        applies=lambda draft: draft.link is not LinkKind.GATEWAY,
        default=lambda draft: draft.base.etrn.host or draft.get("mail_host"),
        more="Most often it is the mail host itself.",
    ),
    Step(
        "times", "Times of calls", "When should the station call by itself, every day? Like 07:30 12:30 17:30; "
        "`none`: only by the button or a command.", _times,
        applies=lambda draft: draft.link is not LinkKind.GATEWAY,
        default=lambda draft: KEEP if draft.base.schedule.entry else NONE,
        more="More can be said later: `help schedule`.",
    ),
)  # fmt: skip


# -- where the station stands ---------------------------------------------------------------------------------


def _likely_zone(draft: Draft) -> str:
    country = draft.facts.country(draft.get("country"))
    there = country.timezone if country is not None else ""
    return draft.base.schedule.timezone or draft.facts.system_timezone or there or "UTC"


_LANS = (
    Choice(LanMethod.DHCP.value, "Your router gives it an address (DHCP)."),
    Choice(LanMethod.STATIC.value, "It has a fixed address, which you enter."),
)


def _name_servers(typed: str, draft: Draft) -> str:
    words = typed.replace(",", " ").split()
    if [word.lower() for word in words] == [NONE]:
        return NONE
    made = tuple(dict.fromkeys(check_key("lan.dns", word) for word in words))
    if len(made) > 3:
        raise ValueError("Three name servers are the most.")
    return " ".join(made)


def _is_static(draft: Draft) -> bool:
    return draft.get("lan") == LanMethod.STATIC.value


_PLACE = (
    Step(
        "lan", "Local network", "How does the station get its address in the local network?",
        by_key("lan.method"), choices=lambda draft: _LANS, default=lambda draft: draft.base.lan.method.value,
        more="1 is right where a router gives addresses to computers; best tell it to give this station always the "
        "same one. 2 is for networks without, and where every host has its own; address, router and name server "
        "are asked for then.",
    ),
    Step(
        "lan_address", "Address", "The station's address, and behind the / how many bits of it are the network's "
        "(mostly 24).", by_key("lan.address"), applies=_is_static,
        default=lambda draft: draft.base.lan.address, more="Like 192.168.1.25/24.",
    ),
    Step(
        "gateway", "Router", "The address of the local network's router; `none` if there is none.",
        by_key("lan.gateway", none=NONE),
        applies=_is_static, default=lambda draft: draft.base.lan.gateway or NONE,
        more="It must be in the network of the station's own address. Like 192.168.1.1.",
    ),
    Step(
        "dns", "Name server", "The address of the name server (DNS), which finds hosts by their names; `none` if "
        "there is none. Most often it is the router.", _name_servers, applies=_is_static,
        default=lambda draft: " ".join(draft.base.lan.dns) or draft.get("gateway") or NONE,
        more="Up to three, with blanks between them. A modem's line brings its own while it is up.",
    ),
    Step(
        "timezone", "Time zone", "Where the clock goes by. It is written like Europe/Vienna.", _timezone,
        default=_likely_zone,
        more="The continent and the nearest large city; UTC is world time. Times of calls and of the log go by it.",
    ),
    Step(
        "admin_password", "Admin password", "Whoever sits at this console must know it. At least 8 characters.",
        _strong, is_secret=True, applies=lambda draft: not draft.facts.has_admin_password,
        more="It is no user's password. Write it down and lock it away: without it only a factory reset helps.",
    ),
)  # fmt: skip


# -- users ----------------------------------------------------------------------------------------------------


def _users(draft: Draft) -> tuple[Step, ...]:
    """The first user, and one more question than there are users."""
    made: list[Step] = []
    for number in range(1, MOST_USERS + 1):
        is_first = number == 1 and not draft.facts.accounts
        domain = draft.get("domain")
        help = (
            f"The first user's name: the part of the address in front of @{domain}."
            if is_first
            else "Another user's name; Enter if there is nobody more."
        )
        made.append(
            Step(
                f"user{number}", f"User {number}", help, _user(f"user{number}"), may_be_empty=not is_first,
                empty_words="nobody more", more="More users can be added at any time: `account add NAME`.",
            )
        )  # fmt: skip
        name = draft.get(f"user{number}")
        if not name:
            break
        made.append(
            Step(
                f"password{number}", f"{name}'s password", f"What {name} logs in with in the mail program. At "
                "least 8 characters.", _strong, is_secret=True,
            )
        )  # fmt: skip
    return tuple(made)


def _everybody(draft: Draft) -> tuple[Choice, ...]:
    return tuple(Choice(name, name) for name in (*draft.facts.accounts, *draft.users))


_POSTMASTER = Step(
    "postmaster", "Postmaster", "Who gets the station's own reports and the mail to postmaster?", _words,
    applies=lambda draft: len(_everybody(draft)) > 1, choices=_everybody,
    default=lambda draft: draft.base.station.postmaster or next(iter(choice.value for choice in _everybody(draft))),
    more="One of the users here. Reports tell of calls that fail, a full card, an update.",
)  # fmt: skip
