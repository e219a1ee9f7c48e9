-- What a Cluster remembers cannot be said in the older form: the next server is another one, and begins anew.
DELETE FROM memory_mark WHERE node <> '';

ALTER TABLE memory_mark
    DROP COLUMN node,
    ADD COLUMN only_row boolean CONSTRAINT memory_mark_pkey PRIMARY KEY DEFAULT true,
    ADD CONSTRAINT memory_mark_is_one_row CHECK (only_row);
