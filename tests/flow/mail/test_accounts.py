"""Changing accounts: what is refused and in which words, what takes effect immediately, what is kept on failure."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Never

import pytest

from dialpost.core.config.model import Config, DeliveryConfig, StationConfig
from dialpost.core.control.accounts import MailFate
from dialpost.core.errors import AccountError, ControlError, NotFoundError, StorageError, StorageFullError
from dialpost.core.mail.accounts import Account, Alias, Directory, Local, Unknown
from dialpost.core.password import hash_password, verify_password
from dialpost.flow.mail import accounts as module
from dialpost.flow.mail.account_methods import account_methods
from dialpost.flow.mail.accounts import AccountService
from fakes import asked

CONFIG = Config(
    station=StationConfig("mail.clinic.example", ("clinic.example", "second.example"), postmaster="boss"),
    delivery=DeliveryConfig(catch_all={"second.example": "boss"}, default_quota_bytes=1000),
)
PASSWORD = "a good long one"


class Card:
    """Store, login file and mailboxes in one; `fails` names what raises."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.aliases: dict[str, Alias] = {}
        self.logins: list[object] = []
        self.mail: dict[str, tuple[int, int]] = {}
        self.done: list[object] = []
        self.fails: set[object] = set()

    def _fault(self, what: str) -> None:
        if what in self.fails:
            raise StorageError(f"no {what}")

    def load(self) -> tuple[dict[str, Account], dict[str, Alias]]:
        return dict(self.accounts), dict(self.aliases)

    def save(self, accounts: Mapping[str, Account], aliases: Mapping[str, Alias]) -> None:
        self._fault("save")
        self.accounts, self.aliases = dict(accounts), dict(aliases)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def write(self, directory: Directory, default_quota_bytes: int) -> None:
        self._fault("write")
        assert default_quota_bytes == 1000
        self.logins = list(directory.accounts)

    def create(self, account: str) -> None:
        self._fault("create")
        self.mail.setdefault(account, (0, 0))

    def contents(self, account: str) -> tuple[int, int]:
        return self.mail.get(account, (0, 0))

    def archive(self, account: str) -> str:
        self._fault("archive")
        if account not in self.mail:
            raise NotFoundError("no mailbox")
        self.done.append(("archive", account))
        del self.mail[account]
        return f"/archive/{account}"

    def purge(self, account: str) -> None:
        self._fault("purge")
        self.done.append(("purge", account))
        del self.mail[account]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivation's cost is no part of these tests."""
    real = hash_password
    monkeypatch.setattr(module, "hash_password", lambda password, salt: real(password, salt, 2))


@pytest.fixture
def card() -> Card:
    return Card()


@pytest.fixture
def service(card: Card) -> AccountService:
    return AccountService(CONFIG, card, card, card)


async def test_a_new_account_takes_effect_at_once(service: AccountService, card: Card) -> None:
    account = await service.add("Anna", PASSWORD, addresses=["Info@Second.example", "hi"], full_name="Anna M")
    assert account == card.accounts["anna"] == service.directory.accounts["anna"]
    assert account.addresses == ("info@second.example", "hi@clinic.example")
    assert card.logins == ["anna"] and card.mail == {"anna": (0, 0)}
    assert service.directory.resolve("hi@clinic.example") == Local(("anna",))
    assert PASSWORD not in repr(account) and verify_password(PASSWORD, account.password_hash)


async def test_salts_differ(service: AccountService) -> None:
    one, other = await service.add("anna", PASSWORD), await service.add("ben", PASSWORD)
    assert one.password_hash != other.password_hash


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "anna"}, "There is already an account anna."),
        ({"name": "ANNA"}, "There is already an account anna."),
        ({"name": "a b"}, "can't be an account's name"),
        ({"name": "team"}, "team@clinic.example already belongs to an alias."),
        ({"name": "info"}, "info@clinic.example already belongs to account anna."),
        ({"name": "ben", "password": "short"}, "too short"),
        ({"name": "ben", "addresses": ["anna@clinic.example"]}, "already belongs to account anna."),
        ({"name": "ben", "addresses": ["ANNA@clinic.example."]}, "already belongs to account anna."),
        ({"name": "ben", "addresses": ["x@world.example"]}, "is not in a domain of this station (clinic.example, "),
        ({"name": "ben", "addresses": ["x@@y"]}, "not usable as an address"),
        ({"name": "ben", "quota_bytes": -1}, "10 kB to 1 TB"),
    ],
)
async def test_refused(service: AccountService, card: Card, arguments: dict[str, Any], words: str) -> None:
    await service.add("anna", PASSWORD, addresses=["info"])
    await service.add_alias("team", ["anna"])
    before = card.accounts
    with pytest.raises(AccountError) as caught:
        await service.add(**({"password": PASSWORD} | arguments))
    assert words in str(caught.value)
    assert (card.accounts, list(service.directory.accounts)) == (before, ["anna"])


