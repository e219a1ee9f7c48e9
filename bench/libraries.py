"""Released libraries that verify a request, as slices; None where one cannot be had here."""

import base64
import datetime
import json
import subprocess
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench.figures import Sample, Slice
from bench.peers import python_package, released
from bench.repeated import repeated
from bench.stacks import SERVER_CORE, pin
from vestry_signatures import PrivateKey

_SCRIPT = Path(__file__).with_name("libraries.cjs")


def node_library(
    exits: ExitStack, name: str, url: str, headers: dict[str, str], private: PrivateKey, seconds: float
) -> Slice | None:
    """A library of scripts/clients.py, in a process of its own."""
    place = released(name)
    if place is None:
        return None
    folder = next(parent for parent in place.parents if parent.name == "node_modules").parent
    process = exits.enter_context(
        subprocess.Popen(
            ["node", _SCRIPT, folder, name, url, json.dumps(headers), json.dumps(private.public.jwk)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: pin(SERVER_CORE),
        )
    )
    exits.callback(process.kill)

    def measure() -> Sample:
        assert process.stdin is not None
        assert process.stdout is not None
        print(seconds, file=process.stdin, flush=True)
        rate = float(process.stdout.readline())
        return Sample(rate, 1 / rate)

    return measure


def http_message_signatures(
    url: str, headers: dict[str, str], private: PrivateKey, seconds: float
) -> Slice | None:
    """PyPI's http-message-signatures, in this process, with its key object made before as ours is."""
    folder = python_package("http-message-signatures")
    if folder is None:
        return None
    sys.path.append(str(folder))
    library: Any = import_module("http_message_signatures")
    jwk = private.public.jwk
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "="))
    resolver = library.MappingKeyResolver(public_keys={jwk["kid"]: key}, private_keys={})
    verifier = library.HTTPMessageVerifier(
        signature_algorithm=library.algorithms.ED25519, key_resolver=resolver
    )
    message = SimpleNamespace(method="GET", url=url, headers=headers)
    hour = datetime.timedelta(hours=1)
    return repeated(lambda: verifier.verify(message, max_age=hour, expect_tag="web-bot-auth"), seconds)
