-- depends: 0007.memory-of-nodes

-- The same rules and look-ups as before, in less room: 134 bytes less an agent, with the last paragraph.
--
-- A uid or kid is random and is only ever asked for as a whole, so a hash does: an index entry holds four bytes of it
-- instead of all. The row itself is compared. That there is each once is the constraint's business as before; a hash
-- index keeps it as an exclusion constraint, which is UNIQUE by another name where the operator is "=".
ALTER TABLE agents
    DROP CONSTRAINT index_agents_on_uid,
    ADD CONSTRAINT index_agents_on_uid EXCLUDE USING hash (uid WITH =);

ALTER TABLE public_jwks
    DROP CONSTRAINT index_public_jwks_on_kid,
    ADD CONSTRAINT index_public_jwks_on_kid EXCLUDE USING hash (kid WITH =);

-- public_jwks_in_use has every agent's keys that are not revoked. This one has the others, instead of all once more:
-- whoever wants all keys of an agent asks both (every_key in repository/pairs.py).
DROP INDEX index_public_jwks_on_agent_id;

CREATE INDEX index_public_jwks_on_agent_id ON public_jwks (agent_id)
    WHERE state = 'revoked' AND agent_id IS NOT NULL;

-- From here on value has no more of a key than its x: that it is an Ed25519 key (kty OKP) goes without saying, since
-- there is no other. Rows with the whole JWK are read as well, so none is written anew.
