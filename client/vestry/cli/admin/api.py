"""The admin API over HTTP. The token goes to the one URL that the operator named (`json_over_http`)."""

import urllib.parse
from typing import Any

from vestry.cli.json_over_http import JsonOverHttp


class Api:
    """Calls one registrar's admin API.

    Args:
        url: of the registrar's internal port.
        token: the operator's.
    """

    def __init__(self, url: str, token: str) -> None:
        self._http = JsonOverHttp(url, token, "a registrar", "--url", "--token-file or VESTRY_ADMIN_TOKEN")

    def get(self, path: str, **parameters: object) -> dict[str, Any]:
        """Read something; a parameter that is None is left out. Raises ClickException."""
        query = urllib.parse.urlencode({k: v for k, v in parameters.items() if v is not None})
        return self._http.call("GET", f"/admin{path}?{query}" if query else f"/admin{path}")

    def post(self, path: str, **facts: object) -> dict[str, Any]:
        """Do something; a fact that is None is left out. Raises ClickException."""
        given = {name: value for name, value in facts.items() if value is not None}
        return self._http.call("POST", f"/admin{path}", given)


def quoted(part: str) -> str:
    """Return a part of a path that stays one part, whatever is in it."""
    return urllib.parse.quote(part, safe="")
