"""Every attack on `/verify` is explained before it is made: the explanation must say what the answer then says."""

import pytest

from explaining import agreeing
from proxied import proxied, verifier
from service_fixtures import doomed, services

__all__ = ["doomed", "proxied", "services", "verifier"]


@pytest.fixture(autouse=True)
def _explained(monkeypatch: pytest.MonkeyPatch) -> None:
    agreeing(monkeypatch)
