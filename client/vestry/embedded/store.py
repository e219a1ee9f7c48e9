"""What Postgres and Valkey have in common: begin, become ready, end; and say why, where that fails."""

import time
from abc import ABC, abstractmethod
from typing import ClassVar

from vestry.embedded.data_dir import DataDir
from vestry.embedded.errors import CannotStart
from vestry.embedded.process import Process, last_lines


class Store(ABC):
    """An embedded store that may be running.

    Attributes:
        name: for people, and of its files in the data folder.
        log: what it has said since it was last started.
        process: its main process while it runs.
        note: what the person at the terminal should know of its start, if anything.
    """

    name: ClassVar[str]
    _patience: ClassVar[float]  # seconds that an orderly stop may take

    def __init__(self, data_dir: DataDir) -> None:
        self._data_dir = data_dir
        self.folder = data_dir.path / self.name
        self.log = data_dir.path / f"{self.name}.log"
        self.process: Process | None = None
        self.note: str | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that clients use; the same at every start."""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.running

    def start(self, patience: float = 60) -> None:
        """Serve what the data folder holds.

        Args:
            patience: seconds until it must be ready; reading much data takes some.

        Raises:
            CannotStart: it did not come up.
        """
        self._prepare()
        self.process = self._spawn()
        self._await_ready(self.process, time.monotonic() + patience)

    def stop(self) -> None:
        """Stop in an orderly way: everything is on disk afterwards."""
        if self.process is not None:
            self.process.stop(self._patience)
            self.process = None

    def kill(self) -> None:
        """Let it die as by `kill -9`; its data is as after a power cut."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def obituary(self) -> CannotStart:
        """Say how it ended. To be asked when it no longer runs."""
        how = self.process.epitaph() if self.process is not None else "is not running"
        return CannotStart(f"{self.name} {how}; its log is {self.log}", last_lines(self.log))

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data folder fit to be served."""

    @abstractmethod
    def _spawn(self) -> Process:
        """Begin the main process."""

    @abstractmethod
    def _is_ready(self, process: Process) -> bool:
        """Tell whether it answers."""

    def _await_ready(self, process: Process, deadline: float) -> None:
        while not self._is_ready(process):
            if not process.running:
                raise self.obituary()
            if time.monotonic() > deadline:
                process.kill()
                raise CannotStart(f"{self.name} did not become ready in time", last_lines(self.log))
            time.sleep(0.01)
