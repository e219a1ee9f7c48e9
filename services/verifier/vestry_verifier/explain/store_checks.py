"""What the one round trip would say of the signatures that were proven. Steps 5 and 6 of the ceremony."""

from collections.abc import Sequence

from vestry_service.errors import ServiceError
from vestry_service.live_records import LiveRecord
from vestry_service.replay import Answer
from vestry_service.standing import require_standing
from vestry_service.trust import Signer
from vestry_service.uses import require_fresh
from vestry_signatures import Proof
from vestry_signatures.errors import ReplayStoreUnavailable, SignatureError, VestryError
from vestry_verifier.explain.accounts import Account, Scene, raised
from vestry_verifier.explain.checks import OF_THE_STORE, Check, Checks


def store_checks(accounts: Sequence[Account], scene: Scene) -> list[Check]:
    """Tell of each proven signature whether it was used before, and whether its key stands."""
    proven = [each for each in accounts if isinstance(each.proof, Proof)]
    told = [check for each in proven for check in _checks(each, scene)]
    return sorted(
        told, key=lambda check: OF_THE_STORE.index(check.name) > 0
    )  # every use before every standing


def _checks(account: Account, scene: Scene) -> list[Check]:
    checks = Checks(OF_THE_STORE, account.label)
    answer, away = account.answer, scene.witness.store.away
    if answer is None:
        if away is not None:
            checks.failed("replay", "the store was asked", away)
    elif not answer.fresh:
        checks.settle("replay", "", raised(lambda: require_fresh(answer)))
    else:
        checks.passed("replay", "never spent so far; this explanation does not spend it")
        _standing(checks, account, answer, scene)
    return checks.close()


def _standing(checks: Checks, account: Account, answer: Answer, scene: Scene) -> None:
    foreign = isinstance(account.signer, Signer) and account.signer.foreign
    error = _foreign_error(account, answer, scene) if foreign else _error(account, answer, scene)
    said = "by its own directory" if foreign else _said(answer.record)
    if error is not None:
        checks.failed("standing", said, error)
        return
    checks.passed("standing", said)
    if answer.remembered:
        checks.passed("memory", "the store remembers every nonce since before the signature was created")
    else:
        checks.failed("memory", "the store's memory began later than the signature", ReplayStoreUnavailable())


def _error(account: Account, answer: Answer, scene: Scene) -> VestryError | None:
    signer = account.signer
    if not isinstance(signer, Signer) or not isinstance(account.proof, Proof):
        return None
    if answer.record is None:
        asked = scene.witness.keys.asked.get((signer.uid, account.proof.key.kid))
        return asked or scene.witness.store.away or ReplayStoreUnavailable()
    try:
        require_standing(answer.record, signer.uid, scene.now)
    except (SignatureError, ServiceError) as error:
        return error
    return None


def _foreign_error(account: Account, answer: Answer, scene: Scene) -> VestryError | None:
    """Find why a foreign pair stands no more; where nothing is remembered nobody asked."""
    if not answer.remembered or not isinstance(account.signer, Signer) or account.key is None:
        return None
    return scene.witness.keys.asked.get((account.signer.uid, account.key.kid))


def _said(record: LiveRecord | None) -> str:
    if record is None:
        return "no live record"
    bounds = [f"not before {record.not_before}"] if record.not_before else []
    bounds += [f"not after {record.not_after}"] if record.not_after else []
    return ", ".join([f"{record.state}, of {record.uid}, version {record.version} of it", *bounds])
