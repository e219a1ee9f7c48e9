-- Agents and their public keys, under the names and columns that vestauth's server gives them, and with nothing
-- more: a database of that server already has exactly this, so it can be taken over from the next migration on.
-- The uid is kept without its "agent-" prefix.

CREATE TABLE agents (
    id bigserial CONSTRAINT agents_pkey PRIMARY KEY,
    uid varchar(255),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT index_agents_on_uid UNIQUE (uid)
);

CREATE TABLE public_jwks (
    id bigserial CONSTRAINT public_jwks_pkey PRIMARY KEY,
    agent_id bigint NOT NULL CONSTRAINT public_jwks_agent_id_foreign REFERENCES agents (id),
    kid varchar(255) NOT NULL,
    value jsonb NOT NULL DEFAULT '{}',
    state varchar(255) NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT index_public_jwks_on_kid UNIQUE (kid)
);

CREATE INDEX index_public_jwks_on_agent_id ON public_jwks (agent_id);
