-- Schema 2: which program is at work. A change is only ever appended; the last one holds.
CREATE TABLE changes (
  version BIGINT NOT NULL,
  program BYTEA  NOT NULL, -- The digest of the program.
  made_ms BIGINT NOT NULL, -- By the clock of who made the change, not business time.
  who     TEXT   NOT NULL,
  why     TEXT   NOT NULL,
  CONSTRAINT changes_in_order         PRIMARY KEY (version),
  CONSTRAINT changes_version_positive CHECK (version > 0),
  CONSTRAINT changes_of_programs      FOREIGN KEY (program) REFERENCES programs (digest)
);
UPDATE ledger_schema SET version = 2;
