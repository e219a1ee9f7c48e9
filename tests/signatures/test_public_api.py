"""The package's front door: small, documented, and its example runs."""

import inspect
import textwrap

import pytest

import vestry_signatures
from vestry_signatures import Proof


@pytest.mark.parametrize("name", vestry_signatures.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    """Each name has a docstring of its own; a function says what it raises wherever it can raise."""
    found = getattr(vestry_signatures, name)
    assert found.__doc__
    assert inspect.getmodule(found).__name__.startswith("vestry_signatures.")
    if inspect.isclass(found):
        undocumented = [
            member
            for member, value in vars(found).items()
            if not member.startswith("_") and inspect.isroutine(inspect.unwrap(value)) and not value.__doc__
        ]
        assert undocumented == []


@pytest.mark.parametrize(
    "name", ["parse", "public_key", "private_key", "prove", "sign", "thumbprint", "verify"]
)
def test_what_can_fail_says_how(name: str) -> None:
    """The docstring of a function that refuses input names the errors."""
    assert "Raises:" in getattr(vestry_signatures, name).__doc__


def test_the_names_are_sorted_and_there() -> None:
    """Nothing is promised that is missing, nothing twice."""
    assert vestry_signatures.__all__ == sorted(set(vestry_signatures.__all__))


def test_the_example_runs() -> None:
    """The lines in the package's docstring are a program, and prove what they promise."""
    text = vestry_signatures.__doc__ or ""
    lines = [line for line in text.splitlines() if line.startswith("    ") or not line]
    program = textwrap.dedent("\n".join(lines))
    names = {name: getattr(vestry_signatures, name) for name in vestry_signatures.__all__} | {"now": 1000}
    exec(program, names)
    proof = names["proof"]
    assert isinstance(proof, Proof)
    assert proof.key is names["key"].public
    assert proof.claim.profile == "web-bot-auth"
