from service_fixtures import services

__all__ = ["services"]
