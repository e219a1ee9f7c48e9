"""The checks by name, in the order of the ceremony, and how one of them went.

`shared/vestry_service/verification.py` has the ceremony itself.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

from vestry_signatures.errors import VestryError

Result = Literal["passed", "failed", "skipped"]

OF_THE_REQUEST: Final = ("question", "authority", "signature-headers", "tag", "signature-agent-header")
OF_A_SIGNATURE: Final = (
    "form",
    "parameters",
    "time",
    "lifetime",
    "coverage",
    "agent",
    "profile",
    "nonce",
    "required",
    "trust",
    "keyid",
    "key",
    "thumbprint",
    "algorithm",
    "components",
    "signature",
    "content-digest",
    "admission",
)
OF_THE_STORE: Final = ("replay", "standing", "memory")
OTHER: Final = "other"
"""Whatever else the judge refuses a request for."""
NAMES: Final = (*OF_THE_REQUEST, *OF_A_SIGNATURE, *OF_THE_STORE, OTHER)
NOT_REACHED: Final = "not reached"


class Check(NamedTuple):
    """How one check went.

    Attributes:
        name: one of `NAMES`.
        label: of the signature that it is about, None where it is about the whole request.
        result: `skipped` where it was not made, for one before it had failed.
        saw: what there was to see, in words.
        error: what it was refused for.
    """

    name: str
    label: str | None
    result: Result
    saw: str
    error: VestryError | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the members of an object of JSON."""
        reason = None if self.error is None else self.error.reason
        return {
            "check": self.name,
            "signature": self.label,
            "result": self.result,
            "saw": self.saw,
            "reason": reason,
        }


class Checks:
    """Collects the checks of one stretch of the ceremony, in its order: what follows a failure is skipped."""

    def __init__(self, names: Iterable[str], label: str | None = None) -> None:
        self._waiting = list(names)
        self._label = label
        self.made: list[Check] = []

    @property
    def going(self) -> bool:
        """Whether no check has failed so far."""
        return not any(check.result == "failed" for check in self.made)

    def passed(self, name: str, saw: str) -> None:
        """Note a check that passed."""
        self._note(name, "passed", saw)

    def failed(self, name: str, saw: str, error: VestryError) -> None:
        """Note a check that failed."""
        self._note(name, "failed", f"{saw}: {error}" if saw else str(error), error)

    def settle(self, name: str, saw: str, error: VestryError | None) -> None:
        """Note a check that failed where there is an error, and passed where there is none."""
        if error is None:
            self.passed(name, saw)
        else:
            self.failed(name, saw, error)

    def close(self) -> list[Check]:
        """Note that the rest was skipped, and return everything."""
        for name in self._waiting:
            self.made.append(Check(name, self._label, "skipped", NOT_REACHED))
        self._waiting = []
        return self.made

    def _note(self, name: str, result: Result, saw: str, error: VestryError | None = None) -> None:
        self._waiting.remove(name)
        self.made.append(Check(name, self._label, result, saw, error))
