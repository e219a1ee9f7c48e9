"""Being asked to stop: by Ctrl-C, SIGTERM, the terminal's end, or, where wanted, the parent's end."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ECHO = 1.0  # seconds


class Interrupt:
    """While entered, signals are noted instead of ending the process.

    Args:
        with_parent: count the end of the process that started us, too.
        hurry: called when a later signal shows that somebody is impatient. One that follows at once does not:
            a terminal or `timeout` signals the whole group, and make passes its own on to us.
        clock: tells seconds that only ever grow.
    """

    def __init__(
        self, *, with_parent: bool, hurry: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parent = os.getppid() if with_parent else None
        self._hurry = hurry
        self._clock = clock
        self._signalled: float | None = None  # when
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            # `nohup` means what it says.
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def wanted(self) -> bool:
        """Whether it is time to stop."""
        return self._signalled is not None or (self._parent is not None and os.getppid() != self._parent)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        now = self._clock()
        if self._signalled is None:
            self._signalled = now
        elif now - self._signalled > _ECHO:
            self._hurry()
