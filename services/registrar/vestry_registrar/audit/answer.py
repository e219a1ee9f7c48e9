"""The answer to "which keys could sign as this uid then, since when, and by whose doing?", as JSON carries it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vestry_registrar.audit.chain import Written
from vestry_registrar.audit.history import Key, Owner


def answer(uid: str, at: datetime, owner: Owner) -> dict[str, Any]:
    """Say how an owner stood at a time.

    Returns:
        `uid`, `at`, `state` (null: unknown then) with `state_since` and `state_by`; `could_sign`, a list of kids; and
        `keys`, every key that had come. Times are ISO 8601 in UTC.
    """
    now = at.timestamp()
    signers = {key.kid for key in owner.signers(now)}
    return {
        "uid": uid,
        "at": _iso(at),
        "state": owner.state,
        "state_since": owner.since and owner.since.at,
        "state_by": owner.since and doing(owner.since),
        "could_sign": [kid for kid in owner.keys if kid in signers],
        "keys": [_key(key, now, could_sign=key.kid in signers) for key in owner.keys.values()],
    }


def doing(event: Written) -> dict[str, Any]:
    """Say what was done, by whom, from where, and why, where that was told."""
    told = event.details if isinstance(event.details, dict) else {}
    return {
        "event": event.event,
        "event_id": event.id,
        "kind": event.actor_kind,
        "name": event.actor,
        "client_ip": event.client_ip,
        "request_id": event.request_id,
        "reason": told.get("reason"),
    }


def _key(key: Key, now: float, *, could_sign: bool) -> Mapping[str, Any]:
    return {
        "kid": key.kid,
        "could_sign": could_sign,
        "standing": key.standing(now),
        "since": key.came and key.came.at,
        "by": key.came and doing(key.came),
        "not_before": _bound(key.not_before),
        "not_after": _bound(key.not_after),
        "ended": key.went and key.went.at,
        "ended_by": key.went and doing(key.went),
    }


def _bound(seconds: int | None) -> str | None:
    """A bound as a time; as the number it is where the calendar ends before."""
    if seconds is None:
        return None
    try:
        return _iso(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
