-- depends: 0004.audit

-- An agent may wait for approval, and may be revoked for ever. The label says what an operator knows it as; it comes
-- from the token that the agent registered with.
ALTER TABLE agents
    ADD COLUMN label varchar(100),
    DROP CONSTRAINT agents_state_is_known,
    ADD CONSTRAINT agents_state_is_known CHECK (state IN ('active', 'suspended', 'pending', 'revoked'));

ALTER TABLE tools
    ADD COLUMN label varchar(100),
    ADD COLUMN state varchar(255) NOT NULL DEFAULT 'active',
    ADD CONSTRAINT tools_state_is_known CHECK (state IN ('active', 'pending', 'revoked'));

-- People and programs that may use the admin API. Of a token only its SHA-256 is kept. A name has one token at a
-- time; when that is revoked the name may get another.
CREATE TABLE operators (
    id bigserial CONSTRAINT operators_pkey PRIMARY KEY,
    name varchar(64) NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz,
    CONSTRAINT operators_token_hash_is_sha256 CHECK (length(token_hash) = 32)
);

CREATE UNIQUE INDEX operators_one_token_a_name ON operators (name) WHERE revoked_at IS NULL;

-- Tokens that let a key in: those with a label let new agents and tools register (REGISTRATION=token), those with an
-- agent let its holder's new key join that agent, once.
CREATE TABLE tokens (
    id bigserial CONSTRAINT tokens_pkey PRIMARY KEY,
    token_hash bytea NOT NULL,
    label varchar(100),
    agent_id bigint CONSTRAINT tokens_agent_id_foreign REFERENCES agents (id),
    uses integer NOT NULL,
    uses_left integer NOT NULL,
    created_by varchar(64) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT tokens_on_token_hash UNIQUE (token_hash),
    CONSTRAINT tokens_token_hash_is_sha256 CHECK (length(token_hash) = 32),
    CONSTRAINT tokens_have_one_purpose CHECK (num_nonnulls(label, agent_id) = 1),
    CONSTRAINT tokens_uses_are_counted_down CHECK (uses_left >= 0 AND uses_left <= uses)
);
