-- depends: 0003.publishing

-- What was done: one row for every change, written in the change's own transaction. Rows are only ever added.
-- actor_kind: agent (actor: the kid that signed), operator (actor: the name), key (a new key, by its own kid), system.
CREATE TABLE audit_events (
    id bigserial CONSTRAINT audit_events_pkey PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event varchar(64) NOT NULL,
    uid varchar(255),
    kid varchar(255),
    actor_kind varchar(16) NOT NULL,
    actor varchar(255) NOT NULL,
    client_ip varchar(64),
    request_id varchar(128),
    details jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT audit_events_actor_kind_is_known CHECK (actor_kind IN ('agent', 'key', 'operator', 'system'))
);

CREATE INDEX audit_events_of_uid ON audit_events (uid, id) WHERE uid IS NOT NULL;

-- The chain over the events. Writers do not wait for each other: a sealer links what was committed, some moments
-- later, each link with the hash of the one before.
CREATE TABLE audit_chain (
    seq bigint CONSTRAINT audit_chain_pkey PRIMARY KEY,
    event_id bigint NOT NULL CONSTRAINT audit_chain_event_id_foreign REFERENCES audit_events (id),
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT audit_chain_on_event_id UNIQUE (event_id)
);

-- Where the chain ends, so that a cut at its end shows; low: every event up to this number is linked already.
CREATE TABLE audit_head (
    only_row boolean CONSTRAINT audit_head_pkey PRIMARY KEY DEFAULT true,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    low bigint NOT NULL,
    CONSTRAINT audit_head_is_one_row CHECK (only_row)
);

INSERT INTO audit_head (seq, hash, low) VALUES (0, decode(repeat('00', 32), 'hex'), 0);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
