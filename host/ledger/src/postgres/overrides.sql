-- Schema 8: whether whoever made a change waived the notice that members have of awards that get less.
ALTER TABLE changes ADD COLUMN without_notice BIGINT NOT NULL DEFAULT 0
  CONSTRAINT changes_without_notice_flag CHECK (without_notice IN (0, 1));
UPDATE ledger_schema SET version = 8;
