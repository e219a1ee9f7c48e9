"""The registrar: who is who. Postgres is its truth."""
