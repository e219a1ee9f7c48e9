"""Does a key stand for an agent now? What the live record says decides, at every request.

A key passes while it is `active`, or `retiring`: replaced, and still good until its end. Its time is compared here,
at each request, to the second; so a key stops by itself wherever somebody verifies, with no job that has to run.
"""

from typing import Final

from vestry_service.errors import PendingAgent
from vestry_service.live_records import LiveRecord
from vestry_signatures.errors import NotYetValid, RevokedKey, SuspendedAgent, UnknownKey

PASSING: Final = frozenset({"active", "retiring"})


def require_standing(record: LiveRecord, uid: str, now: int) -> None:
    """Refuse a key that does not stand for an agent.

    Args:
        record: the live record of the key.
        uid: the agent that the signature names.
        now: seconds since the epoch.

    Raises:
        UnknownKey: the key is another agent's.
        SuspendedAgent: the agent is suspended.
        PendingAgent: the agent is not approved yet.
        RevokedKey: the key is out of use, or its time is over.
        NotYetValid: the key's time has not come.
    """
    if record.uid != uid:
        raise UnknownKey
    if record.state == "suspended":
        raise SuspendedAgent
    if record.state == "pending":
        raise PendingAgent
    if record.state not in PASSING or (record.not_after and now >= record.not_after):
        raise RevokedKey
    if now < record.not_before:
        raise NotYetValid("the key is not in use yet")
