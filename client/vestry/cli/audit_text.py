"""What `vestry audit` found, for people."""

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def who(answer: Facts) -> str:
    """Say who could sign; below it, which keys could not, and why."""
    keys = answer["keys"]
    could = [key for key in keys if key["could_sign"]]
    could_not = [key for key in keys if not key["could_sign"]]
    lines = [_owner(answer), _number(len(could), "could sign", could)]
    lines += [_key(key) for key in could]
    if could_not:
        lines.append(_number(len(could_not), "could not", could_not))
        lines += [_key(key) for key in could_not]
    return _printable(lines)


def event(facts: Facts) -> str:
    """Say what one event tells, on one line."""
    doing = {**facts, "kind": facts["actor_kind"], "name": facts["actor"], "reason": None}
    details = "".join(f", {name}: {value}" for name, value in _members(facts["details"]))
    return _printable(
        [f"{facts['at']}  {facts['event']:<17} {facts['kid'] or '-':<43}  {_by(doing)}{details}"]
    )


def _owner(answer: Facts) -> str:
    if answer["state"] is None:
        return f"{answer['uid']} at {answer['at']}: the trail knows nothing of it"
    doing = answer["state_by"]
    since = f"since {answer['state_since']}: {doing['event']} {_by(doing)}"
    return f"{answer['uid']} at {answer['at']}: {answer['state']}, {since}"


def _number(count: int, could: str, keys: list[Facts]) -> str:
    noun = "keys" if count > 1 else "key"
    return f"{count or 'no'} {noun} {could}{':' if keys else ''}"


def _key(key: Facts) -> str:
    came = (
        f"since {key['since']}: {key['by']['event']} {_by(key['by'])}"
        if key["by"]
        else "from before the trail"
    )
    facts = [f"  {key['kid']}  {key['standing']}", came]
    facts += [f"not before {key['not_before']}"] if key["not_before"] else []
    facts += [f"until {key['not_after']}"] if key["not_after"] else []
    facts += [_ended(key)] if key["ended_by"] else []
    return "\n      ".join(facts)


def _ended(key: Facts) -> str:
    return f"taken out of use {key['ended']}: {key['ended_by']['event']} {_by(key['ended_by'])}"


def _by(doing: Facts) -> str:
    actor = "a key itself" if doing["kind"] == "key" else f"{doing['kind']} {doing['name']}"
    whence = f" from {doing['client_ip']}" if doing["client_ip"] else ""
    request = f", request {doing['request_id']}" if doing["request_id"] else ""
    reason = f", reason: {doing['reason']}" if doing["reason"] else ""
    return f"by {actor}{whence}{request}{reason}"


def _members(details: Any) -> list[tuple[str, Any]]:
    return list(details.items()) if isinstance(details, dict) else [("details", details)]


def _printable(lines: list[str]) -> str:
    """Leave no character in that would move a terminal's cursor: names and reasons are what somebody typed."""
    return "\n".join(
        "".join(c if c.isprintable() else "?" for c in part) for text in lines for part in text.split("\n")
    )
