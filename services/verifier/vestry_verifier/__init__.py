"""The verifier: who signed this, once. Redis is its memory."""
