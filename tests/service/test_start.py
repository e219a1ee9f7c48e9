"""What a service does first: a log for everybody, and a word about odd settings."""

import json
import logging

import pytest

from vestry_registrar.settings import RegistrarSettings
from vestry_service.start import make_log, read_settings

ENVIRON = {"DATABASE_URL": "postgresql://h/d", "REDIS_URL": "redis://h", "HOSTNAME": "3f2a9c1b77d0"}


@pytest.mark.usefixtures("stdlib")
def test_warnings_and_libraries_speak_through_one_log(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """An ignored HOSTNAME is logged, and so is what aiohttp has to say, in the same form."""
    make_log("registrar", read_settings(RegistrarSettings, ENVIRON))
    logging.getLogger("aiohttp.server").error("trouble")
    lines = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [line["level"] for line in lines] == ["warning", "error"]
    assert lines[0]["event"].startswith("HOSTNAME '3f2a9c1b77d0'")
    assert lines[1]["event"] == "trouble"
    assert {line["service"] for line in lines} == {"registrar"}
