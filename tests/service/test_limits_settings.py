"""How a limit is written in the environment."""

import pytest

from vestry_service.limits import Rate
from vestry_service.parsers import rate


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("30/60", Rate(30, 60)),
        ("1/1", Rate(1, 1)),
        ("1000000/86400", Rate(1_000_000, 86_400)),
        ("off", None),
        ("OFF", None),
    ],
)
def test_rates_that_are_read(text: str, read: Rate | None) -> None:
    """Requests and seconds, or off; what is read is shown in the same form."""
    assert rate(text) == read
    assert read is None or str(read) == text


@pytest.mark.parametrize(
    "text",
    ["", "30", "/", "30/", "/60", "0/60", "30/0", "-1/60", "1.5/60", "30/1m", "30/60/10", "30 / 60", "1000001/60",
     "30/86401", "٣/60", "none", "30/60s", "+3/60", "1_0/60"],
)  # fmt: skip
def test_rates_that_are_refused(text: str) -> None:
    """Nothing that could be meant otherwise is taken; the message says what is."""
    with pytest.raises(ValueError, match="must be off, or REQUESTS/SECONDS like 30/60"):
        rate(text)
