"""The set-up wizard's questions about the station's name and its line."""

from __future__ import annotations

from dialpost.core.config.model import LinkKind
from dialpost.core.console.wizard.draft import NONE, Draft, check_key
from dialpost.core.console.wizard.facts import Choice
from dialpost.core.console.wizard.step import Step, by_key
from dialpost.core.line.dial_plan import dial_faults


def _domain(typed: str, draft: Draft) -> str:
    """A single word is allowed in the file, but mail from the Internet never finds such a domain: here it is a
    mistake, often an answer meant for another question."""
    name = check_key("station.domains", typed)
    if "." not in name:
        raise ValueError(f"There is no dot in {name}: enter the whole domain, for example clinic.example.")
    return name


def _country(typed: str, draft: Draft) -> str:
    """The number must be one that can be dialled under that country's rules."""
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
    """From the number's international prefix, otherwise from the machine's time zone."""
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
    Choice(LinkKind.DIALUP_GATEWAY.value, "A router on your network dials on demand."),
    Choice(LinkKind.GATEWAY.value, "A router on your network is always connected."),
)

LINE_STEPS = (
    Step(
        "domain",
        "Domain",
        "The part of your mail addresses after the @, for example clinic.example. Its "
        "mailboxes will be on this station.",
        _domain,
        default=lambda draft: next(iter(draft.base.station.domains), ""),
        more="Your provider must deliver mail for it, or hold that mail until the station asks.",
    ),
    Step(
        "hostname",
        "Station's name",
        "The station's full host name; usually the domain with mail. in front.",
        by_key("station.hostname"),
        in_review_only=True,
        default=lambda draft: draft.hostname,
        shown=lambda draft: draft.hostname,
        more="Mail programs and other mail servers see it. For example mail.clinic.example.",
    ),
    Step(
        "link",
        "Link",
        "How does this station reach the outside world?",
        by_key("link.kind"),
        choices=lambda draft: _LINKS,
        default=lambda draft: draft.base.link.kind.value,
        more="1: a modem on this station's USB or serial port, over telephone, mobile network or satellite; the "
        "wizard asks for the provider's number or access point next. 2: a router that opens the line when "
        "something is sent; the station sends and fetches at the times you choose. 3: a permanent line (DSL, "
        "fibre); mail goes out at once, and there is no modem to set up. To change it later: `set link.kind`.",
    ),
    Step(
        "port",
        "Modem",
        "Which of these is the modem? Enter its number or the name of a port.",
        by_key("modem.port"),
        applies=_is_modem,
        choices=_ports,
        default=_first_port,
        may_type=True,
        more="If yours is missing, check its power and cable; `back` and Enter search again. A port has a name "
        "such as /dev/ttyUSB0.",
    ),
    Step(
        "profile",
        "Kind of modem",
        "The modem on that port did not identify itself. Which is it?",
        by_key("modem.profile"),
        applies=_needs_profile,
        choices=_profiles,
        default=lambda draft: draft.base.modem.profile,
        more="The generic profile works with most modems.",
    ),
    Step(
        "apn",
        "Access point",
        "The mobile provider's access point name (APN), for example internet.",
        by_key("modem.apn"),
        applies=_is_cellular,
        default=lambda draft: draft.base.modem.apn or "internet",
        more="See the mobile contract or the provider's web pages; many use the word internet.",
    ),
    Step(
        "sim_pin",
        "SIM's PIN",
        "The PIN of the SIM in the modem; press Enter if it has none.",
        by_key("modem.sim_pin"),
        applies=_is_cellular,
        is_secret=True,
        may_be_empty=True,
        more="Four to eight digits. A wrong PIN uses up one of the card's three attempts, so the station tries "
        "it only once.",
    ),
    Step(
        "number",
        "Provider's number",
        "The telephone number that the station calls, as you would dial it yourself.",
        by_key("modem.numbers"),
        applies=_is_modem,
        default=_default_number,
        more="Spaces and hyphens are fine, and so is + with the country code. A comma pauses, w waits for the dial "
        "tone; A to D are the tones of that name. The review page has a separate line for an outside-line prefix.",
    ),
    Step(
        "outside_line",
        "Outside line",
        "What to dial first to get an outside line; w waits for the dial tone. Enter `none` if not needed.",
        by_key("modem.outside_line", none=NONE),
        applies=_is_modem,
        in_review_only=True,
        may_be_empty=True,
        shown=lambda draft: draft.get("outside_line") or draft.base.modem.outside_line,
        more="For example 0, 9 or 0w.",
    ),
    Step(
        "country",
        "Country",
        "Which country's redial rules apply? Some countries limit how often a machine may redial.",
        _country,
        applies=_is_modem,
        choices=_countries,
        default=_likely_country,
        more="If yours is not listed, choose Anywhere.",
    ),
    Step(
        "ppp_user",
        "Dial-in user",
        "The user name that your provider gave you for dialling in; `none` if it gave none.",
        by_key("ppp.user", none=NONE),
        applies=_is_modem,
        default=lambda draft: draft.base.ppp.user,
        more="The provider's letter calls it user, login or account; often it looks like name@provider.example.",
    ),
    Step(
        "ppp_password",
        "Dial-in password",
        "The password for the dial-in user.",
        by_key("ppp.password"),
        applies=lambda draft: draft.is_modem and bool(draft.get("ppp_user")),
        is_secret=True,
        default=lambda draft: draft.base.ppp.password,
        more="It stays hidden while you type, and you type it twice. Upper and lower case differ.",
    ),
)
