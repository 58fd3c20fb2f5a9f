"""What many messages cost: as many statements as one, so that the interpreter's lock is free for the event loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dialpost.core.mail.queue.ids import queue_id
from dialpost.core.mail.queue.records import MessageRecord, RecipientState
from dialpost.edge.mail.store import changes, queries, schema
from dialpost.edge.mail.store.rows import KEYS_PER_MESSAGE
from dialpost.edge.mail.store.tally import standing_of, standing_of_many
from dialpost.edge.mail.store.writer import Transaction
from fakes import a_record, to_mailbox, to_world

MANY = 50
WAITING, HELD, RELAYED = RecipientState.WAITING, RecipientState.HELD, RecipientState.RELAYED


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(schema.connect(tmp_path / "queue.db")) as connection:
        schema.migrate(connection)
        yield connection


def insert(database: sqlite3.Connection, *messages: MessageRecord) -> None:
    for message in messages:
        changes.insert_message(Transaction(database), message)


@contextmanager
def counted(database: sqlite3.Connection) -> Iterator[Callable[[], int]]:
    statements = list[str]()
    database.set_trace_callback(statements.append)
    try:
        yield lambda: len(statements)
    finally:
        database.set_trace_callback(None)


def test_each_takes_as_many_statements_for_many_as_for_one(database: sqlite3.Connection) -> None:
    insert(database, *(a_record(queue_id(number)) for number in range(1, 2 * MANY + 1)))
    taken = []
    for numbers in ([1], range(2, MANY + 2)):
        keys = [number * KEYS_PER_MESSAGE for number in numbers]
        with counted(database) as count:
            changes.set_state_of_many(Transaction(database), keys, {WAITING}, HELD)
            moved = count()
            changes.make_due(Transaction(database), keys)
            due = count() - moved
            assert len(queries.messages(database, numbers, "", ())) == len(keys)
            taken.append((moved, due, count() - moved - due))
    assert taken[0] == taken[1]


def test_a_list_is_in_the_order_asked_for_and_leaves_out_what_does_not_match(database: sqlite3.Connection) -> None:
    finished = a_record(queue_id(2), to_world(state=RELAYED))
    two = a_record(queue_id(3), to_world("a@x.example"), to_world("b@x.example", state=RELAYED), to_mailbox())
    insert(database, a_record(queue_id(1)), finished, two)
    found = queries.messages(database, [3, 9, 2, 1], "AND state = ?", [0])
    assert [(one.queue_id, [each.number for each in one.recipients]) for one in found] == [
        (queue_id(3), [0, 2]),
        (queue_id(1), [0]),
    ]


def test_what_many_add_to_the_counts_is_the_sum_of_what_each_adds(database: sqlite3.Connection) -> None:
    rows = [
        a_record(queue_id(1), to_world(), to_mailbox()),
        a_record(queue_id(2), to_world(state=HELD), to_world(state=RELAYED)),
        a_record(queue_id(3), to_world(state=RELAYED)),
        a_record(queue_id(4), to_world("", state=RELAYED)),
        a_record(queue_id(5), to_world(state=RELAYED), to_world(state=RELAYED)),
        a_record(queue_id(6), to_world(state=RELAYED)),
    ]
    insert(database, *rows)
    database.execute("DELETE FROM recipient WHERE key = ?", (5 * KEYS_PER_MESSAGE,))
    database.execute("UPDATE recipient SET state = 77 WHERE key = ?", (6 * KEYS_PER_MESSAGE,))
    wanted = Transaction(database).tally
    each = {number: standing_of(database, number) for number in range(1, 7)}
    for standing in each.values():
        wanted.add(standing)
    sums, finished = standing_of_many(database, list(each))
    assert sums == wanted
    assert finished == {number for number, standing in each.items() if standing.is_finished} == {3, 4}
