"""What both ports of both services answer to machines: health, and on internal ports metrics."""

from collections.abc import Mapping, Sequence
from typing import Final

from vestry_service.openapi import OPERATION, operation, readable
from vestry_service.openapi_parts import Json, answer, header, one_of, strict

TAGS: Final = {OPERATION: "For supervisors, balancers and Prometheus."}
WITH_REPLICAS: Final = "replicas"
"""The check of whoever has NONCE_REPLICAS set (`replicas.py`)."""
_UNCACHED: Final = header("Never kept.", "^no-store$", required=True)


def health_paths(checks: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Json]:
    """Describe the health routes of a service whose checks have these names; `optional`: those it may not have."""
    optional = (*optional, WITH_REPLICAS)
    return {
        "/livez": readable(_alive()),
        "/readyz": readable(_ready("readReadiness", checks, optional)),
        "/healthz": readable(_ready("readHealth", checks, optional)),
    }


def metrics_path() -> dict[str, Json]:
    """Describe the metrics of a service."""
    told = answer("The metrics, for Prometheus.", {"type": "string"}, "text/plain")
    return {"/metrics": readable(operation("readMetrics", "metrics", tag=OPERATION, answers={200: told}))}


def _alive() -> Json:
    told = answer("The process turns.", strict({"status": {"const": "ok"}}), Cache_Control=_UNCACHED)
    return operation("readLiveness", "does the process live?", tag=OPERATION, answers={200: told})


def _ready(name: str, checks: Sequence[str], optional: Sequence[str]) -> Json:
    return operation(
        name,
        "can the process serve?",
        tag=OPERATION,
        answers={
            200: _state("Every required check passes.", ["ok"], checks, optional),
            503: _state(
                "A required check fails, or the process is stopping.",
                ["failed", "draining"],
                checks,
                optional,
            ),
        },
    )


def _state(description: str, words: Sequence[str], checks: Sequence[str], optional: Sequence[str]) -> Json:
    facts: Mapping[str, Json] = {
        "status": one_of(*words),
        "checks": strict({name: _check() for name in (*checks, *optional)}, optional=optional),
    }
    return answer(description, strict(facts), Cache_Control=_UNCACHED)


def _check() -> Json:
    facts: Mapping[str, Json] = {
        "status": one_of("ok", "failed"),
        "required": {"type": "boolean"},
        "reason": {"type": "string", "description": "Why it failed."},
        "duration_ms": {"type": "number", "minimum": 0},
    }
    return strict(facts, optional=["reason"])
