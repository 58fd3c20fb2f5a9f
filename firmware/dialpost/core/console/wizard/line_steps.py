"""The set-up wizard's questions about the station's name and its line."""

from __future__ import annotations

from dialpost.core.config.model import LinkKind
from dialpost.core.console.wizard.draft import NONE, Draft, check_key
from dialpost.core.console.wizard.facts import Choice
from dialpost.core.console.wizard.step import Step, by_key
from dialpost.core.line.dial_plan import dial_faults


def _domain(typed: str, draft: Draft) -> str:
    """One of a single word is allowed in the file, but the world's mail never finds it: here it is a slip, often an
    answer meant for another question."""
    name = check_key("station.domains", typed)
    if "." not in name:
        raise ValueError(f"{name} has no dot in it: enter the whole domain, for example clinic.example.")
    return name


def _country(typed: str, draft: Draft) -> str:
    """The number must be one that can be dialled by that country's rules."""
    country, profile = draft.facts.country(typed), draft.facts.profile(_profile_of(draft))
    if country is not None and (profile is None or profile.telephone):
        modem = draft.with_answer("country", typed).config().modem
        for sentence in dial_faults(modem, country):
            raise ValueError(f"{sentence} (`back` goes to the number.)")
    return check_key("modem.country", typed)


def _profile_of(draft: Draft) -> str:
    offer = draft.facts.offer(draft.get("port"))
    return draft.get("profile") or (offer.profile if offer else "") or draft.base.modem.profile


def _is_modem(draft: Draft) -> bool:
    return draft.is_modem


def _is_cellular(draft: Draft) -> bool:
    profile = draft.facts.profile(_profile_of(draft))
    return draft.is_modem and profile is not None and profile.cellular


def _needs_profile(draft: Draft) -> bool:
    offer = draft.facts.offer(draft.get("port"))
    return draft.is_modem and draft.has("port") and not (offer is not None and offer.profile)


def _first_port(draft: Draft) -> str:
    found = [offer.port for offer in draft.facts.ports if offer.profile]
    return draft.base.modem.port or next(iter(found), "")


def _default_number(draft: Draft) -> str:
    profile = draft.facts.profile(_profile_of(draft))
    usual = profile.default_numbers if profile is not None else ()
    return next(iter(draft.base.modem.numbers or usual), "")


def _likely_country(draft: Draft) -> str:
    """By the + of the number, else by the machine's time zone."""
    if draft.base.modem.country != "generic":
        return draft.base.modem.country
    number = draft.get("number")
    for country in draft.facts.countries:
        code = country.dialling.country_code
        if code and number.startswith("+" + code):
            return country.key
    zone = draft.facts.system_timezone
    return next((one.key for one in draft.facts.countries if one.timezone and one.timezone == zone), "generic")


def _ports(draft: Draft) -> tuple[Choice, ...]:
    return tuple(Choice(offer.port, f"{offer.port}: {offer.words}") for offer in draft.facts.ports)


def _profiles(draft: Draft) -> tuple[Choice, ...]:
    return tuple(Choice(profile.name, profile.title) for profile in draft.facts.profiles)


def _countries(draft: Draft) -> tuple[Choice, ...]:
    return tuple(Choice(country.key, country.name) for country in draft.facts.countries)


_LINKS = (
    Choice(LinkKind.MODEM.value, "A modem on this station dials the provider."),
    Choice(LinkKind.DIALUP_GATEWAY.value, "A router on your network dials when there is something to send."),
    Choice(LinkKind.GATEWAY.value, "A router on your network is always on line."),
)

LINE_STEPS = (
    Step(
        "domain", "Domain", "The part behind the @ of your mail addresses. Its mailboxes will be on this station.",
        _domain, default=lambda draft: next(iter(draft.base.station.domains), ""),
        more="Your provider must bring mail for it, or hold it until the station asks.",
    ),
    Step(
        "hostname", "Station's name", "The station's own full name in the network; the domain with mail. in front "
        "is usual.", by_key("station.hostname"), in_review_only=True,
        default=lambda draft: draft.hostname, shown=lambda draft: draft.hostname,
        more="Mail programs and other mail hosts see it. Like mail.clinic.example.",
    ),
    Step(
        "link", "Way to the world", "How does mail get out of the house?", by_key("link.kind"),
        choices=lambda draft: _LINKS, default=lambda draft: draft.base.link.kind.value,
        more="1: a modem on this station's USB or serial port, by telephone, mobile network or satellite; the "
        "provider's number or access point is asked for next. 2: a router that opens the line when something is "
        "sent; the station then sends and fetches at the times you give. 3: a line that is always there (DSL, "
        "fibre); mail goes as it comes, and there is no modem to set up. `set link.kind` changes it later.",
    ),
    Step(
        "port", "Modem", "Which of these is the modem? A number, or the name of a port.",
        by_key("modem.port"), applies=_is_modem, choices=_ports, default=_first_port, may_type=True,
        more="If yours is not there: is it on, and is its cable in? `back` and Enter look once more. "
        "A port's name is like /dev/ttyUSB0.",
    ),
    Step(
        "profile", "Kind of modem", "Nothing is known of the modem on that port. What is it?",
        by_key("modem.profile"), applies=_needs_profile, choices=_profiles,
        default=lambda draft: draft.base.modem.profile, more="The generic one serves most modems.",
    ),
    Step(
        "apn", "Access point", "The name of the mobile provider's access point (APN).", by_key("modem.apn"),
        applies=_is_cellular, default=lambda draft: draft.base.modem.apn or "internet",
        more="It stands in the mobile contract, or on the provider's pages; many take the word internet.",
    ),
    Step(
        "sim_pin", "SIM's PIN", "The PIN of the card in the modem; Enter if it asks for none.",
        by_key("modem.sim_pin"), applies=_is_cellular, is_secret=True, may_be_empty=True,
        more="Four to eight digits. A wrong one uses up one of the card's three tries, so it is tried once only.",
    ),
    Step(
        "number", "Provider's number", "The telephone number the station calls, as you would dial it yourself.",
        by_key("modem.numbers"), applies=_is_modem, default=_default_number,
        more="Blanks and hyphens do no harm. + and the country's code may stand in front. A digit for an outside "
        "line has a line of its own on the review page.",
    ),
    Step(
        "outside_line", "Outside line", "What is dialled first to leave a house exchange; w waits for the dial "
        "tone. `none` if there is none.", by_key("modem.outside_line", none=NONE), applies=_is_modem,
        in_review_only=True, may_be_empty=True,
        shown=lambda draft: draft.get("outside_line") or draft.base.modem.outside_line,
        more="Like 0 or 9, or 0w.",
    ),
    Step(
        "country", "Country", "Whose rules for calling again hold? Some countries forbid a machine to try too "
        "often.", _country, applies=_is_modem, choices=_countries, default=_likely_country,
        more="If yours is not there, take Anywhere.",
    ),
    Step(
        "ppp_user", "Dial-in user", "The user's name your provider gave you for dialling in; `none` if it gave "
        "none.", by_key("ppp.user", none=NONE),
        applies=_is_modem, default=lambda draft: draft.base.ppp.user,
        more="It stands in the provider's letter, as user, login or account; often like name@provider.example.",
    ),
    Step(
        "ppp_password", "Dial-in password", "The password that belongs to it.", by_key("ppp.password"),
        applies=lambda draft: draft.is_modem and bool(draft.get("ppp_user")), is_secret=True,
        default=lambda draft: draft.base.ppp.password,
        more="It does not show while you type, and is asked for twice. Capital letters count.",
    ),
)  # fmt: skip
