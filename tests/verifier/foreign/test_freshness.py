"""For how long a directory is believed (RFC 9111), within bounds."""

import pytest

from vestry_verifier.foreign.freshness import LEAST, MOST, UNSAID, lifetime, pause, stale_for

DATE = {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, UNSAID),
        ({"Cache-Control": "max-age=600"}, 600),
        ({"Cache-Control": "public, MAX-AGE = 600"}, LEAST),  # blanks around = are none of the grammar
        ({"Cache-Control": 'Max-Age="600"'}, 600),
        ({"Cache-Control": "max-age=600, s-maxage=60"}, 60),
        ({"Cache-Control": "max-age=0"}, LEAST),
        ({"Cache-Control": "max-age=29"}, LEAST),
        ({"Cache-Control": "max-age=86401"}, MOST),
        ({"Cache-Control": "max-age=99999999999999999999"}, LEAST),
        ({"Cache-Control": "max-age=-1"}, LEAST),
        ({"Cache-Control": "max-age=1e9"}, LEAST),
        ({"Cache-Control": "max-age"}, LEAST),
        ({"Cache-Control": "max-age=600, max-age=86400"}, LEAST),
        ({"Cache-Control": "no-store, max-age=600"}, LEAST),
        ({"Cache-Control": "no-cache"}, LEAST),
        ({"Cache-Control": 'private="x", max-age=600'}, LEAST),
        ({"Cache-Control": "max-age=600", "Age": "100"}, 500),
        ({"Cache-Control": "max-age=600", "Age": "9999"}, LEAST),
        ({"Cache-Control": "max-age=600", "Age": "soon"}, LEAST),
        ({"Age": "100"}, UNSAID - 100),
        ({"Expires": "Tue, 24 Nov 2026 12:10:00 GMT", **DATE}, 600),
        ({"Expires": "Tue, 24 Nov 2026 12:10:00 GMT", "Cache-Control": "max-age=60", **DATE}, 60),
        ({"Expires": "Tue, 24 Nov 2026 11:00:00 GMT", **DATE}, LEAST),
        ({"Expires": "Tue, 24 Nov 2026 12:10:00 GMT"}, LEAST),
        ({"Expires": "0", **DATE}, LEAST),
        ({"Expires": "Tue, 24 Nov 9999 12:10:00 GMT", **DATE}, MOST),
    ],
)
def test_lifetime(headers: dict[str, str], seconds: float) -> None:
    """What is said counts between 30 seconds and a day; what cannot be understood counts as little as possible."""
    assert lifetime(headers) == seconds


def test_pause() -> None:
    """Failures are remembered for 5 seconds at first, and for a minute when they go on."""
    assert [pause(failures) for failures in (1, 2, 3, 4, 5, 6, 1000)] == [5, 10, 20, 40, 60, 60, 60]


@pytest.mark.parametrize(
    ("directives", "seconds"),
    [
        ("", 3600),
        ("max-age=60", 3600),
        ("max-age=60, stale-if-error=600", 600),
        ("stale-if-error=86400", 3600),
        ("stale-if-error=0", 0),
        ("stale-if-error=soon", 0),
        ("stale-if-error=60, stale-if-error=600", 0),
        ("max-age=60, must-revalidate", 0),
        ("proxy-revalidate, stale-if-error=600", 0),
    ],
)
def test_stale_for(directives: str, seconds: float) -> None:
    """An hour at most while a host cannot be reached; less, or nothing, where it asked for that."""
    assert stale_for({"Cache-Control": directives}) == seconds
