"""The admin API over HTTP, with nothing but the standard library.

The token goes to the one URL that the operator named: redirects are not followed and no proxy is used, since either
would hand the token to somebody else.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPException
from typing import IO, Any, Final

import click

SECONDS: Final = 30


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Let a redirect be the error that it is here."""


class Api:
    """Calls one registrar's admin API.

    Args:
        url: of the registrar's internal port.
        token: the operator's.
    """

    def __init__(self, url: str, token: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise click.BadParameter("must begin with http:// or https://", param_hint="--url")
        self._url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)

    def get(self, path: str, **parameters: object) -> dict[str, Any]:
        """Read something; a parameter that is None is left out. Raises ClickException."""
        query = urllib.parse.urlencode({k: v for k, v in parameters.items() if v is not None})
        return self._call("GET", f"{path}?{query}" if query else path, None)

    def post(self, path: str, **facts: object) -> dict[str, Any]:
        """Do something; a fact that is None is left out. Raises ClickException."""
        given = {name: value for name, value in facts.items() if value is not None}
        return self._call("POST", path, json.dumps(given).encode())

    def _call(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at above
            f"{self._url}/admin{path}", body, headers, method=method
        )
        try:
            with self._opener.open(request, timeout=SECONDS) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise click.ClickException(_message(refusal)) from None
        except urllib.error.URLError as error:
            raise click.ClickException(f"{self._url} cannot be reached: {error.reason}") from None
        except (OSError, ValueError, HTTPException):
            raise click.ClickException(f"{self._url} does not answer as a registrar does") from None


def _message(refusal: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the answer is {refusal.code}, and not one of a registrar's internal port: check --url"


def quoted(part: str) -> str:
    """Return a part of a path that stays one part, whatever is in it."""
    return urllib.parse.quote(part, safe="")
