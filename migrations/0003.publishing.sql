-- depends: 0002.states-and-tools

-- A change of an agent that the live records may not show yet. The row is written with the change, in one
-- transaction, and goes when every live record of that agent has been written at this version or a later one.
CREATE TABLE outbox (
    id bigserial CONSTRAINT outbox_pkey PRIMARY KEY,
    agent_id bigint NOT NULL CONSTRAINT outbox_agent_id_foreign REFERENCES agents (id),
    version bigint NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX outbox_of_agent ON outbox (agent_id);

-- What is known of the one store that remembers the nonces: one row, or none before there ever was a store.
-- since: Unix seconds, when its memory begins; 0 is "always". pulse: the last heartbeat that the store has
-- acknowledged. phase: how far a new beginning has been carried out.
CREATE TABLE memory_mark (
    only_row boolean CONSTRAINT memory_mark_pkey PRIMARY KEY DEFAULT true,
    run_id varchar(255) NOT NULL,
    promoted boolean NOT NULL,
    since bigint NOT NULL,
    pulse bigint NOT NULL,
    phase varchar(255) NOT NULL,
    CONSTRAINT memory_mark_is_one_row CHECK (only_row),
    CONSTRAINT memory_mark_phase_is_known CHECK (phase IN ('begun', 'shut', 'open'))
);
