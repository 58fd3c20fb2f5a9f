"""The beginning of a message that was cut: kept if it is worth it, compared, and gone once the message is here."""

from pathlib import Path

from dialpost.core.mail.inbound.partial import LEAST_KEPT_BYTES, OVERLAP_BYTES
from dialpost.edge.mail.collecting.partials import Partials
from dialpost.flow.mail.inbound.resuming import CHECK_BYTES, HELD_BYTES, Beginning

CONTENT = bytes(index % 251 for index in range(400_000))


def fresh(folder: Path) -> Beginning:
    return Beginning(Partials(folder).begin("office", "7.1", len(CONTENT)))


async def again(folder: Path) -> Beginning:
    return Beginning((await Partials(folder).kept("office", {"7.1": len(CONTENT)}))["7.1"])


async def feed(beginning: Beginning, start: int, end: int) -> bytes:
    new = b""
    for at in range(start, end, 5000):
        taken = await beginning.take(CONTENT[at : min(end, at + 5000)])
        assert taken is not None
        new += taken
    return new


async def test_a_message_over_three_calls_comes_together(tmp_path: Path) -> None:
    first = fresh(tmp_path)
    assert first.offset == 0 and list(first.blocks()) == [] and await feed(first, 0, 30_000) == CONTENT[:30_000]
    await first.cut()
    second = await again(tmp_path)
    assert b"".join(second.blocks()) == CONTENT[:30_000]
    assert second.offset == 30_000 - OVERLAP_BYTES
    assert await feed(second, second.offset, 200_000) == CONTENT[30_000:200_000]
    assert second.is_proved
    assert b"".join(second.blocks()) == CONTENT[:30_000]
    await second.cut()
    third = await again(tmp_path)
    assert b"".join(third.blocks()) + await feed(third, third.offset, len(CONTENT)) == CONTENT
    await third.done()
    assert list(tmp_path.iterdir()) == []


async def test_a_message_that_is_not_the_same_is_noticed(tmp_path: Path) -> None:
    first = fresh(tmp_path)
    await feed(first, 0, 30_000)
    await first.cut()
    second = await again(tmp_path)
    assert not second.is_proved
    assert await second.take(b"something else") is None
    await second.done()
    assert list(tmp_path.iterdir()) == []


async def test_a_small_message_never_touches_the_card_and_a_few_bytes_are_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "partials"
    whole = fresh(folder)
    await feed(whole, 0, HELD_BYTES - 1)
    await whole.done()
    few = fresh(folder)
    await feed(few, 0, LEAST_KEPT_BYTES - 1)
    await few.cut()
    assert not folder.exists()


async def test_a_power_cut_costs_no_more_than_a_bounded_piece(tmp_path: Path) -> None:
    await feed(fresh(tmp_path), 0, CHECK_BYTES + HELD_BYTES)  # and then nothing, not even a cut
    assert (await again(tmp_path)).offset >= CHECK_BYTES - OVERLAP_BYTES
