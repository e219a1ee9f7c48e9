"""What a host is told of what is known, and when its "not modified" is believed."""

import pytest

from vestry_verifier.foreign.validator import condition, read_validator, renews

DATE = "Tue, 24 Nov 2026 10:00:00 GMT"
LATER = "Tue, 24 Nov 2026 10:01:00 GMT"


@pytest.mark.parametrize(
    ("headers", "header"),
    [
        ({"ETag": '"1"'}, {"If-None-Match": '"1"'}),
        ({"ETag": 'W/"1"'}, {"If-None-Match": 'W/"1"'}),
        ({"ETag": '"1"', "Last-Modified": DATE, "Date": LATER}, {"If-None-Match": '"1"'}),
        ({"Last-Modified": DATE, "Date": LATER}, {"If-Modified-Since": DATE}),
        ({"ETag": "1", "Last-Modified": DATE, "Date": LATER}, {"If-Modified-Since": DATE}),
        ({"ETag": '"1", "2"'}, {}),
        ({"ETag": '"' + "x" * 257 + '"'}, {}),
        ({}, {}),
    ],
)
def test_what_is_sent_back(headers: dict[str, str], header: dict[str, str]) -> None:
    """The ETag, or where there is none the date, as it came; what has not its form is not sent back."""
    assert condition(read_validator(headers)) == header


@pytest.mark.parametrize(
    ("modified", "made"),
    [
        (DATE, None),
        (DATE, DATE),
        (DATE, "Tue, 24 Nov 2026 10:00:59 GMT"),
        (LATER, DATE),
        (DATE, "now"),
        ("now", LATER),
        ("Tue, 24 Nov 2026 10:00:00 +0000", LATER),
        ("Tuesday, 24-Nov-26 10:00:00 GMT", LATER),
        ("Tue Nov 24 10:00:00 2026", LATER),
        ("Mon, 24 Nov 2026 10:00:00 GMT", LATER),
        ("Tue, 24 Nov 2026  10:00:00 GMT", LATER),
        (f"{DATE}, {DATE}", LATER),
        (f"{DATE}\r\nX-Other: 1", LATER),
    ],
)
def test_dates_that_are_no_validators(modified: str, made: str | None) -> None:
    """A date within a minute of the answer, ahead of it, or in another form than the one that is sent."""
    headers = {"Last-Modified": modified} | ({} if made is None else {"Date": made})
    assert read_validator(headers) is None


@pytest.mark.parametrize(
    ("validator", "headers", "passes"),
    [
        ('"1"', {}, True),
        ('"1"', {"ETag": '"1"'}, True),
        ('"1"', {"ETag": 'W/"1"'}, True),
        ('"1"', {"ETag": '"2"'}, False),
        ('"1"', {"Last-Modified": LATER}, True),
        (DATE, {}, True),
        (DATE, {"Last-Modified": DATE, "ETag": '"2"'}, True),
        (DATE, {"Last-Modified": LATER}, False),
    ],
)
def test_not_modified_about_what_is_known(validator: str, headers: dict[str, str], passes: bool) -> None:
    """It renews what it is about, and nothing else."""
    assert renews(headers, validator) == passes
