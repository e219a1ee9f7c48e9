DROP INDEX public_jwks_active;

-- What cannot be said in the older form goes: the keys of tools.
DELETE FROM public_jwks WHERE tool_id IS NOT NULL;

ALTER TABLE public_jwks
    DROP CONSTRAINT public_jwks_state_is_known,
    DROP CONSTRAINT public_jwks_value_is_an_object,
    DROP CONSTRAINT public_jwks_kid_is_a_thumbprint,
    DROP CONSTRAINT public_jwks_has_one_owner,
    DROP COLUMN tool_id,
    ALTER COLUMN agent_id SET NOT NULL;

DROP TABLE tools;

DROP INDEX agents_changed;

ALTER TABLE agents
    DROP CONSTRAINT agents_state_is_known,
    DROP CONSTRAINT agents_version_is_positive,
    DROP CONSTRAINT agents_uid_is_hex,
    DROP COLUMN state,
    DROP COLUMN version,
    ALTER COLUMN uid DROP NOT NULL;
