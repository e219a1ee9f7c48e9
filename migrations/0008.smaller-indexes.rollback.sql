-- The older form reads a whole JWK.
UPDATE public_jwks SET value = '{"kty": "OKP", "crv": "Ed25519"}' || value WHERE NOT value ? 'kty';

DROP INDEX index_public_jwks_on_agent_id;

CREATE INDEX index_public_jwks_on_agent_id ON public_jwks (agent_id);

ALTER TABLE public_jwks
    DROP CONSTRAINT index_public_jwks_on_kid,
    ADD CONSTRAINT index_public_jwks_on_kid UNIQUE (kid);

ALTER TABLE agents
    DROP CONSTRAINT index_agents_on_uid,
    ADD CONSTRAINT index_agents_on_uid UNIQUE (uid);
