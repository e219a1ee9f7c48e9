"""A lean request is a request in hand, to whoever closes connections, and to whoever sends the next one."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from by_hand import line_to, running, turns
from records import until
from two_ways import Side, note_taken, plain, told
from vestry_service import protocol
from vestry_service.exchange import Exchange, Reply
from vestry_service.lean import LEAN, REMEMBERED, add_post
from vestry_service.protocol import Runner


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every read that was offered to the short way, whether it took it."""
    return note_taken(monkeypatch)


@pytest.fixture
def side() -> Side:
    return Side(is_lean=True)


@pytest.fixture
async def runner(side: Side) -> AsyncIterator[Runner]:
    runner = await running(side.app)
    yield runner
    side.gate.set()
    await runner.cleanup()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(protocol, "KEEPALIVE", 0.3)
    return 0.3


async def test_what_comes_before_the_answer_waits_for_it(side: Side, runner: Runner) -> None:
    """Answers come in the order of the requests, each once; meanwhile nothing more is read."""
    line = await line_to(runner)
    await line.say(plain("/slow", b"first"), plain(body=b"second") + plain(body=b"third"))
    assert (line.said, line.wire.is_held) == ("", True)
    side.gate.set()
    await turns()
    assert re.findall(r'"body": "(\w+)"', line.said) == ["first", "second", "third"]
    assert not line.wire.is_held


async def test_a_request_in_hand_is_finished_before_the_end(side: Side, runner: Runner) -> None:
    """SIGTERM: the answer that is being made is given, then the connection is closed."""
    line = await line_to(runner)
    await line.say(plain("/slow", b"last"))
    asyncio.get_running_loop().call_later(0.02, side.gate.set)
    await runner.cleanup()
    assert '"body": "last"' in line.said
    assert line.wire.hung_up
    assert side.lines[-1]["status"] == 200


async def test_a_request_that_takes_too_long_does_not_hold_up_the_end(side: Side, runner: Runner) -> None:
    """The grace is over: the request is given up, and the log says so."""
    line = await line_to(runner)
    await line.say(plain("/slow"))
    await asyncio.wait_for(runner.cleanup(), 2)
    await turns()
    assert (line.said, side.lines[-1]["status"]) == ("", 499)


async def test_only_a_connection_without_a_request_is_idle(side: Side, runner: Runner) -> None:
    """Where there are too many connections, none is displaced that waits for us."""
    line = await line_to(runner)
    assert line.connection.is_idle
    await line.say(plain("/slow"))
    assert not line.connection.is_idle
    side.gate.set()
    await turns()
    assert line.connection.is_idle


async def test_the_keep_alive_timer_spares_a_request_in_hand(side: Side, hasty: float) -> None:
    """And closes the connection when nothing came for as long after the answer."""
    runner = await running(side.app)
    line = await line_to(runner)
    await line.say(plain("/slow"))
    await asyncio.sleep(2.5 * hasty)
    assert not line.wire.hung_up
    side.gate.set()
    await turns()
    assert '"body"' in line.said
    assert not line.wire.hung_up
    await until(lambda: line.wire.hung_up)
    await runner.cleanup()


async def test_a_client_that_went_away_is_answered_to_nobody(side: Side, runner: Runner) -> None:
    """The request is judged and logged as always, and nothing breaks."""
    line = await line_to(runner)
    await line.say(plain("/slow"))
    line.connection.connection_lost(ConnectionResetError())
    side.gate.set()
    await turns()
    assert line.said == ""
    assert [each["level"] for each in side.lines] == ["info"]


async def test_who_does_not_take_answers_gets_no_more(side: Side, runner: Runner, taken: list[bool]) -> None:
    """Once a client's answers pile up, its requests wait in the ordinary way, which waits for the client."""
    line = await line_to(runner)
    line.connection.pause_writing()
    await line.say(plain(body=b"one"), plain(body=b"two"))
    assert (side.asked, taken) == (1, [])
    line.connection.resume_writing()
    await turns()
    assert side.asked == 2


async def test_a_header_of_a_reply_cannot_begin_another_line(side: Side, runner: Runner) -> None:
    """A line break in a header's value would let it speak for us: such an answer is not sent."""

    async def broken(exchange: Exchange) -> Reply:
        return Reply(b"{}", {"X-More": "a\r\nX-Forged: b"})

    loose = Side(is_lean=True)
    add_post(loose.app, "/broken", broken)
    said, *_ = await told(loose, [plain("/broken")])
    assert "HTTP/1.1 500" in said
    assert "Forged" not in said


async def test_strangers_heads_do_not_fill_the_memory(side: Side, runner: Runner) -> None:
    """However many different heads come, only so many are remembered."""
    line = await line_to(runner)
    for number in range(REMEMBERED + 10):
        line.connection.data_received(plain("/echo", b"", f"X-Request-Id: {number}"))
        await turns(4)
    assert side.asked == REMEMBERED + 10
    assert 0 < len(side.app[LEAN]._plain) <= REMEMBERED
