"""The image: small, not root, from what is locked alone, buildable with public images and package registries."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
# Instructions with their continued lines, without comments.
STEPS = [
    tuple(re.sub(r"\\\n\s*", "", step).split(maxsplit=1))
    for step in re.findall(r"^(?!#)\S(?:.*\\\n)*.*$", DOCKERFILE, re.MULTILINE)
]
STAGES = [index for index, (word, _) in enumerate(STEPS) if word == "FROM"]
FINAL = STEPS[STAGES[-1] :]


def last(word: str) -> str:
    """The argument of the last such instruction of the final stage."""
    return [argument for found, argument in FINAL if found == word][-1]


def test_it_is_built_anywhere() -> None:
    """No front end is fetched, no digest pins one registry's copy, and the old builder understands every line."""
    assert not re.match(r"\s*#\s*syntax\s*=", DOCKERFILE)
    assert "@sha256:" not in DOCKERFILE
    assert "<<" not in DOCKERFILE


def test_it_does_not_run_as_root() -> None:
    """By number, so that an orchestrator can tell without looking inside; and the same number at each build."""
    assert last("USER") == "10001:10001"
    words = [word for word, _ in FINAL]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in {"RUN", "COPY"})
    assert "--uid 10001" in last("RUN")


def test_what_builds_is_left_behind() -> None:
    """The final stage takes one folder over, and installs nothing."""
    assert len(STAGES) == 2
    assert [argument for word, argument in FINAL if word == "COPY"] == [
        "--from=build /opt/vestry /opt/vestry"
    ]
    assert not any("pip" in argument or "apt" in argument for word, argument in FINAL if word == "RUN")


def test_only_what_is_locked_is_installed() -> None:
    """One step has an index, and there everything is checked by its hash; wheels alone, so nothing is run."""
    pip = [
        step
        for word, argument in STEPS
        if word == "RUN"
        for step in argument.split("&&")
        if " pip" in f" {step}"
    ]
    indexed = [step for step in pip if "--no-index" not in step]
    assert len(pip) == 3
    assert len(indexed) == 1
    assert "--require-hashes --only-binary=:all:" in indexed[0]
    assert "-r requirements.lock" in indexed[0]


def test_it_is_told_to_stop_as_the_services_expect() -> None:
    """SIGTERM drains."""
    assert last("STOPSIGNAL") == "SIGTERM"


def test_output_is_not_held_back() -> None:
    """A log line is there when it is written."""
    assert "PYTHONUNBUFFERED=1" in last("ENV")


def test_the_context_holds_what_the_wheel_is_made_of_and_nothing_else() -> None:
    """Neither history nor data nor anybody's secrets are sent to the builder."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    sent = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    roots = {path.split("/")[0] for path in [*wheel["packages"], *wheel["force-include"]]}
    files = {project["project"]["readme"], *project["project"]["license-files"]}
    assert sent == roots | files | {"pyproject.toml", "requirements.lock"}
