"""HTTP message signatures (RFC 9421) for software agents: pure, fast, importable on its own."""
