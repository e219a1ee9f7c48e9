from service_fixtures import doomed, services

__all__ = ["doomed", "services"]
