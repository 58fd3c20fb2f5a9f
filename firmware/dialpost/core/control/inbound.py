"""The methods about mail that was left in mailboxes at providers: what is there, and what is to become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dialpost.core.config.setting import Setting
from dialpost.core.control.declared import Method, NoParams
from dialpost.core.control.queue import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftThere:
    """One message that the station left in a mailbox at a provider."""

    id: Annotated[str, "Its name here, for `inbound.fetch` and `inbound.drop`."]
    mailbox: Annotated[str, "The mailbox it is in, by its name in the configuration."]
    sender: Annotated[str, "Its From field; empty if it is not known."]
    subject: Annotated[str, "Its subject; empty if it is not known."]
    size: Annotated[int, "Its size."]
    recipients: Annotated[tuple[str, ...], "The addresses it is for, as far as they are known."]
    state: Annotated[str, "`held`, `wanted` (fetched in the next call), `unwanted` (deleted then) or `tried`."]
    words: Annotated[str, "Why it is there, and what happens next, in words."]
    since_s: Annotated[int, "When that was decided, in Unix seconds."]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftParams:
    """Of `inbound.fetch` and `inbound.drop`."""

    id: Annotated[str, Setting("The message's ID in `inbound.list`.")]


LIST = Method("inbound.list", "List the messages left in mailboxes at providers.", NoParams, tuple[LeftThere, ...])
FETCH = Method("inbound.fetch", "Fetch a message in the next call, whatever its size.", LeftParams, Done)
DROP = Method("inbound.drop", "Delete a message at the provider in the next call.", LeftParams, Done)

METHODS = (LIST, FETCH, DROP)
