"""Work on many things gives way to whoever else waits."""

import asyncio

from vestry_service.turns import LIGHT, groups, in_turns


async def test_others_have_a_turn_between_the_groups() -> None:
    """What else the loop has to do is done after every few things, not after all of them; the order is kept."""
    done: list[int | str] = []

    async def somebody_else() -> None:
        while len(done) < 4 * LIGHT:
            done.append("else")
            await asyncio.sleep(0)

    def work(number: int) -> int:
        done.append(number)
        return 2 * number

    waiting = asyncio.create_task(somebody_else())
    assert await in_turns(work, range(2 * LIGHT + 1)) == [2 * number for number in range(2 * LIGHT + 1)]
    assert [done.index(LIGHT), done.index("else")] == [LIGHT + 1, LIGHT]
    assert [each for each in done if each != "else"] == list(range(2 * LIGHT + 1))
    waiting.cancel()


def test_groups_hold_everything_once() -> None:
    """Nothing is left out and nothing comes twice, whatever the number."""
    for number in (0, 1, LIGHT, LIGHT + 1, 256):
        assert [each for group in groups(range(number)) for each in group] == list(range(number))
