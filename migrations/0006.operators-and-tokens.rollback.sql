DROP TABLE tokens;

DROP TABLE operators;

ALTER TABLE tools
    DROP CONSTRAINT tools_state_is_known,
    DROP COLUMN state,
    DROP COLUMN label;

-- What the older form cannot say becomes the nearest that lets nobody in.
UPDATE agents SET state = 'suspended' WHERE state IN ('pending', 'revoked');

ALTER TABLE agents
    DROP CONSTRAINT agents_state_is_known,
    ADD CONSTRAINT agents_state_is_known CHECK (state IN ('active', 'suspended')),
    DROP COLUMN label;
