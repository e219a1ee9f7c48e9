-- depends: 0006.operators-and-tokens

-- A Redis Cluster has a memory of nonces a node; node is its id there. One server, or Sentinels: one row, without.
ALTER TABLE memory_mark
    ADD COLUMN node varchar(255) NOT NULL DEFAULT '',
    DROP COLUMN only_row,
    ADD CONSTRAINT memory_mark_pkey PRIMARY KEY (node);
