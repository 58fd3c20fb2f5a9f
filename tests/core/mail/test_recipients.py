"""From an envelope to the places its message goes to."""

from dialpost.core.mail.accounts import Account, Alias, Directory
from dialpost.core.mail.envelope import Envelope, Notify, Recipient
from dialpost.core.mail.recipients import resolve

DIRECTORY = Directory(
    {"anna": Account("anna"), "ben": Account("ben")},
    {"team@clinic.example": Alias("team@clinic.example", ("anna", "ben", "eve@world.example"))},
    ("clinic.example",),
)


def places(*addresses: str) -> list[tuple[int, str, str | None, str | None]] | None:
    rows = resolve(Envelope("x@y.example", tuple(map(Recipient, addresses))), DIRECTORY)
    if rows is None:
        return None
    return [(row.number, row.address, row.local_account, row.original_address) for row in rows]


def test_each_place_is_there_once_whatever_ways_lead_to_it() -> None:
    assert places("anna@clinic.example", "team@clinic.example", "eve@world.example") == [
        (0, "anna@clinic.example", "anna", None),
        (1, "team@clinic.example", "ben", None),
        (2, "eve@world.example", None, "team@clinic.example"),
    ]


def test_a_domain_of_the_world_has_one_form() -> None:
    assert places("Bob@WORLD.Example", "bob@world.example") == [
        (0, "Bob@world.example", None, "Bob@WORLD.Example"),
        (1, "bob@world.example", None, None),
    ]


def test_nobody_is_no_part_of_a_promise() -> None:
    assert places("anna@clinic.example", "gone@clinic.example") is None
    assert places("eve@world.example", "no address") is None


def test_what_the_sender_asked_for_goes_along() -> None:
    asked = Recipient("eve@world.example", notify=frozenset({Notify.NEVER}), orcpt="rfc822;e@w.example")
    [row] = resolve(Envelope("x@y.example", (asked,)), DIRECTORY) or ()
    assert (row.notify, row.orcpt) == (frozenset({Notify.NEVER}), "rfc822;e@w.example")
