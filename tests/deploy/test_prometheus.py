"""What Prometheus is given: a configuration it accepts, and alerts that fire when they should."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from vestry_service.metrics import Metrics

FOLDER = Path(__file__).parents[2] / "deploy/prometheus"
OF_PROMETHEUS = {"up"}
LABELS = re.compile(r"\bby \([^)]*\)|\{[^}]*\}")
FUNCTIONS_AND_WORDS = re.compile(r"\b[a-z_]+ *\(|\bor\b|\b[0-9.]+[a-z]?\b")
NAME = re.compile(r"[a-z_]+")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def samples() -> set[str]:
    """Every name that a scrape can show; a family with labels has no sample before its first use."""
    registry = CollectorRegistry()
    Metrics("verifier", "0", registry)
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
    return {family.name + suffix for family in registry.collect() for suffix in suffixes[family.type]}


def test_prometheus_accepts_its_configuration(promtool: str) -> None:
    """The configuration, and the rules that it names."""
    done = subprocess.run(
        [promtool, "check", "config", "--lint-fatal", FOLDER / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(alerts())} rules found" in done.stdout


def test_each_alert_fires_in_its_case_and_only_then(promtool: str, tmp_path: Path) -> None:
    """What is written in alerts.test.yml holds."""
    cases = (Path(__file__).parent / "alerts.test.yml").read_text()
    (tmp_path / "cases.yml").write_text(cases.replace("[RULES]", f"[{FOLDER / 'alerts.yml'}]"))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "cases.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    """An alert that nobody has seen firing is not there."""
    cases = (Path(__file__).parent / "alerts.test.yml").read_text()
    for alert in alerts():
        assert f'alertname="{alert["alert"]}",alertstate="firing"' in cases


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_metrics_that_exist(alert: dict[str, Any]) -> None:
    """A metric that was renamed would leave an alert silent for ever."""
    asked = set(NAME.findall(FUNCTIONS_AND_WORDS.sub("", LABELS.sub("", alert["expr"]))))
    assert asked
    assert asked <= samples() | OF_PROMETHEUS


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_means(alert: dict[str, Any]) -> None:
    """Whoever is woken up reads what is wrong and how bad it is."""
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]


def test_both_services_are_scraped() -> None:
    """On their internal ports, under the names that the alerts use."""
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs} == {
        "registrar": ["registrar:3001"],
        "verifier": ["verifier:4001"],
    }
