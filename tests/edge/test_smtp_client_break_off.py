"""The line is gone: every session ends at once, and every message in it has its outcome."""

import asyncio

import pytest

from dialpost.core.envelope import Envelope, QueueId, Recipient
from dialpost.core.outcomes import Deferred
from dialpost.core.smtp_target import HostTarget, OutgoingMessage, SessionFate
from dialpost.edge.smtp_client import SmtpClient
from smtp_model import WITHOUT_CHUNKING, ModelServer
from smtp_peer import SETTINGS, Peer, Queue


@pytest.fixture
def store(tmp_path):
    def make(number: int):
        path = tmp_path / f"m{number}"
        path.write_bytes(b"Subject: x\n\nhello\n")
        envelope = Envelope("anna@clinic.example", (Recipient("bob@example.org"),))
        return OutgoingMessage(QueueId(f"q{number}"), envelope, 21, path)

    return make


def start(client, target, queue):
    return asyncio.create_task(client.send(target, SETTINGS, queue.next_message, queue.on_outcome))


async def test_what_was_sent_whole_is_left_in_doubt_and_what_was_not_uses_up_nothing(store):
    peer = Peer(ModelServer(WITHOUT_CHUNKING))
    peer.mute_from = b"\r\n.\r\n"
    queue, client = Queue([store(1), store(2), store(3)]), SmtpClient()
    async with peer.serving() as target:
        sending = start(client, target, queue)
        await asyncio.wait_for(peer.muted.wait(), 5)
        client.break_off("the line is down")
        end = await asyncio.wait_for(sending, 2)
    assert end.fate is SessionFate.LOST
    found = [(queue_id, outcome.answer_unknown) for queue_id, (outcome,) in queue.reports]
    assert found[0] == ("q1", True)
    assert {unknown for _, unknown in found[1:]} <= {False}
    assert len(found) == 3 - len(queue.left)
    assert all(isinstance(outcome, Deferred) for _, (outcome,) in queue.reports)
    assert "the line is down" in queue.reports[0][1][0].reply.text


async def test_a_connection_being_made_is_given_up_and_no_other_address_is_tried(store, monkeypatch):
    asked = []

    async def never(_, address, port):
        asked.append(address)
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    queue, client = Queue([store(1)]), SmtpClient()
    sending = start(client, HostTarget("mail.example", ("192.0.2.1", "192.0.2.2"), 25), queue)
    await asyncio.sleep(0)
    client.break_off("the line is down")
    end = await asyncio.wait_for(sending, 2)
    assert (end.fate, end.ready, queue.asked) == (SessionFate.UNREACHABLE, False, 0)
    assert asked == ["192.0.2.1"]


async def test_with_nothing_under_way_nothing_happens():
    SmtpClient().break_off("the line is down")
