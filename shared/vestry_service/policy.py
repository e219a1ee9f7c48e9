"""From the settings to what a signature must satisfy."""

from vestry_service.common_settings import ServiceSettings
from vestry_signatures import Policy


def policy_of(settings: ServiceSettings) -> Policy:
    """Take from the settings what a signature must satisfy."""
    return Policy(
        profiles=frozenset(settings.profiles),
        algorithms=frozenset(settings.algorithms),
        nonce_required=settings.nonce_policy == "required",
        clock_skew=settings.clock_skew,
        max_lifetime=settings.max_signature_lifetime,
    )
