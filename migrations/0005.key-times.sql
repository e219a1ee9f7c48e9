-- depends: 0004.audit

-- A key may have a time: Unix seconds, the end excluded; null is no bound. A key that is replaced with an overlap is
-- retiring: it still verifies, until its end, which it therefore must have. proof: how the new key itself agreed to
-- belong to this agent, where that was shown.
ALTER TABLE public_jwks
    ADD COLUMN not_before bigint,
    ADD COLUMN not_after bigint,
    ADD COLUMN proof jsonb,
    ADD CONSTRAINT public_jwks_time_has_a_length CHECK (not_before < not_after),
    ADD CONSTRAINT public_jwks_retiring_has_an_end CHECK (state <> 'retiring' OR not_after IS NOT NULL),
    DROP CONSTRAINT public_jwks_state_is_known,
    ADD CONSTRAINT public_jwks_state_is_known CHECK (state IN ('active', 'retiring', 'revoked'));

-- What an agent still has, now or soon, among what it ever had.
DROP INDEX public_jwks_active;

CREATE INDEX public_jwks_in_use ON public_jwks (agent_id) WHERE state <> 'revoked' AND agent_id IS NOT NULL;
