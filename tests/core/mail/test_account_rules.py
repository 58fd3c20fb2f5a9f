"""What an account and an alias may be."""

import pytest

from dialpost.core.control.accounts import MOST_QUOTA_BYTES
from dialpost.core.errors import AccountError
from dialpost.core.mail.account_rules import LEAST_QUOTA_BYTES, AddressRules, checked_full_name, checked_quota
from dialpost.core.mail.accounts import Account, Alias, Directory

DOMAINS = ("clinic.example", "ward.example")
RULES = AddressRules(
    DOMAINS,
    Directory(
        {"anna": Account("anna", ("info@ward.example",)), "ben": Account("ben")},
        {"team@clinic.example": Alias("team@clinic.example", ("anna",))},
        DOMAINS,
    ),
)


def test_an_address_of_ours_in_its_normal_form() -> None:
    assert RULES.own("Carl") == "carl@clinic.example"
    assert RULES.own("Info@WARD.example") == "info@ward.example"
    with pytest.raises(AccountError, match=r"not in a domain of this station \(clinic.example, ward.example\)"):
        RULES.own("x@world.example")
    with pytest.raises(AccountError):
        RULES.own("two@at@clinic.example")
    with pytest.raises(AccountError, match=r"not a pattern\. The setting delivery\.catch_all"):
        RULES.own("*@clinic.example")


def test_further_addresses_are_each_there_once_and_without_the_usual_one() -> None:
    given = ["b@ward.example", "anna@clinic.example", "b@ward.example", "a@ward.example"]
    assert RULES.further("anna", given) == ("b@ward.example", "a@ward.example")


def test_an_address_is_one_account_s_only() -> None:
    assert RULES.address("INFO@ward.example", "anna") == "info@ward.example"
    for address, owner in (("info@ward.example", "account anna"), ("Team", "an alias"), ("ben", "account ben")):
        with pytest.raises(AccountError, match=f"already belongs to {owner}"):
            RULES.address(address, "carl")
    with pytest.raises(AccountError):
        RULES.must_be_free("ben@clinic.example", None)


@pytest.mark.parametrize(
    ("target", "normal"),
    [("ANNA", "anna"), ("Ben@Clinic.example", "ben@clinic.example"), ("Eve@World.Example", "Eve@world.example")],
)
def test_where_an_alias_may_go(target: str, normal: str) -> None:
    assert RULES.target(target) == normal


@pytest.mark.parametrize(
    ("target", "words"), [("nobody", "neither an account nor an address"), ("a@", "the domain is empty")]
)
def test_where_it_may_not(target: str, words: str) -> None:
    with pytest.raises(AccountError, match=words):
        RULES.target(target)


def test_the_targets_of_an_alias() -> None:
    assert RULES.targets("all@clinic.example", ["anna", "Anna", "ben"]) == ("anna", "ben")
    with pytest.raises(AccountError, match="at least one"):
        RULES.targets("all@clinic.example", [])
    with pytest.raises(AccountError, match=r"can.t be an alias of itself"):
        RULES.targets("all@clinic.example", ["anna", "All@clinic.example"])


@pytest.mark.parametrize("value", [None, 0, LEAST_QUOTA_BYTES, MOST_QUOTA_BYTES])
def test_a_quota(value: int | None) -> None:
    assert checked_quota(value) == value


@pytest.mark.parametrize("value", [500, LEAST_QUOTA_BYTES - 1, MOST_QUOTA_BYTES + 1, -1])
def test_no_quota(value: int) -> None:
    with pytest.raises(AccountError, match="not possible"):
        checked_quota(value)


def test_a_full_name() -> None:
    assert checked_full_name("  Anna Müller ") == "Anna Müller"
    assert checked_full_name("x" * 200) == "x" * 200
    for name in ("x" * 201, "a\nb", "a\x1b[31m"):
        with pytest.raises(AccountError, match="at most 200"):
            checked_full_name(name)
