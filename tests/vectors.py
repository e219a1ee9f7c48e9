"""Public test vectors, read where they lie beside the repository; without them the tests skip and say so."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "vectors"
_REASON = f"the public test vectors are not here: no folder {FOLDER}"


def load(name: str) -> Any:
    """Read one JSON file of the vectors, decimals exact; for tests with `cases` or under `needs_vectors`."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"), parse_float=Decimal)


needs_vectors = pytest.mark.skipif(not FOLDER.is_dir(), reason=_REASON)


def cases(find: Callable[[], Iterable[tuple[str, Any]]]) -> list[Any]:
    """Make one parametrised case of each (name, vector); where there are no vectors, one that is skipped.

    Args:
        find: called only where the folder is there.
    """
    if not FOLDER.is_dir():
        return [pytest.param(None, id="vectors", marks=pytest.mark.skip(reason=_REASON))]
    return [pytest.param(vector, id=name) for name, vector in find()]
