"""Explanations, held against what `/verify` answers: they must never say another thing."""

from typing import Any

import pytest

from bare_client import Answer
from services import Service, Services
from vestry_verifier.explain.checks import NAMES, OTHER

CANNOT_TELL = {"REPLAY_STORE_UNAVAILABLE", "DIRECTORY_UNREACHABLE"}
"""On a machine that is busy one of two answers may honestly be this."""


def conclusion(answer: Answer) -> tuple[int, str | None, str | None]:
    """Status, reason and outcome, as `/verify` answers them."""
    if answer.status == 200:
        return 200, None, answer.json["outcome"]
    error = answer.json["error"]
    return answer.status, error["reason"], error.get("outcome")


def explained(answer: Answer) -> tuple[int, str | None, str | None]:
    """The same of an explanation; a body that is no question at all is refused as `/verify` refuses it."""
    if answer.status != 200:
        return conclusion(answer)
    require_consistent(answer.json)
    return answer.json["status"], answer.json["reason"], answer.json["outcome"]


def require_consistent(told: dict[str, Any]) -> None:
    """What an explanation says in its parts is what it says as a whole."""
    names = [check["check"] for check in told["checks"]]
    assert set(names) <= set(NAMES)
    assert OTHER not in names  # every refusal has a check that it belongs to
    for label in {check["signature"] for check in told["checks"]}:
        order = [NAMES.index(check["check"]) for check in told["checks"] if check["signature"] == label]
        assert order == sorted(set(order))
    failed = [check for check in told["checks"] if check["result"] == "failed"]
    assert all(check["reason"] and check["saw"] for check in failed)
    if told["reason"] is None:
        assert (told["failed"], told["hint"], told["message"]) == (None, None, None)
        [label] = [told["signer"]["label"]]
        of_signer = [check for check in told["checks"] if check["signature"] in {None, label}]
        assert all(check["result"] == "passed" for check in of_signer)
    else:
        assert (told["failed"], told["reason"]) in {(check["check"], check["reason"]) for check in failed}
        assert told["hint"]
        assert told["signer"] is None


def agreeing(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Have every question to `/verify` explained first, and held against the answer; return the reasons seen.

    Where questions overlap nothing is compared, for between an explanation and the answer another may spend the
    nonce: so what comes while another is under way is not explained either.
    """
    ask, seen, under_way = Services.ask, [], [0, 0]

    async def explain_and_ask(
        self: Services, question: Any, verifier: Service | None = None, path: str = "/verify"
    ) -> Answer:
        under_way[0] += 1
        under_way[1] += 1
        number, alone = under_way[1], under_way[0] == 1
        try:
            told = await self.explain(question, verifier) if alone and path == "/verify" else None
            answer = await ask(self, question, verifier, path)
        finally:
            under_way[0] -= 1
        if told is not None and number == under_way[1]:
            compare(told, answer)
            seen.append(explained(told)[1])
        return answer

    monkeypatch.setattr(Services, "ask", explain_and_ask)
    return seen


def compare(told: Answer, answer: Answer) -> None:
    """Hold an explanation against an answer."""
    one, other = explained(told), conclusion(answer)
    if one != other and len({one[1], other[1]} & CANNOT_TELL) == 1:
        return
    assert one == other, told.body
    if answer.status == 200:
        assert told.json["signer"] == answer.json
    elif told.status == 200:
        assert answer.json["error"]["message"] == f"[{told.json['reason']}] {told.json['message']}"
