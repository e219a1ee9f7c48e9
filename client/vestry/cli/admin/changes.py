"""A change of one agent or tool, and what is said of it."""

from vestry.cli.admin import show
from vestry.cli.admin.api import Api, quoted


def change(api: Api, kind: str, uid: str, verb: str, reason: str, *, as_json: bool) -> None:
    """Do it. `kind`: `agents` or `tools`, as the paths of the API have it. Raises ClickException."""
    answer = api.post(f"/{kind}/{quoted(uid)}/{verb}", reason=reason)
    already = "" if answer["changed"] else " already"
    show.done(answer, f"{uid} is {answer['state']}{already}", as_json=as_json)
