-- depends: 0001.agents-and-keys

-- An agent has a state, and a version that every change of its keys or state raises: live records are written in
-- its order. The partial index finds the few agents that changed lately; one that never changed costs nothing in it.
ALTER TABLE agents
    ALTER COLUMN uid SET NOT NULL,
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN state varchar(255) NOT NULL DEFAULT 'active',
    ADD CONSTRAINT agents_uid_is_hex CHECK (uid ~ '^[0-9a-f]{24}$'),
    ADD CONSTRAINT agents_version_is_positive CHECK (version > 0),
    ADD CONSTRAINT agents_state_is_known CHECK (state IN ('active', 'suspended'));

CREATE INDEX agents_changed ON agents (updated_at) WHERE version > 1;

-- A tool is not an agent and has a table of its own; its uid is kept without the "tool-" prefix.
CREATE TABLE tools (
    id bigserial CONSTRAINT tools_pkey PRIMARY KEY,
    uid varchar(255) NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT index_tools_on_uid UNIQUE (uid),
    CONSTRAINT tools_uid_is_hex CHECK (uid ~ '^[0-9a-f]{24}$')
);

-- A key belongs to one agent or to one tool. All keys stand in one table, so that its one unique index keeps a kid
-- with its first owner for ever, active or revoked. A kid is a SHA-256 thumbprint, 43 characters of base64url.
ALTER TABLE public_jwks
    ALTER COLUMN agent_id DROP NOT NULL,
    ADD COLUMN tool_id bigint CONSTRAINT public_jwks_tool_id_foreign REFERENCES tools (id),
    ADD CONSTRAINT public_jwks_has_one_owner CHECK (num_nonnulls(agent_id, tool_id) = 1),
    ADD CONSTRAINT public_jwks_kid_is_a_thumbprint CHECK (kid ~ '^[A-Za-z0-9_-]{43}$'),
    ADD CONSTRAINT public_jwks_value_is_an_object CHECK (jsonb_typeof(value) = 'object'),
    ADD CONSTRAINT public_jwks_state_is_known CHECK (state IN ('active', 'revoked'));

CREATE INDEX index_public_jwks_on_tool_id ON public_jwks (tool_id) WHERE tool_id IS NOT NULL;

CREATE INDEX public_jwks_active ON public_jwks (agent_id) WHERE state = 'active' AND agent_id IS NOT NULL;
