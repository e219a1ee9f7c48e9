"""Metrics of several processes, added up.

prometheus-client's multiprocess mode: each process counts in files of its own that are mapped into its memory, all in
one folder, and whoever is scraped adds up what lies there. What a process has counted is in the file the moment it is
counted, so a `kill -9` loses nothing.

The files are named by the worker's number and not by its process id: a worker that replaces another one goes on
counting where that one ended, and however often that happens there are no more files than workers. What was only true
of the dead one while it lived (requests in progress, open connections) is removed before.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from vestry_service.worker import Worker


def count_together(worker: Worker) -> CollectorRegistry:
    """Let this process count in the folder of all, from the next metric on; return a registry that adds them up."""
    values.ValueClass = values.MultiProcessValue(lambda: worker.number)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(worker.metrics))  # type: ignore[no-untyped-call]
    return registry


def forget_worker(folder: Path, number: int) -> None:
    """Remove what was true of a worker while it lived. To be done before another one takes its number."""
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]
