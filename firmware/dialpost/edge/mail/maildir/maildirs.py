"""Mailboxes: one Maildir per account, which Dovecot serves (maildir(5), Maildir++).

A big message is delivered as a hard link to its body, so it is written to the card only once, however many
recipients it has; a small one, whose body is in the spool's log, is copied. Its file name contains the queue id,
so it is the same at every repeat: a message delivered before a crash is found again (in new/, cur/ and the folders)
and not delivered twice. A delivery is durable when its call returns: the copies' data is written before they get
their names, and new/ is fsynced, once for all messages of a batch.

Everything that waits for the card runs in a small pool of threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeVar

from dialpost.core.errors import DamagedError, NotFoundError, StorageError, StorageFullError
from dialpost.core.mail.envelope import QueueId
from dialpost.core.mail.queue.ids import queue_number
from dialpost.edge.ground.durable import sync
from dialpost.edge.ground.written_data import reach_disk, start_writing
from dialpost.edge.mail.maildir.usage import Usage

_T = TypeVar("_T")

_HOST = "dialpost"
_READ_BYTES = 262_144
_COPIES_AT_ONCE = 64
"""The copies that are on their way to the card together. Each is an open file."""
_DELETED = ".deleted-"
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


class Body(Protocol):
    """A body in the spool. A `Path` is one, and can be linked."""

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """Open it for reading. Raises: OSError."""


Delivery = tuple[QueueId, Body, int, int, int | None]
"""One message for one mailbox: id, body in the spool, time received (Unix seconds), the body's size and CRC-32
(None: not known).
"""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy whose data is on its way to the card."""

    descriptor: int
    temporary: str
    target: str


