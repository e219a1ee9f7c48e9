"""The log: the fields of the wire contract in their order, and nothing that must stay secret."""

import asyncio
import io
import json
import logging
import warnings

from service_log import Log
from vestry_service.log_lines import FIELDS
from vestry_service.logging import adopt_stdlib, make_logger

KEY_LIKE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"


def test_fields_stand_in_the_order_of_the_contract(log: Log) -> None:
    """However a caller orders them; what is None is left out, what is not in the contract comes last."""
    log.logger.info("request", client_ip="::1", status=200, extra=1, request_id="r", uid=None, kid="k")
    line = log.lines[0]
    assert list(line) == [
        "ts", "level", "event", "service", "version", "request_id", "status", "kid", "client_ip", "extra",
    ]  # fmt: skip
    assert [name for name in line if name in FIELDS] == [name for name in FIELDS if name in line]


def test_time_is_utc_with_milliseconds() -> None:
    """A reader sorts lines of several machines by `ts`."""
    stream = io.BytesIO()
    make_logger("s", "v", stream=stream, clock=lambda: 1770247189.0429).info("x")
    assert json.loads(stream.getvalue())["ts"] == "2026-02-04T23:19:49.042Z"


def test_lower_levels_are_left_out() -> None:
    """LOG_LEVEL=warning writes warnings and errors only."""
    log = Log("warning")
    log.logger.info("a")
    log.logger.warning("b")
    assert [line["event"] for line in log.lines] == ["b"]


def test_a_line_stays_one_line(log: Log) -> None:
    """No value can begin a line of its own."""
    log.logger.info("a\nb", authority='x"\n{"level":"error"}')
    assert log.text.count("\n") == 1
    assert log.lines[0]["authority"] == 'x"\n{"level":"error"}'


def test_text_that_is_no_unicode_is_written_too(log: Log) -> None:
    """Odd bytes of a header must not fail the request whose line they stand in."""
    log.logger.info("request", authority="a\udcff")
    assert log.lines[0]["authority"] == "a\udcff"


def test_a_traceback_names_types_and_places_and_quotes_nothing(log: Log) -> None:
    """An exception's text may hold what a stranger sent, so it is never written."""
    try:
        try:
            raise KeyError(KEY_LIKE)
        except KeyError as error:
            raise RuntimeError(f"signature {KEY_LIKE}") from error
    except RuntimeError:
        log.logger.error("unforeseen fault", exc_info=True)
    assert KEY_LIKE not in log.text
    told = log.lines[0]["exception"]
    assert "builtins.RuntimeError at " in told
    assert "; from builtins.KeyError at " in told
    assert "test_logging.py:" in told


def test_what_libraries_log_comes_out_in_the_same_form(log: Log, stdlib: logging.Logger) -> None:
    """aiohttp, asyncpg, yoyo and warnings speak through the standard library."""
    adopt_stdlib(log.logger)
    logging.getLogger("aiohttp.server").error("fault with %s", KEY_LIKE, exc_info=ValueError(KEY_LIKE))
    logging.getLogger("asyncpg").debug("not at this level")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old thing", stacklevel=1)
    assert KEY_LIKE not in log.text
    assert [line["logger"] for line in log.lines] == ["aiohttp.server", "py.warnings"]
    assert log.lines[0]["event"] == "fault with [left out]"
    assert log.lines[0]["level"] == "error"
    assert log.lines[0]["exception"].startswith("builtins.ValueError")


def test_the_console_form_says_the_same_for_people() -> None:
    """LOG_FORMAT=console prints event, level and fields on one line."""
    stream = io.BytesIO()
    make_logger("registrar", "1", fmt="console", stream=stream).info("listening", port=3000)
    text = stream.getvalue().decode()
    assert "listening" in text
    assert "3000" in text
    assert text.count("\n") == 1


def test_a_log_that_cannot_be_written_fails_nobody() -> None:
    """The reader of our pipe may go away; requests go on."""

    class Gone(io.BytesIO):
        def write(self, _data: object) -> int:
            raise BrokenPipeError

    make_logger("s", "v", stream=Gone()).info("x")


async def test_lines_of_one_turn_of_the_loop_are_written_together() -> None:
    """Many requests, one system call; and nothing is held back longer than that turn."""

    class Counting(io.BytesIO):
        writes = 0

        def write(self, data: object) -> int:
            self.writes += 1
            return super().write(data)  # type: ignore[arg-type]

    stream = Counting()
    logger = make_logger("s", "v", stream=stream)
    logger.info("a")
    logger.info("b")
    await asyncio.sleep(0)
    assert stream.writes == 1
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["a", "b"]


def test_lines_of_a_loop_that_ended_are_not_lost() -> None:
    """What is still waiting when a loop ends goes out with the next line."""
    log = Log()
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)  # running by name, but it never turns
    log.logger.info("a")
    asyncio._set_running_loop(None)
    loop.close()
    assert log.lines == []
    log.logger.info("b")
    assert [line["event"] for line in log.lines] == ["a", "b"]
