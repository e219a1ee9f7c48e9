"""Every metric of the wire contract is there under its name, and nothing is shared between two services."""

import pytest
from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from vestry_service.metrics import Metrics

NAMES = {
    "http_requests_total": {"service", "method", "route", "status"},
    "http_request_duration_seconds_count": {"service", "method", "route"},
    "http_requests_in_progress": {"service"},
    "vestry_verifications_total": {"outcome", "reason", "profile"},
    "vestry_verify_duration_seconds_count": set(),
    "vestry_replay_checks_total": {"result"},
    "vestry_key_cache_events_total": {"event"},
    "vestry_directory_fetches_total": {"result"},
    "vestry_directory_fetch_duration_seconds_count": set(),
    "vestry_registrations_total": {"result"},
    "vestry_rotations_total": {"result"},
    "vestry_revocations_total": {"by"},
    "vestry_agents": {"state"},
    "vestry_keys": {"state"},
    "vestry_outbox_pending": set(),
    "vestry_db_pool_connections": {"state"},
    "vestry_build_info": {"version"},
}


def used() -> Metrics:
    """Metrics of which every one has been touched once."""
    metrics = Metrics("registrar", "1.2.3")
    metrics.http.answered("GET", "/", 200, 0.01)
    metrics.verifications.labels("verified", "", "vestauth").inc()
    metrics.verify_duration.observe(0.0003)
    for counter in (
        metrics.replay_checks,
        metrics.key_cache_events,
        metrics.directory_fetches,
        metrics.registrations,
        metrics.rotations,
        metrics.revocations,
    ):
        counter.labels("x").inc()
    for gauge in (metrics.agents, metrics.keys, metrics.db_pool_connections):
        gauge.labels("x").set(1)
    return metrics


def samples(metrics: Metrics) -> dict[str, set[str]]:
    body, _ = metrics.render()
    families = text_string_to_metric_families(body.decode())
    return {sample.name: set(sample.labels) for family in families for sample in family.samples}


def test_every_name_and_label_of_the_contract_is_there() -> None:
    """Dashboards and alerts are written against these names."""
    found = samples(used())
    assert {name: found.get(name) for name in NAMES} == NAMES


def test_a_scrape_says_what_it_is() -> None:
    """Prometheus reads the text format by its content type."""
    body, content_type = used().render()
    assert content_type.startswith("text/plain")
    assert b'vestry_build_info{version="1.2.3"} 1.0' in body


def test_verify_is_timed_from_a_quarter_of_a_millisecond() -> None:
    """A verification takes well under a millisecond: coarser buckets would show nothing."""
    body = used().render()[0].decode()
    assert 'vestry_verify_duration_seconds_bucket{le="0.00025"} 0.0' in body
    assert 'vestry_verify_duration_seconds_bucket{le="0.0005"} 1.0' in body


def test_two_services_in_one_process_count_apart() -> None:
    """Nothing is kept in the module."""
    one, other = Metrics("registrar", "1"), Metrics("verifier", "1")
    one.registrations.labels("new").inc()
    assert b"vestry_registrations_total{" not in other.render()[0]


@pytest.mark.parametrize("name", ["agents", "keys", "outbox_pending", "db_pool_connections", "build_info"])
def test_gauges_say_how_several_processes_are_put_together(name: str) -> None:
    """Summing what each process read from one database would count it several times."""
    gauge = getattr(Metrics("registrar", "1"), name)
    assert isinstance(gauge, Gauge)
    assert gauge._multiprocess_mode != "all"
