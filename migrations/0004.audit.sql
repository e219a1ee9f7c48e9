-- depends: 0003.publishing

-- What was done: one row for every change, written in the change's own transaction. Rows are only ever added.
-- actor_kind: agent (actor: the kid that signed), operator (actor: the name), key (a new key, by its own kid), system.
--
-- id: a transaction gets its own number (xid) before it draws one, for the condition is looked at first. So an event
-- that is not to be seen yet belongs to an older transaction than whoever sees a higher one: see audit_gaps.
CREATE SEQUENCE audit_events_id_seq;

CREATE TABLE audit_events (
    id bigint CONSTRAINT audit_events_pkey PRIMARY KEY
        DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audit_events_id_seq') END,
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

ALTER SEQUENCE audit_events_id_seq OWNED BY audit_events.id;

CREATE INDEX audit_events_of_uid ON audit_events (uid, id) WHERE uid IS NOT NULL;

-- The chain over the events. Writers do not wait for each other: a sealer links what was committed, some moments
-- later, each link with the hash of the one before. No foreign key: it would lock, and so write, every event's row,
-- and the walk over the chain finds an event that is gone.
CREATE TABLE audit_chain (
    seq bigint CONSTRAINT audit_chain_pkey PRIMARY KEY,
    event_id bigint NOT NULL CONSTRAINT audit_chain_on_event_id UNIQUE,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);

-- Where the chain ends, so that a cut at its end shows; high: the highest event number that the sealer has passed.
CREATE TABLE audit_head (
    only_row boolean CONSTRAINT audit_head_pkey PRIMARY KEY DEFAULT true,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    high bigint NOT NULL,
    CONSTRAINT audit_head_is_one_row CHECK (only_row)
);

INSERT INTO audit_head (seq, hash, high) VALUES (0, decode(repeat('00', 32), 'hex'), 0);

-- Event numbers, from first to last, that were not to be seen when the sealer passed them: a transaction that was not
-- over, or one that was rolled back. Whoever drew one of them is an older transaction than noticed_by (a xid); when
-- all of those are over, no event comes there any more and the row goes.
CREATE TABLE audit_gaps (
    first bigint CONSTRAINT audit_gaps_pkey PRIMARY KEY,
    last bigint NOT NULL,
    noticed_by bigint NOT NULL
);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE TRIGGER audit_head_moves_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW WHEN (NEW.seq < OLD.seq OR NEW.high < OLD.high OR (NEW.seq = OLD.seq AND NEW.hash <> OLD.hash))
    EXECUTE FUNCTION audit_is_append_only();
