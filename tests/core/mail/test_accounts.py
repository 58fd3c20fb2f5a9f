"""Whose an address is: every way of writing it, every fallback, and what belongs to whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import cases
from dialpost.core.address import parse_mailbox
from dialpost.core.config.text import parse_config
from dialpost.core.errors import AccountError
from dialpost.core.mail.accounts import Account, Alias, Directory, Local, NotLocal, Unknown, _unquoted, check_name

ACCOUNTS = [
    Account("anna", ("info@second.example", "günther@clinic.example")),
    Account("ben"),
    Account("carl", enabled=False),
    Account("o.hara"),
]
ALIASES = [
    Alias("team@clinic.example", ("anna", "ben@clinic.example", "x@world.example", "ben")),
    Alias("all@clinic.example", ("team@clinic.example", "carl")),
    Alias("ring1@clinic.example", ("ring2@clinic.example",)),
    Alias("ring2@clinic.example", ("ring1@clinic.example", "carl")),
    Alias("dead@clinic.example", ("ring3@clinic.example",)),
    Alias("ring3@clinic.example", ("dead@clinic.example",)),
    Alias("away@clinic.example", ("Me@World.example",)),
    Alias("ben+lists@clinic.example", ("carl",)),
    Alias("sales@second.example", ("anna",)),
]


def directory(accounts: list[Account] = ACCOUNTS, aliases: list[Alias] = ALIASES, **more: Any) -> Directory:
    values = {"domains": ("clinic.example", "second.example", "third.example"), "hostname": "mail.clinic.example"}
    return Directory(
        {account.name: account for account in accounts},
        {alias.address: alias for alias in aliases},
        **(values | more),
    )


@cases(
    ("address", "expected"),
    [
        ("anna@clinic.example", Local(("anna",))),
        ("ANNA@Clinic.Example.", Local(("anna",))),
        ('"anna"@clinic.example', Local(("anna",))),
        ('"an\\na"@clinic.example', Local(("anna",))),
        ("@relay.example:anna@clinic.example", Local(("anna",))),
        ("anna+shop@clinic.example", Local(("anna",))),
        ("anna+@clinic.example", Local(("anna",))),
        ('"anna+a b"@clinic.example', Local(("anna",))),
        ("anna+a+b@clinic.example", Local(("anna",))),
        ("+anna@clinic.example", Unknown()),
        ("info@second.example", Local(("anna",))),
        ("info+x@second.example", Local(("anna",))),
        ("info@clinic.example", Unknown()),
        ("anna@second.example", Local(("anna",))),
        ("ANNA+shop@Second.example", Local(("anna",))),
        ("o.hara@third.example", Local(("o.hara",))),
        ("nobody@second.example", Unknown()),
        ("günther@clinic.example", Local(("anna",))),
        ("gu\u0308nther@clinic.example", Local(("anna",))),
        ("GÜNTHER@clinic.example", Local(("anna",))),
        ("carl@clinic.example", Local(("carl",))),
        ("nobody@clinic.example", Unknown()),
        ("anna@world.example", NotLocal()),
        ("anna@mail.clinic.example", NotLocal()),
        ("anna@[127.0.0.1]", NotLocal()),
        ("postmaster@[192.0.2.1]", NotLocal()),
        ("anna", Unknown()),
        ("", Unknown()),
        ("no such@@thing", Unknown()),
        ("team@clinic.example", Local(("anna", "ben"), ("x@world.example",))),
        ("all@clinic.example", Local(("anna", "ben", "carl"), ("x@world.example",))),
        ("team+x@clinic.example", Local(("anna", "ben"), ("x@world.example",))),
        ("ring1@clinic.example", Local(("carl",))),
        ("dead@clinic.example", Unknown()),
        ("away@clinic.example", Local((), ("Me@world.example",))),
        ("ben+lists@clinic.example", Local(("carl",))),
        ("ben+other@clinic.example", Local(("ben",))),
        ("sales@second.example", Local(("anna",))),
        ("sales@clinic.example", Unknown()),
    ],
)
def test_resolve(address: str, expected: Local | NotLocal | Unknown) -> None:
    assert directory().resolve(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "postmaster",
        "PostMaster",
        "postmaster@clinic.example",
        "Postmaster+x@second.example",
        "postmaster@third.example",
        "abuse@clinic.example",
        "abuse@second.example",
        "MAILER-DAEMON@clinic.example",
        "postmaster@mail.clinic.example",
        "mailer-daemon@mail.clinic.example",
    ],
)
@pytest.mark.parametrize(
    ("changes", "gets"),
    [
        ({}, Local(("anna",))),  # the first account
        ({"postmaster": "ben"}, Local(("ben",))),
        ({"postmaster": "gone"}, Local(("anna",))),
        ({"accounts": []}, Local(("postmaster",))),  # its own mailbox until there is an account
        ({"accounts": [Account("carl", enabled=False), Account("ben")]}, Local(("ben",))),
        ({"accounts": [Account("carl", enabled=False)]}, Local(("carl",))),
        ({"accounts": [Account("ben"), Account("postmaster")]}, Local(("postmaster",))),
        ({"accounts": [Account("ben"), Account("anna", ("postmaster@clinic.example",))]}, Local(("anna",))),
        (
            {"aliases": [Alias("postmaster@clinic.example", ("ben", "it@world.example"))]},
            Local(("ben",), ("it@world.example",)),
        ),
    ],
)
def test_postmaster_always_reaches_somebody(address: str, changes: dict[str, Any], gets: Local) -> None:
    assert directory(**({"aliases": []} | changes)).resolve(address) == gets


def test_an_own_abuse_address_is_respected() -> None:
    found = directory(aliases=[Alias("abuse@second.example", ("ben",))])
    assert found.resolve("abuse@second.example") == Local(("ben",))
    assert found.resolve("abuse@clinic.example") == Local(("anna",))
    assert found.resolve("abuse@mail.clinic.example") == Local(("anna",))
    third = directory(aliases=[Alias("abuse@third.example", ("ben",))])
    assert third.resolve("abuse@mail.clinic.example") == Local(("anna",))


def test_the_only_domain_is_the_main_one() -> None:
    alone = directory(aliases=[], domains=("clinic.example",))
    assert alone.resolve("postmaster") == alone.resolve("postmaster@mail.clinic.example") == Local(("anna",))


def test_catch_all() -> None:
    found = directory(catch_all={"second.example": "ben", "third.example": "gone"})
    assert found.resolve("whoever@second.example") == Local(("ben",))
    assert found.resolve("info@second.example") == Local(("anna",))
    assert found.resolve("whoever@clinic.example") == Unknown()
    assert found.resolve("whoever@third.example") == Unknown()


def test_plus_addressing_can_be_off_or_another_sign() -> None:
    assert directory(plus_separator="").resolve("anna+x@clinic.example") == Unknown()
    assert directory(plus_separator="-").resolve("anna-x@clinic.example") == Local(("anna",))
    assert directory([Account("anna"), Account("anna-b")], plus_separator="-").resolve(
        "anna-b@clinic.example"
    ) == Local(("anna-b",))


@cases(
    ("account", "address", "owned"),
    [
        ("anna", "anna@clinic.example", True),
        ("anna", "Anna+shop@clinic.example", True),
        ("anna", "info@second.example", True),
        ("anna", "team@clinic.example", True),
        ("anna", "all@clinic.example", True),
        ("anna", "postmaster@second.example", True),
        ("ben", "postmaster@second.example", False),
        ("ben", "anna@clinic.example", False),
        ("ben", "whoever@third.example", False),  # a catch-all gives nobody the right to every name
        ("carl", "team@clinic.example", False),
        ("anna", "x@world.example", False),
        ("anna", "nobody@clinic.example", False),
        ("anna", "rubbish", False),
        ("anna", "", False),
    ],
)
def test_owns(account: str, address: str, owned: bool) -> None:
    assert directory(catch_all={"third.example": "ben"}).owns(account, address) is owned


def test_login_by_name_or_address() -> None:
    found = directory()
    named = {
        text: found.account_of(text) for text in ("ANNA", " anna ", "info@SECOND.example", "team@clinic.example")
    }
    assert {text: account and account.name for text, account in named.items()} == {
        "ANNA": "anna",
        " anna ": "anna",
        "info@SECOND.example": "anna",
        "team@clinic.example": None,
    }
    assert found.account_of("") is None


def test_dead_targets() -> None:
    assert directory().dead_targets() == {
        ("dead@clinic.example", "ring3@clinic.example"),
        ("ring3@clinic.example", "dead@clinic.example"),
        ("ring2@clinic.example", "ring1@clinic.example"),  # leads back, and nowhere else
    }


def test_uses_in_the_configuration() -> None:
    found = directory(catch_all={"clinic.example": "anna", "second.example": "ben"}, postmaster="anna")
    assert found.uses_in_configuration("anna") == ["delivery.catch_all of clinic.example", "station.postmaster"]
    assert found.uses_in_configuration("carl") == []
    assert directory(postmaster="ben").uses_in_configuration("anna") == []


@pytest.mark.parametrize(("given", "kept"), [("Anna", "anna"), (" o.hara_2-x ", "o.hara_2-x"), ("7", "7")])
def test_names(given: str, kept: str) -> None:
    assert check_name(given) == kept


@cases("name", ["", ".a", "a.", "a..b", "a b", "a/b", "../x", "ä", "a:b", "a@b", "x" * 65, "a\n"])
def test_no_names(name: str) -> None:
    if name == "a\n":
        assert check_name(name) == "a"  # a line ending around it is nobody's intent
        return
    with pytest.raises(AccountError, match="can't be an account's name"):
        check_name(name)


@given(st.text(max_size=80))
def test_anything_gets_an_answer(text: str) -> None:
    found = directory(catch_all={"clinic.example": "ben"})
    assert isinstance(found.resolve(text), Local | Unknown | NotLocal)
    assert isinstance(found.resolve(text + "@clinic.example"), Local | Unknown | NotLocal)
    found.owns("anna", text)


@pytest.mark.parametrize("local", ["mie..k", "mie.k.", ".mie"])
def test_dots_where_the_grammar_has_none_reach_whom_they_belong_to(local: str) -> None:
    """As some providers gave out addresses: written plain or quoted, it is the same name."""
    given = str(parse_mailbox(f"{local}@clinic.example"))
    told = str(parse_mailbox(f"{local}@world.example"))
    made = directory([Account("anna", (given,))], [Alias("all@clinic.example", (told,))])
    for written in (f"{local}@clinic.example", f'"{local}"@clinic.example'):
        assert made.resolve(written) == Local(("anna",))
        assert made.owns("anna", written)
    assert made.resolve("all@clinic.example") == Local((), (f'"{local}"@world.example',))


def test_a_name_is_an_address_in_every_domain_unless_somebody_else_has_that_address() -> None:
    there = directory(
        [Account("anna"), Account("ben", ("anna@second.example",)), Account("abuse")],
        [Alias("ben@third.example", ("anna",))],
    )
    assert there.resolve("anna@second.example") == Local(("ben",))
    assert there.resolve("anna@third.example") == there.resolve("ben@third.example") == Local(("anna",))
    assert there.resolve("abuse@third.example") == Local(("abuse",))
    assert there.addresses_of(there.accounts["anna"]) == ("anna@clinic.example", "anna@third.example")
    assert there.addresses_of(there.accounts["ben"]) == (
        "ben@clinic.example",
        "ben@second.example",
        "anna@second.example",
    )
    assert there.owns("anna", "anna@third.example") and not there.owns("anna", "anna@second.example")
    assert [
        there.account_of(login) for login in ("ANNA@third.example", "anna@fourth.example", "@third.example")
    ] == [
        there.accounts["anna"],
        None,
        None,
    ]
    assert there.taken_by("anna@third.example") is None  # an alias may have it


def test_a_separate_domain_has_only_the_addresses_added_for_it() -> None:
    separate = ("second.example", "third.example")
    there = directory(separate_domains=separate)
    assert there.resolve("anna@second.example") == there.resolve("anna@third.example") == Unknown()
    assert there.resolve("info@second.example") == there.resolve("sales@second.example") == Local(("anna",))
    assert there.resolve("postmaster@third.example") == Local(("anna",))
    assert there.account_of("anna@third.example") is None
    assert there.addresses_of(ACCOUNTS[1]) == ("ben@clinic.example",)
    assert there.domains_without_addresses() == ("third.example",)
    assert (
        directory(separate_domains=separate, catch_all={"third.example": "ben"}).domains_without_addresses() == ()
    )
    assert directory([Account("anna")], [], separate_domains=separate).domains_without_addresses() == separate
    assert directory([Account("anna")], []).domains_without_addresses() == ()


def test_the_directory_of_a_configuration() -> None:
    config = parse_config(
        '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example", "b.example"]\n'
        'postmaster = "ben"\n[delivery]\nplus_separator = "-"\ncatch_all = {"clinic.example" = "anna"}\n'
        'separate_domains = ["b.example"]\n'
    )
    accounts = {account.name: account for account in ACCOUNTS}
    assert Directory.from_config(config, accounts, {}) == Directory(
        accounts,
        {},
        ("clinic.example", "b.example"),
        {"clinic.example": "anna"},
        "ben",
        "-",
        "mail.clinic.example",
        ("b.example",),
    )


def test_who_is_postmaster_by_default() -> None:
    assert directory([Account("anna"), Account("postmaster", enabled=False)]).postmaster_account == "postmaster"


def test_what_has_an_address_already() -> None:
    there = directory()
    assert there.taken_by("Info@second.example") == "account anna"
    assert there.taken_by("TEAM@clinic.example") == "an alias"
    assert there.taken_by("nobody@clinic.example") is None


def test_quotes_come_in_pairs() -> None:
    assert [_unquoted(text) for text in ('"ab"', '"ab', 'ab"')] == ["ab", '"ab', 'ab"']
