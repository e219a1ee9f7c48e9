DROP TABLE memory_mark;

DROP TABLE outbox;
