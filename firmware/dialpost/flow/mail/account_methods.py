"""The account methods on the control socket: `account.add`, `account.passwd` ... and `alias.add` ...

They call `flow/mail/accounts`. If no daemon runs, a command calls the same methods on its own service, so
both ways give the same answers.
"""

from __future__ import annotations

import asyncio

from dialpost.core.control import accounts as api
from dialpost.core.control.declared import NoParams
from dialpost.core.control.serving import Served, serve
from dialpost.core.mail import accounts
from dialpost.flow.mail.accounts import AccountService


def account_methods(service: AccountService) -> dict[str, Served]:
    """The methods by name. A password goes in and never comes out."""

    async def add(wanted: api.AddParams) -> api.Account:
        account = await service.add(
            wanted.name,
            wanted.password,
            addresses=wanted.addresses,
            full_name=wanted.full_name,
            quota_bytes=wanted.quota_bytes,
        )
        return await _view(service, account)

    async def passwd(wanted: api.PasswordParams) -> api.Account:
        return await _view(service, await service.set_password(wanted.name, wanted.password))

    async def edit(wanted: api.EditParams) -> api.Account:
        account = await service.edit(
            wanted.name,
            add_addresses=wanted.add_addresses,
            remove_addresses=wanted.remove_addresses,
            full_name=wanted.full_name,
            quota_bytes=wanted.quota_bytes,
            default_quota=wanted.default_quota,
            enabled=wanted.enabled,
        )
        return await _view(service, account)

    async def delete(wanted: api.DeleteParams) -> api.Deleted:
        return api.Deleted(words=await service.delete(wanted.name, wanted.fate))

    async def listing(wanted: NoParams) -> tuple[api.Account, ...]:
        return tuple([await _view(service, account) for account in service.directory.accounts.values()])

    async def alias_add(wanted: api.AliasAddParams) -> api.Alias:
        return _alias(await service.add_alias(wanted.address, wanted.targets, replaces=wanted.replace))

    async def alias_edit(wanted: api.AliasEditParams) -> api.Alias:
        add, remove = wanted.add_targets, wanted.remove_targets
        return _alias(await service.edit_alias(wanted.address, add=add, remove=remove))

    async def alias_delete(wanted: api.AliasParams) -> api.Alias:
        return _alias(await service.delete_alias(wanted.address))

    async def alias_list(wanted: NoParams) -> tuple[api.Alias, ...]:
        return tuple(_alias(alias) for alias in service.directory.aliases.values())

    return {
        **serve(api.ADD, add),
        **serve(api.PASSWD, passwd),
        **serve(api.EDIT, edit),
        **serve(api.DELETE, delete),
        **serve(api.LIST, listing),
        **serve(api.ALIAS_ADD, alias_add),
        **serve(api.ALIAS_EDIT, alias_edit),
        **serve(api.ALIAS_DELETE, alias_delete),
        **serve(api.ALIAS_LIST, alias_list),
    }


async def _view(service: AccountService, account: accounts.Account) -> api.Account:
    messages, size = await asyncio.to_thread(service.usage, account.name)
    directory = service.directory
    return api.Account(
        name=account.name,
        full_name=account.full_name,
        addresses=tuple(directory.addresses_of(account)),
        enabled=account.enabled,
        quota_bytes=service.quota_of(account.name),
        messages=messages,
        bytes=size,
        is_postmaster=directory.postmaster_account == account.name,
    )


def _alias(alias: accounts.Alias) -> api.Alias:
    return api.Alias(address=alias.address, targets=tuple(alias.targets))
