DROP TABLE audit_gaps;

DROP TABLE audit_head;

DROP TABLE audit_chain;

DROP TABLE audit_events;

DROP FUNCTION audit_is_append_only();