async def test_verify(service: AccountService) -> None:
    await service.add("anna", PASSWORD, addresses=["info"])
    for name in ("anna", "ANNA", "anna@clinic.example", "info@clinic.example"):
        found = await service.verify(name, PASSWORD)
        assert found is not None and found.name == "anna"
        assert await service.verify(name, PASSWORD + "x") is None
    assert await service.verify("nobody", PASSWORD) is None
    assert await service.verify("", "") is None


async def test_a_right_password_is_remembered_until_it_changes(
    service: AccountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = verify_password
    monkeypatch.setattr(module, "verify_password", lambda *args: asked.append(args[0]) or real(*args))
    await service.add("anna", PASSWORD)
    for _ in range(3):
        assert await service.verify("anna", PASSWORD)
    assert asked == [PASSWORD]
    await service.set_password("anna", "another good one")
    assert await service.verify("anna", PASSWORD) is None
    assert await service.verify("anna", "another good one")
    await service.edit("anna", enabled=False)
    assert await service.verify("anna", "another good one") is None
    await service.edit("anna", enabled=True)
    assert await service.verify("anna", "another good one")
    await service.delete("anna", MailFate.KEEP)
    assert await service.verify("anna", "another good one") is None


async def test_an_unknown_name_costs_as_much_as_a_wrong_password(
    service: AccountService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(module, "verify_password", lambda password, hashed: asked.append(hashed) or False)
    await service.verify("nobody", PASSWORD)
    assert len(asked) == 1 and asked[0].startswith("{SCRAM-SHA-256}20000,")


async def test_edit(service: AccountService, card: Card) -> None:
    await service.add("anna", PASSWORD, addresses=["info", "hi"])
    edited = await service.edit(
        "anna", add_addresses=["new@second.example", "info"], remove_addresses=["HI"], full_name="A", quota_bytes=0
    )
    assert edited.addresses == ("info@clinic.example", "new@second.example")
    assert (edited.full_name, edited.quota_bytes, service.quota_of("anna")) == ("A", 0, 0)
    assert service.directory.resolve("hi@clinic.example") == Unknown()
    await service.edit("anna", default_quota=True)
    assert service.quota_of("anna") == 1000
    with pytest.raises(AccountError, match="belongs to the account's name"):
        await service.edit("anna", remove_addresses=["anna"])
    with pytest.raises(AccountError, match=r"anna@second\.example belongs to the account's name"):
        await service.edit("anna", remove_addresses=["anna@second.example"])
    with pytest.raises(AccountError, match=r"does not have the address x@clinic\.example"):
        await service.edit("anna", remove_addresses=["x"])
    with pytest.raises(NotFoundError, match=r"no account 'ben'\. Accounts: anna\."):
        await service.edit("ben", full_name="x")


async def test_an_address_is_kept_once_and_the_one_by_the_name_not_at_all(service: AccountService) -> None:
    made = await service.add("anna", PASSWORD, addresses=["anna", "info", "INFO@clinic.example"])
    assert made.addresses == ("info@clinic.example",)
    edited = await service.edit("anna", add_addresses=["anna@clinic.example", "info", "hi"])
    assert service.directory.addresses_of(edited) == (
        "anna@clinic.example",
        "anna@second.example",
        "info@clinic.example",
        "hi@clinic.example",
    )


@pytest.mark.parametrize("quota", [-1, 1, 500, 9_999, 1_099_511_627_777, 2**63])
async def test_a_quota_that_no_letter_or_no_card_fits_is_refused(
    service: AccountService, card: Card, quota: int
) -> None:
    await service.add("anna", PASSWORD, quota_bytes=10_000)
    with pytest.raises(AccountError, match="like 500M or 2G"):
        await service.edit("anna", quota_bytes=quota)
    with pytest.raises(AccountError, match="like 500M or 2G"):
        await service.add("ben", PASSWORD, quota_bytes=quota)
    assert service.quota_of("anna") == 10_000 and list(card.accounts) == ["anna"]


@pytest.mark.parametrize("name", ["x" * 201, "An\nna", "\x1b[31mAnna", "An\u202ena", "\ud800"])
async def test_a_full_name_is_one_plain_line(service: AccountService, card: Card, name: str) -> None:
    with pytest.raises(AccountError, match="full name"):
        await service.add("anna", PASSWORD, full_name=name)
    assert not card.accounts
    await service.add("anna", PASSWORD, full_name=" Łukasz Żak ")
    with pytest.raises(AccountError, match="full name"):
        await service.edit("anna", full_name=name)
    assert card.accounts["anna"].full_name == "Łukasz Żak"


async def test_deleting_says_first_what_is_there(service: AccountService, card: Card) -> None:
    await service.add("anna", PASSWORD)
    card.mail["anna"] = (3, 4500)
    with pytest.raises(AccountError) as caught:
        await service.delete("anna", None)
    assert str(caught.value) == (
        "The mailbox of anna holds 3 messages (4500 bytes). Nothing was deleted. Say what to do with them: "
        "--keep-mail, --archive or --purge."
    )
    assert list(card.accounts) == ["anna"] and card.mail == {"anna": (3, 4500)}


@pytest.mark.parametrize(
    ("fate", "words", "done", "left"),
    [
        (MailFate.KEEP, "Its mailbox (1 message) stays: a new account anna will find it.", [], {"anna"}),
        (MailFate.ARCHIVE, "Its mailbox (1 message) is now in /archive/anna.", [("archive", "anna")], set()),
        (MailFate.PURGE, "Its mailbox (1 message) was deleted too.", [("purge", "anna")], set()),
    ],
)
async def test_delete(
    service: AccountService, card: Card, fate: MailFate, words: str, done: list[tuple[str, str]], left: set[str]
) -> None:
    await service.add("anna", PASSWORD)
    card.mail["anna"] = (1, 50)
    assert await service.delete("Anna", fate) == "Account anna deleted. " + words
    assert (card.accounts, card.logins, card.done, set(card.mail)) == ({}, [], done, left)
    assert service.directory.resolve("anna@clinic.example") == Unknown()


async def test_delete_without_a_mailbox_or_with_a_stubborn_one(service: AccountService, card: Card) -> None:
    await service.add("anna", PASSWORD)
    card.mail.clear()
    assert await service.delete("anna", MailFate.ARCHIVE) == "Account anna deleted. It had no mailbox."
    await service.add("anna", PASSWORD)
    card.fails = {"archive"}
    with pytest.raises(
        StorageError, match=r"Account anna deleted\. Its mailbox .* is still where it was: no archive"
    ):
        await service.delete("anna", MailFate.ARCHIVE)
    assert "anna" in card.mail


async def test_what_is_needed_is_not_deleted(service: AccountService, card: Card) -> None:
    await service.add("boss", PASSWORD)
    with pytest.raises(
        AccountError, match=r"needs boss for delivery\.catch_all of second\.example and station\.post"
    ):
        await service.delete("boss", MailFate.PURGE)
    await service.add("anna", PASSWORD, addresses=["info"])
    await service.add_alias("team", ["anna"])
    await service.add_alias("help", ["info@clinic.example", "boss"])
    for act in (service.delete("anna", MailFate.PURGE), service.edit("anna", remove_addresses=["info"])):
        with pytest.raises(AccountError, match="Change the alias first"):
            await act
    assert card.done == [] and list(card.accounts) == ["boss", "anna"]


async def test_aliases(service: AccountService, card: Card) -> None:
    await service.add("anna", PASSWORD)
    made = await service.add_alias("Team", ["ANNA", "Bob@World.example", "anna", "postmaster@clinic.example"])
    assert made == Alias("team@clinic.example", ("anna", "Bob@world.example", "postmaster@clinic.example"))
    assert card.aliases == {"team@clinic.example": made}
    again = await service.add_alias("team@clinic.example", ["anna"], replaces=True)
    assert service.directory.aliases == {"team@clinic.example": again}
    assert await service.delete_alias("TEAM") == again
    assert card.aliases == {}
    with pytest.raises(NotFoundError, match=r"no alias team@clinic\.example\. Aliases: none yet"):
        await service.delete_alias("team")


@pytest.mark.parametrize(
    ("address", "targets", "words"),
    [
        ("team", [], "at least one target"),
        ("team", ["nobody"], "neither an account nor an address"),
        ("team", ["nobody@clinic.example"], "would then reach nobody"),
        ("team", ["team"], "neither an account nor an address"),
        ("team", ["team@clinic.example"], "can't be an alias of itself"),
        ("team", ["x@@y"], "not usable as an address"),
        ("anna", ["x@world.example"], "already belongs to account anna"),
        ("x@world.example", ["anna"], "is not in a domain of this station"),
        ("one", ["two@clinic.example"], "would then reach nobody"),
    ],
)
async def test_no_alias(service: AccountService, card: Card, address: str, targets: list[str], words: str) -> None:
    await service.add("anna", PASSWORD)
    with pytest.raises(AccountError, match=words):
        await service.add_alias(address, targets)
    assert card.aliases == {}


async def test_a_group_is_not_replaced_unless_that_is_said(service: AccountService, card: Card) -> None:
    await service.add("anna", PASSWORD)
    await service.add("ben", PASSWORD)
    made = await service.add_alias("team", ["anna", "ben"])
    with pytest.raises(
        AccountError, match=r"goes to anna, ben\. Nothing was changed\. To add .* --add x@w.*--replace"
    ):
        await service.add_alias("team", ["x@world.example"])
    assert card.aliases == service.directory.aliases == {"team@clinic.example": made}
    assert (await service.add_alias("team", ["ben", "anna"])).targets == ("ben", "anna")  # the same, and no fault
    edited = await service.edit_alias("Team", add=["x@World.example", "anna"], remove=["BEN"])
    assert edited == Alias("team@clinic.example", ("anna", "x@world.example"))
    assert card.aliases == {"team@clinic.example": edited}


@pytest.mark.parametrize(
    ("address", "add", "remove", "words"),
    [
        ("team", [], ["ben"], "does not go to ben; see: dialpost alias list"),
        (
            "team",
            [],
            ["anna"],
            "without a target. To delete it: dialpost alias delete team@clinic.example",
        ),
        ("team", ["nobody"], [], "neither an account nor an address"),
        ("team", ["team@clinic.example"], [], "can't be an alias of itself"),
        ("other", ["anna"], [], "no alias other@clinic.example. Aliases: team@clinic.example"),
    ],
)
async def test_no_such_edit_of_an_alias(
    service: AccountService, card: Card, address: str, add: list[str], remove: list[str], words: str
) -> None:
    await service.add("anna", PASSWORD)
    made = await service.add_alias("team", ["anna"])
    with pytest.raises((AccountError, NotFoundError), match=words):
        await service.edit_alias(address, add=add, remove=remove)
    assert card.aliases == {"team@clinic.example": made}


async def test_a_ring_of_aliases_is_refused(service: AccountService) -> None:
    await service.add("anna", PASSWORD)
    await service.add_alias("one", ["anna"])
    await service.add_alias("two", ["one@clinic.example"])
    with pytest.raises(AccountError, match="would then reach nobody"):
        await service.add_alias("one", ["two@clinic.example"], replaces=True)
    assert service.directory.resolve("two@clinic.example") == Local(("anna",))


async def test_a_card_that_fails_changes_nothing(service: AccountService, card: Card) -> None:
    await service.add("anna", PASSWORD)
    before = service.directory
    card.fails = {"save"}
    for act in (
        service.add("ben", PASSWORD),
        service.delete("anna", MailFate.PURGE),
        service.add_alias("x", ["anna"]),
    ):
        with pytest.raises(StorageError, match="no save"):
            await act
    assert service.directory is before and card.done == []


async def test_changes_at_once_are_all_kept(service: AccountService, card: Card) -> None:
    await asyncio.gather(*(service.add(f"user{n}", PASSWORD) for n in range(10)))
    assert sorted(card.accounts) == sorted(service.directory.accounts) == sorted(f"user{n}" for n in range(10))


def test_start_makes_what_is_missing(card: Card) -> None:
    card.accounts = {"anna": Account("anna", password_hash="x")}
    AccountService(CONFIG, card, card, card).start()
    assert (card.mail, card.logins) == ({"anna": (0, 0)}, ["anna"])
    card.accounts, card.mail = {}, {}
    AccountService(CONFIG, card, card, card).start()
    assert card.mail == {"postmaster": (0, 0)}


async def test_methods(service: AccountService, card: Card) -> None:
    methods = account_methods(service)
    made = await asked(methods, "account.add", {"name": "anna", "password": PASSWORD, "quota_bytes": 70_000})
    view = {
        "name": "anna",
        "full_name": "",
        "addresses": ["anna@clinic.example", "anna@second.example"],
        "enabled": True,
        "quota_bytes": 70_000,
        "messages": 0,
        "bytes": 0,
        "is_postmaster": True,
    }
    assert made == view
    assert await asked(methods, "account.passwd", {"name": "anna", "password": "another one"}) == view
    assert await asked(methods, "account.edit", {"name": "anna", "default_quota": True}) == view | {
        "quota_bytes": 1000
    }
    alias = {"address": "team@clinic.example", "targets": ["anna"]}
    assert await asked(methods, "alias.add", {"address": "team", "targets": ["anna"]}) == alias
    assert await asked(methods, "alias.list", {}) == [alias]
    assert await asked(methods, "alias.delete", {"address": "team"}) == alias
    assert await asked(methods, "account.list", {}) == [view | {"quota_bytes": 1000}]
    assert "password" not in json.dumps(await asked(methods, "account.list", {}))
    deleted = await asked(methods, "account.delete", {"name": "anna", "fate": "keep"})
    assert deleted == {
        "words": "Account anna deleted. Its mailbox (0 messages) stays: a new account anna will find it."
    }


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        ("account.add", {"name": "anna"}, "password is missing"),
        ("account.add", {"name": 3, "password": PASSWORD}, "name must be a text"),
        (
            "account.add",
            {"name": "a", "password": PASSWORD, "addresses": "x"},
            "addresses must be a list of",
        ),
        (
            "account.add",
            {"name": "a", "password": PASSWORD, "addresses": [1]},
            "addresses must be a list of",
        ),
        (
            "account.add",
            {"name": "a", "password": PASSWORD, "quota_bytes": True},
            "quota_bytes must be a whole number",
        ),
        ("account.edit", {"name": "a", "enabled": "no"}, "enabled must be true or false"),
        ("account.delete", {"name": "a", "fate": "burn"}, "fate must be one of: keep, archive, purge"),
    ],
)
async def test_methods_refuse_rubbish(
    service: AccountService, method: str, params: dict[str, list[int] | int | str], words: str
) -> None:
    with pytest.raises(ControlError, match=words):
        await asked(account_methods(service), method, params)


