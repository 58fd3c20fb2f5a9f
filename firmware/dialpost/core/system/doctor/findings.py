"""The findings of `dialpost doctor`: pure rules, one function for each subject.

A finding says what was found and, if something is wrong, what to do. The facts come from `flow/system/doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dialpost.core.advice import MAKE_ROOM, RESTART, SAVE_ALL
from dialpost.core.amounts import count_words, size_words
from dialpost.core.config.model import Config, EtrnUse, InboundUse, MailboxConfig, Via
from dialpost.core.findings import Finding, fault, ok, skipped, warning
from dialpost.core.mail.accounts import POSTMASTER, Directory
from dialpost.core.mail.certificate import SOON_DAYS, CertificateFacts
from dialpost.core.system.card_wear import CardWear

_DAY_S = 86_400
_SLOW_WRITE_S = 1.0
_WORN_TENTHS = 9
_PRIVATE_SUFFIXES = (".local", ".lan", ".home", ".internal", ".localdomain", ".localhost", ".invalid")


def configuration(remarks: Sequence[str], path: str) -> Iterator[Finding]:
    """`remarks` on its contents and on the file itself."""
    for sentence in remarks:
        yield warning("configuration", sentence, f"Change it in {path}; `dialpost config explain KEY` says more.")
    if not remarks:
        yield ok("configuration", f"no problems found in {path}")


def host_name(config: Config) -> Finding:
    """The name itself; `core/system/doctor/dns_findings` checks what DNS says about it."""
    name = config.station.hostname
    if name.endswith(_PRIVATE_SUFFIXES):
        return warning(
            "host name",
            f"{name} is a name only this network knows; some servers refuse mail from such a name.",
            "Set station.hostname to a name in a domain of yours, like mail.clinic.example.",
        )
    return ok("host name", name)


def clock(now_s: float, released_s: int, shown: str) -> Finding:
    """With a clock that can't be right, nothing expires and no certificate can be checked."""
    if now_s < released_s:
        return fault(
            "clock",
            f"it shows {shown}, which is before this release was built",
            "A wrong clock does not bounce mail, but the station can't check certificates with it. Where "
            "chrony runs, it sets the clock in the next call; by hand: timedatectl set-time 'YYYY-MM-DD HH:MM'.",
        )
    return ok("clock", shown)


def certificate(config: Config, facts: CertificateFacts, now_s: float, clock_trusted: bool) -> list[Finding]:
    """Is it for the host name, and valid now?"""
    subject = "certificate"
    own = not config.tls.certificate
    renew = (
        f"The station makes a new one when it starts, so {RESTART}. Mail programs will ask about the new one."
        if own
        else f"Renew it, then {RESTART}."
    )
    found: list[Finding] = []
    if not facts.covers(config.station.hostname):
        names = ", ".join(facts.names) or "nothing"
        what = f"it is for {names}, not for {config.station.hostname}: mail programs will complain"
        found.append(warning(subject, what, renew))
    for domain in config.station.domains if own else ():
        if not facts.covers(domain):
            found.append(
                warning(subject, f"it was made without {domain}; mail programs set to that name will ask", renew)
            )
    if clock_trusted:
        found += _validity(subject, facts, now_s, renew)
    if not found:
        kind = "made here, so mail programs ask once whether to trust it" if own else "configured"
        found.append(ok(subject, f"for {', '.join(facts.names)}; {kind}; SHA-256 {facts.fingerprint}"))
    return found


