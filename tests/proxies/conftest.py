from proxied import proxied, verifier
from service_fixtures import services

__all__ = ["proxied", "services", "verifier"]
