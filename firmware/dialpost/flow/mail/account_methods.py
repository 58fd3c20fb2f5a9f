"""The accounts' commands on the control socket: `account.add`, `account.passwd` ... and `alias.add` ...

Takes JSON parameters apart and hands them to `flow/mail/accounts`. A command without a daemon calls the same
methods on a service of its own, so that both ways say the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dialpost.core.errors import ControlError
from dialpost.core.json_value import ControlMethod, JsonObject, JsonValue
from dialpost.core.mail.accounts import Account, Alias
from dialpost.flow.mail.accounts import AccountService, MailFate


def account_methods(service: AccountService) -> dict[str, ControlMethod]:
    """The methods by name. A password goes in and never comes out."""

    async def add(params: JsonObject) -> JsonValue:
        account = await service.add(
            _wanted(params, "name"),
            _wanted(params, "password"),
            addresses=_texts(params, "addresses"),
            full_name=_text(params, "full_name") or "",
            quota_bytes=_number(params, "quota_bytes"),
        )
        return await _view(service, account)

    async def passwd(params: JsonObject) -> JsonValue:
        return await _view(
            service, await service.set_password(_wanted(params, "name"), _wanted(params, "password"))
        )

    async def edit(params: JsonObject) -> JsonValue:
        account = await service.edit(
            _wanted(params, "name"),
            add_addresses=_texts(params, "add_addresses"),
            remove_addresses=_texts(params, "remove_addresses"),
            full_name=_text(params, "full_name"),
            quota_bytes=_number(params, "quota_bytes"),
            default_quota=bool(_flag(params, "default_quota")),
            enabled=_flag(params, "enabled"),
        )
        return await _view(service, account)

    async def delete(params: JsonObject) -> JsonValue:
        return {"words": await service.delete(_wanted(params, "name"), _fate(params))}

    async def listing(params: JsonObject) -> JsonValue:
        return [await _view(service, account) for account in service.directory.accounts.values()]

    async def alias_add(params: JsonObject) -> JsonValue:
        replaces = bool(_flag(params, "replace"))
        return _alias(
            await service.add_alias(_wanted(params, "address"), _texts(params, "targets"), replaces=replaces)
        )

    async def alias_edit(params: JsonObject) -> JsonValue:
        add, remove = _texts(params, "add_targets"), _texts(params, "remove_targets")
        return _alias(await service.edit_alias(_wanted(params, "address"), add=add, remove=remove))

    async def alias_delete(params: JsonObject) -> JsonValue:
        return _alias(await service.delete_alias(_wanted(params, "address")))

    async def alias_list(params: JsonObject) -> JsonValue:
        return [_alias(alias) for alias in service.directory.aliases.values()]

    return {
        "account.add": add,
        "account.passwd": passwd,
        "account.edit": edit,
        "account.delete": delete,
        "account.list": listing,
        "alias.add": alias_add,
        "alias.edit": alias_edit,
        "alias.delete": alias_delete,
        "alias.list": alias_list,
    }


async def _view(service: AccountService, account: Account) -> JsonValue:
    messages, size = await asyncio.to_thread(service.usage, account.name)
    directory = service.directory
    return {
        "name": account.name,
        "full_name": account.full_name,
        "addresses": list(directory.addresses_of(account)),
        "enabled": account.enabled,
        "quota_bytes": service.quota_of(account.name),
        "messages": messages,
        "bytes": size,
        "is_postmaster": directory.postmaster_account == account.name,
    }


def _alias(alias: Alias) -> JsonValue:
    return {"address": alias.address, "targets": list(alias.targets)}


def _fate(params: JsonObject) -> MailFate | None:
    value = _text(params, "fate")
    try:
        return None if value is None else MailFate(value)
    except ValueError:
        raise ControlError(f"fate must be one of: {', '.join(fate.value for fate in MailFate)}.") from None


def _text(params: JsonObject, key: str) -> str | None:
    value = params.get(key)
    if value is not None and not isinstance(value, str):
        raise ControlError(f"{key} must be a text.")
    return value


def _wanted(params: JsonObject, key: str) -> str:
    value = _text(params, key)
    if value is None:
        raise ControlError(f"{key} is missing.")
    return value


def _texts(params: JsonObject, key: str) -> tuple[str, ...]:
    values = params.get(key, ())
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ControlError(f"{key} must be a list of texts.")
    texts = tuple(value for value in values if isinstance(value, str))
    if len(texts) != len(values):
        raise ControlError(f"{key} must be a list of texts.")
    return texts


def _number(params: JsonObject, key: str) -> int | None:
    value = params.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ControlError(f"{key} must be a whole number.")
    return value


def _flag(params: JsonObject, key: str) -> bool | None:
    value = params.get(key)
    if value is not None and not isinstance(value, bool):
        raise ControlError(f"{key} must be true or false.")
    return value