def test_the_directory_knows_the_host_name(service: AccountService) -> None:
    assert isinstance(service.directory, Directory)
    assert service.directory.resolve("postmaster@mail.clinic.example") == Local(("postmaster",))


@pytest.mark.parametrize("step", ["write", "create"])
async def test_what_can_not_be_kept_everywhere_is_rolled_back(
    service: AccountService, card: Card, step: str
) -> None:
    await service.add("anna", PASSWORD)
    card.fails = {step}
    with pytest.raises(StorageError, match=f"^no {step}$" if step == "create" else f"no {step}"):
        await service.add("ben", PASSWORD)
    assert "ben" not in card.logins
    if step == "create":  # all that was written could be written back
        assert (list(card.accounts), list(service.directory.accounts)) == (["anna"], ["anna"])


async def test_one_fault_of_the_login_file_changes_nothing(
    service: AccountService, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.add("anna", PASSWORD)
    real, faults = Card.write, [StorageError("no write")]

    def write(self: Card, directory: Directory, default_quota_bytes: int) -> None:
        if faults:
            raise faults.pop()
        real(self, directory, default_quota_bytes)

    monkeypatch.setattr(Card, "write", write)
    with pytest.raises(StorageError, match=r"^no write$"):
        await service.set_password("anna", "another good one")
    assert list(card.accounts) == list(service.directory.accounts) == card.logins == ["anna"]
    assert await service.verify("anna", PASSWORD)


async def test_what_can_not_be_rolled_back_counts_and_the_words_say_so(service: AccountService, card: Card) -> None:
    card.fails = {"write"}
    with pytest.raises(
        StorageError, match="It is in effect all the same, because it could not be rolled back: no write"
    ):
        await service.add("anna", PASSWORD)
    assert "anna" in service.directory.accounts


async def test_without_room_only_deletions_go_through(card: Card) -> None:
    def no_room() -> Never:
        raise StorageFullError("the card is full")

    card.accounts = {"anna": Account("anna", (), "hash")}
    service = AccountService(CONFIG, card, card, card, no_room)
    for change in (
        service.add("ben", PASSWORD),
        service.set_password("anna", PASSWORD),
        service.add_alias("all", ["anna"]),
    ):
        with pytest.raises(StorageFullError):
            await change
    assert list(card.accounts) == ["anna"] and card.aliases == {}
    await service.delete("anna", MailFate.KEEP)
    assert list(card.accounts) == []
