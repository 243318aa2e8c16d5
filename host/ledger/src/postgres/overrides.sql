-- Schema 8: whether a change was made without looking whether members would be awarded less.
ALTER TABLE changes ADD COLUMN without_notice BIGINT NOT NULL DEFAULT 0
  CONSTRAINT changes_without_notice_flag CHECK (without_notice IN (0, 1));
UPDATE ledger_schema SET version = 8;
