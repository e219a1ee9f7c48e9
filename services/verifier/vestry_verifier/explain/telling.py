"""All checks of a question in one list, and its signatures with the text that was signed."""

from typing import Any

from vestry_signatures import Request, Signature
from vestry_signatures.base import signature_base
from vestry_signatures.components import Component, value_of
from vestry_signatures.errors import VestryError
from vestry_verifier.explain.accounts import Account, Scene
from vestry_verifier.explain.checks import OF_A_SIGNATURE, OTHER, Check, Checks
from vestry_verifier.explain.claim_checks import claim_checks
from vestry_verifier.explain.key_checks import key_checks
from vestry_verifier.explain.request_checks import request_checks
from vestry_verifier.explain.store_checks import store_checks
from vestry_verifier.explain.words import shortened


def tell(scene: Scene, accounts: list[Account], error: VestryError | None) -> list[Check]:
    """List every check in the order of the ceremony.

    Args:
        scene: what was asked.
        accounts: what became of its signatures.
        error: the verdict's, None where the request would verify.
    """
    told = request_checks(scene)
    if all(check.result != "failed" for check in told):
        for account in accounts:
            told += _of_signature(account, scene)
        told += store_checks(accounts, scene)
    if error is not None and decisive(told, error) is None:
        told.append(Check(OTHER, None, "failed", str(error), error))
    return told


def decisive(told: list[Check], error: VestryError | None) -> Check | None:
    """Find the failed check that decided: the first with the reason of the verdict."""
    if error is None:
        return None
    failed = (check for check in told if check.result == "failed" and check.error is not None)
    return next((check for check in failed if check.error and check.error.reason == error.reason), None)


def _of_signature(account: Account, scene: Scene) -> list[Check]:
    checks = Checks(OF_A_SIGNATURE, account.label)
    claim_checks(checks, account, scene)
    key_checks(checks, account, scene)
    return checks.close()


def described(account: Account, request: Request) -> dict[str, Any]:
    """Show a signature: what it covers with the values derived here, and the signature base as text."""
    signature = account.signature
    if isinstance(signature, VestryError):
        return {"label": account.label, "covered": [], "signature_base": None}
    covered = [{"component": part.label, "value": _value(request, part)} for part in signature.covered]
    return {"label": account.label, "covered": covered, "signature_base": base_of(signature, request)}


def _value(request: Request, part: Component) -> str | None:
    try:
        return shortened(value_of(request, part))
    except VestryError:
        return None


def base_of(signature: Signature, request: Request) -> str | None:
    """Return the signature base as text, None where it cannot be built."""
    try:
        return signature_base(request, signature.covered, signature.parameters).decode("ascii")
    except VestryError:
        return None
