"""Registrations of agents that come at about the same time go to Postgres together.

A registration that comes alone is sent at the end of the turn of the event loop in which it came, as a statement of
its own. Under load many come while others are under way, and a statement for all of them costs a fraction of as many
(`repository/enrolment_batches.py`):

1. Who asks first opens a batch and has it sent after this turn; whoever asks before that joins it. While as many
   statements as may be are under way it stays open: the slower the database, the larger the batches, up to a bound.
2. Each kid is in a batch once. Who brings the same one shares its row, and only the first is told that it is new.
3. When the statement is done each gets what is true of its own key: its agent, or that it must ask again.
4. When the statement is refused for something that one of them brought, a uid that is in use for example, nothing of
   it was written. Then each is enrolled by itself, and only whom it concerns hears of the error.
5. When the database is away all of them are told so. Whoever asks again learns what became of the key.
6. Nobody waits for a statement to begin for longer than for a connection, counted from when the batch was opened.

A caller who is cancelled leaves an abandoned future behind, and the others notice nothing. Who left before the batch
was sent is not enrolled; who left later is, without hearing of it, as if the answer had been lost.

Who brings a connection is within a transaction of its own (`admission.py`), and is enrolled there.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from vestry_registrar.repository.edge import Executor
from vestry_registrar.repository.enrolment_batches import Enrolment, enrol_agents
from vestry_registrar.repository.enrolments import FoundAgentKey, NewKey, enrol_agent
from vestry_service.postgres import ACQUIRE_TIMEOUT, Pool
from vestry_signatures.errors import DatabaseUnavailable

LARGEST: Final = 64
"""Keys in one statement. More would cost each of them hardly less, and let all of them wait longer."""

ABREAST: Final = 2
"""Statements under way at once: one is in the database while the answer of the other is dealt out."""


@dataclass(slots=True)
class Seat:
    """One key of a batch, and who waits for it."""

    enrolment: Enrolment
    waiting: list["asyncio.Future[FoundAgentKey | None]"] = field(default_factory=list)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits."""
        return not all(future.done() for future in self.waiting)

    def settle(self, found: FoundAgentKey | None) -> None:
        """Tell what there is. See (2)."""
        for future in self._open():
            future.set_result(found)
            found = replace(found, is_new=False) if found else None

    def fail(self, error: Exception) -> None:
        """Tell what went wrong."""
        for future in self._open():
            future.set_exception(error)

    def _open(self) -> "Iterable[asyncio.Future[FoundAgentKey | None]]":
        return (future for future in self.waiting if not future.done())


class Batch:
    """What is to be one statement: seats by kid, and the clock that runs until it is sent."""

    def __init__(self, timer: asyncio.TimerHandle) -> None:
        self.seats: dict[str, Seat] = {}
        self.timer = timer

    def wanted(self) -> list[Seat]:
        """The seats for which somebody still waits."""
        return [seat for seat in self.seats.values() if seat.is_wanted]


class EnrolmentQueue:
    """Enrols agents' keys, many at a time where many come; `enrol` stands for `enrolments.enrol_agent`."""

    def __init__(self, pool: Pool, *, largest: int = LARGEST, abreast: int = ABREAST) -> None:
        """Take what it stands on.

        Args:
            pool: of connections to Postgres.
            largest: keys in one statement.
            abreast: statements under way at once.
        """
        self._pool = pool
        self._largest = largest
        self._abreast = abreast
        self._waiting: deque[Batch] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    async def enrol(self, executor: Executor, digits: str, new: NewKey) -> FoundAgentKey | None:
        """Find a key, or write it with a new agent whose uid has these digits; None: ask again.

        Raises DatabaseUnavailable; UidCollision.
        """
        if executor is not self._pool:
            return await enrol_agent(executor, digits, new)
        future: asyncio.Future[FoundAgentKey | None] = asyncio.get_running_loop().create_future()
        seats = self._open_batch().seats
        seats.setdefault(new.kid, Seat(Enrolment(digits, new))).waiting.append(future)
        return await future

    def _open_batch(self) -> Batch:
        """The batch that takes joiners. See (1) and (6)."""
        if self._waiting and len(self._waiting[-1].seats) < self._largest:
            return self._waiting[-1]
        loop = asyncio.get_running_loop()
        batch = Batch(loop.call_later(ACQUIRE_TIMEOUT, self._give_up))
        self._waiting.append(batch)
        loop.call_soon(self._send)
        return batch

    def _give_up(self) -> None:
        """The oldest batch has waited for too long; the clocks of those behind it end later. See (6)."""
        _fail(self._waiting.popleft().wanted())

    def _send(self) -> None:
        while self._waiting and len(self._under_way) < self._abreast:
            batch = self._waiting.popleft()
            batch.timer.cancel()
            if seats := batch.wanted():
                task = asyncio.get_running_loop().create_task(self._carry(seats))
                self._under_way.add(task)
                task.add_done_callback(self._back)

    def _back(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._send()

    async def _carry(self, seats: list[Seat]) -> None:
        try:
            await (self._together(seats) if len(seats) > 1 else self._alone(seats[0]))
        finally:
            _fail(seats)  # whom nothing was told, for a fault of ours or because the service ends

    async def _together(self, seats: list[Seat]) -> None:
        try:
            found = await enrol_agents(self._pool, [seat.enrolment for seat in seats])
        except DatabaseUnavailable:
            return  # (5)
        except Exception:
            await asyncio.gather(*map(self._alone, seats))  # (4)
        else:
            for seat in seats:
                seat.settle(found.get(seat.enrolment.new.kid))  # (3)

    async def _alone(self, seat: Seat) -> None:
        try:
            seat.settle(await enrol_agent(self._pool, *seat.enrolment))
        except Exception as error:
            seat.fail(error)


def _fail(seats: Iterable[Seat]) -> None:
    """Tell whoever still waits that the database does not answer."""
    for seat in seats:
        seat.fail(DatabaseUnavailable())
