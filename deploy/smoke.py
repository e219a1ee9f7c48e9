"""The steps of smoke.sh, from inside the registrar's container.

Where each service is asked may be said by REGISTRAR, VERIFIER and PROMETHEUS (host:port); PUBLIC_URL is what the
registrar itself was given, since that is what signatures are made for.
"""

import json
import os
import sys
import time
from http.client import HTTPConnection
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from vestry_signatures import PrivateKey, Request, generate, sign

PUBLIC_URL: Final = os.environ["PUBLIC_URL"]
BASE: Final = urlsplit(PUBLIC_URL)
REGISTRAR: Final = os.environ.get("REGISTRAR", "127.0.0.1:3000")
VERIFIER: Final = os.environ.get("VERIFIER", "verifier:4000")
PROMETHEUS: Final = os.environ.get("PROMETHEUS", "prometheus:9090")
DIRECTORY: Final = "/.well-known/http-message-signatures-directory"
TOOL: Final = "https://tool.example/orders"
PATIENCE: Final = 60.0
"""Seconds until Prometheus must have scraped both: four rounds of its."""


class Answer(NamedTuple):
    """A status and a JSON body."""

    status: int
    body: dict[str, Any]


def ask(where: str, method: str, path: str, body: object = None, **headers: str) -> Answer:
    """Ask `where` (host:port); a Host among the headers says who is meant."""
    connection = HTTPConnection(where, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    except (OSError, ValueError) as error:
        sys.exit(f"FAIL  {method} {path} at {where}: {error}")
    finally:
        connection.close()


def check(what: str, well: bool, answer: Answer) -> None:
    """Print how a step went; the first that did not go well ends the run."""
    if not well:
        sys.exit(f"FAIL  {what}: {answer.status} {json.dumps(answer.body)}")
    print(f"ok    {what}", flush=True)  # noqa: T201 - it is a command


def change(path: str, key: PrivateKey, new: PrivateKey, agent_url: str | None = None) -> Answer:
    """Ask the registrar, signed by `key`, to take the `new` key."""
    signed = sign(Request("POST", PUBLIC_URL + path, {}), key, created=int(time.time()), agent_url=agent_url)
    return ask(REGISTRAR, "POST", path, {"public_jwk": new.public.jwk}, Host=BASE.netloc, **signed)


def signed_request(key: PrivateKey, agent_url: str) -> dict[str, object]:
    """A request to a tool as the tool would pass it on to the verifier."""
    headers = sign(Request("POST", TOOL, {}), key, created=int(time.time()), agent_url=agent_url)
    return {"method": "POST", "url": TOOL, "headers": headers}


def verify(request: dict[str, object]) -> Answer:
    """Ask the verifier who signed."""
    return ask(VERIFIER, "POST", "/verify", request)


def reason(answer: Answer) -> str:
    """Why it was refused, in the wire contract's word."""
    return str(answer.body.get("error", {}).get("reason", ""))


def identity() -> None:
    """Register, verify, replay, rotate."""
    old, new = generate(), generate()
    answer = change("/register", old, old)
    check("an agent registers", answer.status == 200 and answer.body["is_new"], answer)
    uid = answer.body["uid"]
    agent_url = f"{BASE.scheme}://{uid}.{BASE.netloc}"

    answer = ask(REGISTRAR, "GET", DIRECTORY, Host=f"{uid}.{BASE.netloc}")
    kids = [key["kid"] for key in answer.body.get("keys", [])]
    check("its directory shows its key", kids == [old.public.kid], answer)

    request = signed_request(old, agent_url)
    answer = verify(request)
    check("a request that it signed verifies", answer.status == 200 and answer.body["uid"] == uid, answer)
    answer = verify(request)
    check("the same request again is refused", reason(answer) == "REPLAYED_NONCE", answer)

    answer = change("/rotate", old, new, agent_url)
    check("it rotates to a new key", answer.status == 200 and answer.body["kid"] == new.public.kid, answer)
    answer = verify(signed_request(old, agent_url))
    check("its old key is refused at once", reason(answer) == "REVOKED_KEY", answer)
    answer = verify(signed_request(new, agent_url))
    check("its new key verifies at once", answer.status == 200 and answer.body["uid"] == uid, answer)


def observed() -> None:
    """Wait until Prometheus sees both services up."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = ask(PROMETHEUS, "GET", "/api/v1/targets?state=active")
        targets = answer.body["data"]["activeTargets"]
        health = {target["labels"]["job"]: target["health"] for target in targets}
        seen = health == {"registrar": "up", "verifier": "up"}
        if seen or time.monotonic() > until:
            check("Prometheus sees both services up", seen, answer)
            return
        time.sleep(1)


if __name__ == "__main__":
    identity()
    observed()
