"""What an answer says of the limits it was counted against: the fields RateLimit and RateLimit-Policy.

Source: draft-ietf-httpapi-ratelimit-headers-10. `"register";q=30;w=60` is a policy, 30 requests in 60 seconds;
`"register";r=29;t=2` what is left of it: 29 more, and one more than that in 2 seconds.
"""

from collections.abc import Sequence
from typing import Final

from vestry_service.limits import Check, Verdict

RATE_LIMIT: Final = "RateLimit"
POLICY: Final = "RateLimit-Policy"
Counted = tuple[Check, Verdict]
"""A bucket that was asked, and what it said."""


def fields_of(counted: Sequence[Counted]) -> dict[str, str]:
    """Return the two fields; none where nothing was counted."""
    if not counted:
        return {}
    return {
        POLICY: ", ".join(_policy(check) for check, _ in counted),
        RATE_LIMIT: ", ".join(_left(check, verdict) for check, verdict in counted),
    }


def _policy(check: Check) -> str:
    return f'"{check.limit}";q={check.rate.count};w={check.rate.seconds}'


def _left(check: Check, verdict: Verdict) -> str:
    return f'"{check.limit}";r={verdict.remaining};t={verdict.wait}'