def _validity(subject: str, facts: CertificateFacts, now_s: float, renew: str) -> Iterator[Finding]:
    days = int((facts.not_after_s - now_s) // _DAY_S)
    if now_s < facts.not_before_s:
        yield fault(subject, "it is not valid yet", "Check the clock, or get a certificate that is valid now.")
    elif days < 0:
        yield fault(subject, f"it expired {count_words(-days, 'day')} ago: mail programs refuse it", renew)
    elif days < SOON_DAYS:
        yield warning(subject, f"it expires in {count_words(days, 'day')}", renew)


def disk(free_bytes: int, reserve_bytes: int, max_message_bytes: int) -> Finding:
    """Room for mail above the reserve."""
    free, reserve = _mb(free_bytes), _mb(reserve_bytes)
    if free_bytes < reserve_bytes:
        return fault(
            "card",
            f"{free} free, less than the reserve of {reserve}: new mail is deferred (452)",
            MAKE_ROOM,
        )
    if free_bytes < reserve_bytes + 4 * max_message_bytes:
        return warning(
            "card",
            f"{free} free: above the reserve of {reserve}, room for only a few large messages",
            MAKE_ROOM,
        )
    return ok("card", f"{free} free, reserve {reserve}")


def durable_write(took_s: float) -> Finding:
    """The time until a small file was safe on the card."""
    if took_s > _SLOW_WRITE_S:
        return warning(
            "card",
            f"a durable write took {took_s:.1f} s: every message waits for several of them",
            f"A card this slow is often about to fail. {SAVE_ALL} Then try another card.",
        )
    return ok("card", f"a durable write takes {took_s * 1000:.0f} ms")


def wear(facts: CardWear | None) -> Finding:
    """How worn the card is."""
    if facts is None:
        return skipped("card", "its wear is unknown: it is not an ext4 file system of this machine")
    written = f"{size_words(facts.written_bytes)} written in its life"
    if facts.fs_faults:
        return fault(
            "card",
            f"its file system has met {count_words(facts.fs_faults, 'fault')}; {written}",
            f"The card is failing: replace it. {SAVE_ALL}",
        )
    if facts.used_tenths is None:
        return ok("card", f"{written}; it does not report its wear")
    if facts.used_tenths >= _WORN_TENTHS:
        return warning(
            "card",
            f"{min(facts.used_tenths, 10) * 10} % of its rated life is used up; {written}",
            f"Have another card ready. {SAVE_ALL}",
        )
    return ok("card", f"{written}; some {facts.used_tenths * 10} % of its life is used")


def set_aside(names: Sequence[str]) -> Finding:
    """Unreadable files that are kept for the operator."""
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return warning(
            "set aside",
            f"kept because it could not be read: {shown}",
            "It may hold mail. Look at it, or keep a copy elsewhere; then delete it to silence this.",
        )
    return ok("set aside", "no messages")


def accounts(directory: Directory, mailboxes: Mapping[str, int], configured_postmaster: str) -> Iterator[Finding]:
    """`mailboxes` says how many messages each mailbox on the card holds, including those without an account."""
    subject = "accounts"
    count = len(directory.accounts)
    if not count:
        yield fault(
            subject,
            "there are none: mail for every name but postmaster is refused",
            "Create one: dialpost account add NAME",
        )
    elif not any(account.enabled for account in directory.accounts.values()):
        yield warning(subject, "all are locked: nobody can log in", "dialpost account edit NAME --enable")
    else:
        yield ok(
            subject, f"{count} in {', '.join(directory.domains)}; postmaster is {directory.postmaster_account}"
        )
    if configured_postmaster and configured_postmaster not in directory.accounts:
        yield warning(
            subject,
            f"station.postmaster names {configured_postmaster}, which is not an account; "
            f"{directory.postmaster_account} gets that mail",
            f"Create it (dialpost account add {configured_postmaster}) or change station.postmaster.",
        )
    for domain, name in directory.catch_all.items():
        if name not in directory.accounts:
            yield warning(
                subject,
                f"delivery.catch_all of {domain} names {name}, which is not an account",
                f"Create it (dialpost account add {name}) or change delivery.catch_all.",
            )
    for domain in directory.domains_without_addresses():
        yield warning(
            subject,
            f"nobody has an address in {domain}: its mail is refused, except for postmaster",
            f"Add one (dialpost account edit NAME --add-address NAME@{domain}), or take {domain} out of "
            "delivery.separate_domains: then each account's name is an address in it.",
        )
    for alias, target in sorted(directory.dead_targets()):
        yield warning(
            subject, f"the alias {alias} goes to {target}, which is nobody's", f"dialpost alias add {alias} TARGET"
        )
    yield from _orphans(directory, mailboxes)


def mailbox_accounts(directory: Directory, boxes: Sequence[MailboxConfig]) -> Iterator[Finding]:
    """Mailboxes at providers whose mail is for an account that does not exist."""
    for box in boxes:
        if box.account and box.account not in directory.accounts:
            yield warning(
                "accounts",
                f"inbound.mailbox {box.name} is for {box.account}, which is not an account; "
                f"{directory.postmaster_account} gets its mail",
                f"Create it (dialpost account add {box.account}) or change account of that inbound.mailbox.",
            )


def _orphans(directory: Directory, mailboxes: Mapping[str, int]) -> Iterator[Finding]:
    for name, messages in mailboxes.items():
        if messages and name not in directory.accounts:
            whose = "mail for postmaster" if name == POSTMASTER else "mail of a deleted account"
            yield warning(
                "accounts",
                f"{count_words(messages, 'message is', 'messages are')} in the mailbox {name}, which has no "
                f"account ({whose})",
                f"To read this mail: dialpost account add {name}. To get rid of it, delete that account with "
                "--purge.",
            )


def ways_out(config: Config) -> Finding:
    """Whether there is any connection to the Internet."""
    outbound = config.outbound
    if outbound.via is Via.SMARTHOST and not outbound.smarthost:
        return fault(
            "mail for the world",
            "no smarthost is set, so it waits here indefinitely",
            'Set outbound.smarthost to the provider\'s mail host, or outbound.via = "mx".',
        )
    way = (
        f"through {outbound.smarthost}, port {outbound.port}"
        if outbound.via is Via.SMARTHOST
        else "straight to the recipients' servers"
    )
    return ok("mail for the world", way)


def etrn_use(config: Config) -> Finding | None:
    """Whether the provider is asked at all; None if it is, and its answer decides."""
    if config.etrn_wanted:
        return None
    if config.inbound.use != (InboundUse.AUTO,):
        return skipped("ETRN", "not among the ways that inbound.use names")
    why = "switched off" if config.etrn.use is EtrnUse.NEVER else "not used on a dedicated line"
    return skipped("ETRN", f"{why} (etrn.use)")


def _mb(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
