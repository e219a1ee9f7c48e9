"""One child process: started through `launch.py`, stopped in time, its last words kept in a file.

On Linux the kernel ends the child when we die. Where it cannot, a watcher of ours does: a shell that
waits for the end of a pipe only we hold open. We die, by whatever means; the pipe ends; it signals the
child.
"""

# ruff: noqa: S603 - every command here is made of our own words

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from vestry.embedded.identity import SAME, Identity

_LAUNCHER = Path(__file__).with_name("launch.py")
KERNEL_TELLS_OF_A_PARENTS_DEATH = sys.platform.startswith("linux")


def launch_command(command: Sequence[str], stop_signal: signal.Signals, identity: Identity) -> list[str]:
    """The whole command line that starts `command` so that `stop_signal` reaches it when we die."""
    parent = [str(os.getpid()), str(int(stop_signal))]
    who = [identity.kind, str(identity.uid), str(identity.gid)]
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *parent, *who, *command]


class Process:
    """A running child.

    Args:
        command: absolute path of the program, then its arguments.
        output: where its stdout and stderr go: an open file, or `subprocess.PIPE`.
        stop_signal: what asks it to end in an orderly way; also what it gets when we die.
        identity: as whom it runs.
        environ: its whole environment; None means ours.
        keep_open: file descriptors that it inherits.
        watched: False leaves the parent's death to the kernel.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | int,
        stop_signal: signal.Signals = signal.SIGTERM,
        identity: Identity = SAME,
        environ: Mapping[str, str] | None = None,
        keep_open: Sequence[int] = (),
        watched: bool = not KERNEL_TELLS_OF_A_PARENTS_DEATH,
    ) -> None:
        self._stop_signal = stop_signal
        self.popen = subprocess.Popen(
            launch_command(command, stop_signal, identity),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            pass_fds=keep_open,
            # Ctrl-C at the terminal is for us alone: we stop the children, in order.
            start_new_session=True,
        )
        self._watcher = _watch(self.popen.pid, stop_signal) if watched else None

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the child has ended."""
        self.popen.send_signal(number)

    def stop(self, patience: float) -> int:
        """Ask the child to end; kill it after `patience` seconds. Returns its exit code."""
        self.send(self._stop_signal)
        self.send(signal.SIGCONT)
        try:
            self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.popen.kill()
        return self.reap()

    def kill(self) -> int:
        """End the child at once, as a power cut would. Returns its exit code."""
        self.popen.kill()
        return self.reap()

    def epitaph(self) -> str:
        """Say how it ended, as the end of a sentence. To be asked when it no longer runs."""
        code = self.reap()
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def reap(self) -> int:
        """Wait for a child that is ending, and let go of what belongs to it."""
        code = self.popen.wait()
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        return code


def _watch(pid: int, stop_signal: signal.Signals) -> "subprocess.Popen[bytes]":
    """Start a shell that signals `pid` when its stdin ends, which it does when we die."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -"$0" "$1"', str(int(stop_signal)), str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def last_lines(log: Path, count: int = 10) -> tuple[str, ...]:
    """The last `count` lines of a log file, oldest first; none if there is no such file."""
    if not log.exists():
        return ()
    return tuple(log.read_text(errors="replace").splitlines()[-count:])
