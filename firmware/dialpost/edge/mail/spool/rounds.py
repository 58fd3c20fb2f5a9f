"""Makes bodies durable in rounds: all that are waiting at once.

A round flushes the buffers of its bodies and names them, starts writing all of them, waits for each (fdatasync),
then once for the directory. On ext4 the whole round thus shares one commit of the journal, which costs the card
more than a small body does. A lone session waits for nobody; while several submit mail, a round waits GATHER_S for
the others (like PostgreSQL's commit_delay). A large body is synced outside the rounds, so that nobody waits for it.

`begun`, `ended` and `commit` are called in the event loop; the rounds run in a small pool of threads.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from dialpost.core.errors import StorageError

GATHER_S = 0.001
CROWD = 3
"""The number of bodies in progress from which a round waits for others."""
_CROWD_LASTS_S = 1.0
"""Sessions pause between messages: a crowd counts as one for this long after it was seen."""
_LARGE_BYTES = 262_144
_THREADS = 4


class OpenBody(Protocol):
    """A body on its way to the card."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def flush(self) -> None:
        """Hand what is buffered to the kernel. Raises: OSError."""

    def give_name(self) -> None:
        """Give it its name. Raises: OSError."""

    def start(self) -> None:
        """Let the kernel start writing it, without waiting."""

    def sync(self) -> None:
        """Wait until its data is on the card. Raises: OSError."""

    def close(self) -> None:
        """Close the file. Raises: OSError."""


Result = int | OSError | StorageError


class SyncRounds:
    """The rounds of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = DirectorySync(directory)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="spool")
        self._waiting: list[tuple[OpenBody, asyncio.Future[int]]] = []
        self._rounds: asyncio.Task[None] | None = None
        self._in_hand = 0
        self._crowded_until_s = float("-inf")

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads, for other work that waits for the card."""
        return self._pool

    @property
    def in_hand(self) -> int:
        """The bodies that were begun and are neither committed nor aborted."""
        return self._in_hand

    def begun(self) -> None:
        """A body has been started."""
        self._in_hand += 1
        if self._in_hand >= CROWD:
            self._crowded_until_s = time.monotonic() + _CROWD_LASTS_S

    def ended(self) -> None:
        """A started body was committed or aborted."""
        self._in_hand -= 1

    def close(self) -> None:
        """Wait for the current rounds and end the threads."""
        self._pool.shutdown(wait=True)
        self._directory.close()

    async def commit(self, body: OpenBody) -> int:
        """Make a body and its directory entry durable, and close it; returns its size.

        After a cancellation it is finished nevertheless. Raises: OSError, StorageError.
        """
        if body.size >= _LARGE_BYTES:
            (result,) = await self._in_thread([body])
            if not isinstance(result, int):
                raise result
            return result
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._run())
        return await asyncio.shield(future)

    async def _run(self) -> None:
        """Run one round after the other while any body waits."""
        while self._waiting:
            if time.monotonic() < self._crowded_until_s:
                await asyncio.sleep(GATHER_S)
            batch, self._waiting = self._waiting, []
            results = await self._in_thread([body for body, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue
                if isinstance(result, int):
                    future.set_result(result)
                else:
                    future.set_exception(result)

    async def _in_thread(self, bodies: Sequence[OpenBody]) -> list[Result]:
        """Run one round in a thread. Whatever happens, each body gets a result: somebody waits for it."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._sync_all, bodies)
        except Exception as error:  # no thread could be started, or a bug of ours
            fault = StorageError(f"Mail can't be written to the card at the moment: {error}")
            return [fault] * len(bodies)

    def _sync_all(self, bodies: Sequence[OpenBody]) -> list[Result]:
        """One round, in a thread. Returns the size of each body, or its fault."""
        results = [_try(body, body.flush, body.give_name) for body in bodies]
        whole = [number for number, result in enumerate(results) if isinstance(result, int)]
        # Writing starts for all of them before the first wait, so that the card works on them together.
        if len(whole) > 1:
            for number in whole:
                bodies[number].start()
        for number in whole:
            results[number] = _try(bodies[number], bodies[number].sync)
        try:
            self._directory.sync()
        except OSError as error:
            results = [error if isinstance(result, int) else result for result in results]
        for number, result in enumerate(results):
            if isinstance(result, int):
                results[number] = _try(bodies[number], bodies[number].close)
        return results


def _try(body: OpenBody, *steps: Callable[[], None]) -> Result:
    try:
        for step in steps:
            step()
    except (OSError, StorageError) as error:
        return error
    return body.size


class DirectorySync:
    """fsync of one directory, shared: a caller is served by any round that began after it asked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._asking = threading.Lock()
        self._syncing = threading.Lock()
        self._asked = 0
        self._covered = 0
        self._descriptor: int | None = None

    def sync(self) -> None:
        """Make all entries made before this call durable. Blocks. Raises: OSError."""
        with self._asking:
            self._asked += 1
            ticket = self._asked
        with self._syncing:
            if self._covered >= ticket:
                return
            covering = self._asked
            if self._descriptor is None:
                self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            os.fsync(self._descriptor)
            self._covered = covering

    def close(self) -> None:
        """Let the directory go."""
        with self._syncing:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