class Maildirs:
    """The mailboxes below `root`, one directory per account name; archived ones go beside it."""

    def __init__(self, root: Path, archive_root: Path | None = None) -> None:
        self._root = root
        self._archive_root = archive_root or root.parent / "archive"
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="maildir")
        self._usage = Usage()

    def prepare(self) -> None:
        """Make the root, and clean up after a crash: interrupted copies and deletions.

        Raises: StorageError, StorageFullError.
        """
        with _as_storage_error(f"The mailboxes below {self._root} can't be used"):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for entry in list(self._root.iterdir()):
                if entry.name.startswith(_DELETED):
                    shutil.rmtree(entry, ignore_errors=True)
                elif not entry.name.startswith("."):
                    for name in _names(entry / "tmp"):
                        if _queue_id_of(name) is not None:
                            (entry / "tmp" / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Wait for current deliveries and end the threads."""
        self._pool.shutdown(wait=True)

    def path(self, account: str) -> Path:
        """The path of an account's Maildir. Raises: StorageError if the name could leave the root."""
        if not account or account.startswith(".") or "/" in account or "\0" in account:
            raise StorageError(f"{account!r} can't be the name of a mailbox")
        return self._root / account

    def create(self, account: str) -> None:
        """Make a mailbox, durably; an existing one is left as it is. Raises: StorageError."""
        mailbox = self.path(account)
        with _as_storage_error(f"The mailbox of {account} can't be made"):
            for directory in (mailbox, mailbox / "tmp", mailbox / "new", mailbox / "cur"):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync(mailbox)
            sync(self._root)

    def exists(self, account: str) -> bool:
        """Whether there is a mailbox of this name."""
        return (self.path(account) / "new").is_dir()

    async def deliver(self, account: str, body: Body, queue_id: QueueId, received_s: int) -> None:
        """Put a message into a mailbox; does nothing if it is there already.

        Durable when it returns. Raises: NotFoundError (no body), StorageFullError, StorageError.
        """
        (fault,) = await self.deliver_many(account, [(queue_id, body, received_s, -1, None)])
        if fault is not None:
            raise fault

    async def deliver_many(
        self, account: str, deliveries: Sequence[Delivery], *, look_for_earlier: bool = True
    ) -> list[StorageError | NotFoundError | None]:
        """`deliver` for many messages with one fsync; returns the fault of each, or None.

        A body whose size (-1: not known) or checksum differs is a DamagedError. `look_for_earlier` = False saves
        reading the mailbox's directories: correct only if an earlier, unrecorded delivery is impossible.
        """
        return await self._in_thread(lambda: self._deliver_many(account, deliveries, look_for_earlier))

    def _deliver_many(
        self, account: str, deliveries: Sequence[Delivery], look_for_earlier: bool
    ) -> list[StorageError | NotFoundError | None]:
        try:
            mailbox = self.path(account)
            if not self.exists(account):
                self.create(account)
            wanted = {_stamp(delivery) for delivery in deliveries} if look_for_earlier else set()
            there = _found(mailbox, wanted)
        except StorageError as error:
            return [error] * len(deliveries)
        faults: list[StorageError | NotFoundError | None] = []
        for at in range(0, len(deliveries), _COPIES_AT_ONCE):
            faults += _put_all(mailbox, deliveries[at : at + _COPIES_AT_ONCE], there)
        try:
            sync(mailbox / "new")
        except OSError as error:
            fault = _storage_error(error, f"The mailbox of {account} can't be written")
            return [fault] * len(deliveries)
        return faults

    def ids(self) -> Iterator[QueueId]:
        """The queue ids of all messages in all mailboxes, except archived ones."""
        for mailbox in self._mailboxes():
            for directory in _directories(mailbox):
                for name in _names(directory):
                    queue_id = _queue_id_of(name)
                    if queue_id is not None:
                        yield queue_id

    def names(self) -> list[str]:
        """The names of the mailboxes that exist."""
        return [path.name for path in self._mailboxes()]

    def _mailboxes(self) -> list[Path]:
        try:
            return sorted(path for path in self._root.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []

    def usage_bytes(self, account: str) -> int:
        """The bytes in a mailbox, all folders together; 0 if it does not exist. May block."""
        return self._usage.of(self.path(account))

    async def measure(self, account: str) -> int:
        """`usage_bytes` outside the event loop."""
        return await self._in_thread(lambda: self._usage.of(self.path(account)))

    def contents(self, account: str) -> tuple[int, int]:
        """Messages and bytes in a mailbox, all folders together; (0, 0) if it does not exist."""
        mailbox = self.path(account)
        return sum(1 for directory in _directories(mailbox) for _ in _names(directory)), self._usage.of(mailbox)

    def archive(self, account: str) -> str:
        """Move a mailbox to the archive, under its name or one with a number; returns its new path.

        Durable when it returns. Raises: NotFoundError, StorageError.
        """
        mailbox = self._existing(account)
        with _as_storage_error(f"The mailbox of {account} can't be archived"):
            self._archive_root.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = _free_name(self._archive_root / account)
            mailbox.rename(target)
            sync(self._archive_root)
            sync(self._root)
        self._usage.forget(mailbox)
        return str(target)

    def purge(self, account: str) -> None:
        """Delete a mailbox and all mail in it for good: gone at once, its space is freed a little later.

        After a crash `prepare` finishes the deletion. Raises: NotFoundError, StorageError.
        """
        mailbox = self._existing(account)
        with _as_storage_error(f"The mailbox of {account} can't be deleted"):
            # One rename makes the whole mailbox vanish at once; deleting file by file could be cut off in the
            # middle.
            doomed = _free_name(self._root / f"{_DELETED}{account}")
            mailbox.rename(doomed)
            sync(self._root)
        self._usage.forget(mailbox)
        self._pool.submit(shutil.rmtree, doomed, ignore_errors=True)

    def _existing(self, account: str) -> Path:
        if not self.exists(account):
            raise NotFoundError(f"There is no mailbox of {account}")
        return self.path(account)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError as error:  # no thread can be started
            raise StorageError(f"The mailboxes can't be used at the moment: {error}") from error


def _free_name(wanted: Path) -> Path:
    """`wanted`, or if that is taken the same with a number."""
    name, number = wanted, 1
    while name.exists():
        number += 1
        name = wanted.with_name(f"{wanted.name}-{number}")
    return name


def _queue_id_of(name: str) -> QueueId | None:
    """The queue id in a file name of ours ("1700000000.D0000001.dialpost,S=99:2,S"), else None."""
    parts = name.split(".", 2)
    if len(parts) < 3 or not parts[2].startswith(_HOST) or queue_number(parts[1]) is None:
        return None
    return QueueId(parts[1])


def _stamp(delivery: Delivery) -> str:
    """The mark of a message in a mailbox: time and id.

    Both, because after the loss of a database an id may be used twice, and the old message must not hide the new.
    """
    queue_id, _, received_s, _, _ = delivery
    return f"{received_s}.{queue_id}"


def _found(mailbox: Path, wanted: Set[str]) -> set[str]:
    """Those of the `wanted` stamps that are anywhere in the mailbox."""
    if not wanted:
        return set()
    stamps = (name.partition(f".{_HOST}")[0] for place in _directories(mailbox) for name in _names(place))
    return {stamp for stamp in stamps if stamp in wanted}


def _directories(mailbox: Path) -> Iterator[Path]:
    """new/ and cur/ of a mailbox and of all its folders."""
    for folder in (mailbox, *(mailbox / name for name in _names(mailbox) if name.startswith("."))):
        yield folder / "new"
        yield folder / "cur"


def _names(directory: Path) -> Iterator[str]:
    """The names in a directory; none if it does not exist."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                yield entry.name
    except (FileNotFoundError, NotADirectoryError):
        return


def _put_all(
    mailbox: Path, deliveries: Sequence[Delivery], there: Set[str]
) -> list[StorageError | NotFoundError | None]:
    """Link or copy bodies into new/; only the copies' data is at the card then. The fault of each, or None."""
    begun = [None if _stamp(delivery) in there else _put(mailbox, delivery) for delivery in deliveries]
    return [
        _finish(mailbox, delivery[0], copy) if isinstance(copy, _Copy) else copy
        for delivery, copy in zip(deliveries, begun, strict=True)
    ]


def _put(mailbox: Path, delivery: Delivery) -> _Copy | StorageError | NotFoundError | None:
    """Link a body into new/, or begin to copy it."""
    queue_id, body, _, expected, checksum = delivery
    try:
        with body.open("rb") as file:
            size, found = _measure(file)
            if expected not in (size, -1):
                return DamagedError(f"The body of {queue_id} has {size} bytes instead of {expected}")
            if checksum not in (None, found):
                return DamagedError(f"The body of {queue_id} is damaged on the card: it is not what was stored")
            name = f"{_stamp(delivery)}.{_HOST},S={size}"
            if isinstance(body, Path) and _link(body, mailbox / "new" / name):
                return None
            return _begin_copy(file, f"{mailbox}/tmp/{name}", f"{mailbox}/new/{name}")
    except FileNotFoundError:
        return NotFoundError(f"The body of {queue_id} is missing on the card")
    except OSError as error:
        return _storage_error(error, f"{queue_id} can't be put into {mailbox.name}")


def _finish(mailbox: Path, queue_id: QueueId, copy: _Copy) -> StorageError | None:
    """Give a copy its name, once its data is at the card."""
    try:
        try:
            reach_disk(copy.descriptor)
        finally:
            os.close(copy.descriptor)
        Path(copy.temporary).rename(copy.target)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(copy.temporary).unlink(missing_ok=True)
        return _storage_error(error, f"{queue_id} can't be put into {mailbox.name}")
    return None


def _measure(file: BinaryIO) -> tuple[int, int]:
    """Size and CRC-32; the file is at its beginning again."""
    size, checksum = 0, 0
    while block := file.read(_READ_BYTES):
        size, checksum = size + len(block), zlib.crc32(block, checksum)
    file.seek(0)
    return size, checksum


def _link(body: Path, target: Path) -> bool:
    """Whether `target` is a link to the body now; False: the file system has none. Raises: OSError."""
    try:
        os.link(body, target)
    except FileExistsError:  # the name contains the queue id: this very message is there
        return True
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _begin_copy(file: BinaryIO, temporary: str, target: str) -> _Copy:
    """A complete copy under a temporary name, whose data is on its way to the card. Raises: OSError."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while block := file.read(_READ_BYTES):
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        start_writing(descriptor)
    except OSError:
        os.close(descriptor)
        Path(temporary).unlink(missing_ok=True)
        raise
    return _Copy(descriptor, temporary, target)


def _storage_error(error: OSError, what: str) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(f"{what}: the card is full.")
    return StorageError(f"{what}: {error.strerror or error}.")


@contextlib.contextmanager
def _as_storage_error(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _storage_error(error, what) from error
