DROP INDEX public_jwks_in_use;

CREATE INDEX public_jwks_active ON public_jwks (agent_id) WHERE state = 'active' AND agent_id IS NOT NULL;

-- What cannot be said in the older form ends now: a key that has a time would outlive it.
UPDATE public_jwks SET state = 'revoked', updated_at = now()
WHERE state <> 'revoked' AND num_nonnulls(not_before, not_after) > 0;

ALTER TABLE public_jwks
    DROP CONSTRAINT public_jwks_state_is_known,
    ADD CONSTRAINT public_jwks_state_is_known CHECK (state IN ('active', 'revoked')),
    DROP COLUMN proof,
    DROP COLUMN not_after,
    DROP COLUMN not_before;
