"""Being asked to stop, once or more often."""

import os
import signal

import pytest

from vestry.stack.interrupt import Interrupt

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_ends_nothing(number: signal.Signals) -> None:
    """Afterwards signals mean again what they meant before."""
    before = signal.getsignal(number)
    with Interrupt(with_parent=False, hurry=lambda: None) as interrupt:
        assert not interrupt.wanted
        os.kill(os.getpid(), number)
        assert interrupt.wanted
    assert signal.getsignal(number) is before


def test_only_a_later_signal_shows_impatience() -> None:
    """The echo of the first one, from make or the terminal, cuts off no request in flight."""
    now, hurried = [100.0], []
    with Interrupt(with_parent=False, hurry=lambda: hurried.append(now[0]), clock=lambda: now[0]):
        for when in (100.0, 100.3, 102.0):
            now[0] = when
            os.kill(os.getpid(), signal.SIGTERM)
    assert hurried == [102.0]


def test_nohup_keeps_its_meaning() -> None:
    """Who ignores the end of the terminal goes on ignoring it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt(with_parent=False, hurry=lambda: None) as interrupt:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupt.wanted
    finally:
        signal.signal(signal.SIGHUP, before)
