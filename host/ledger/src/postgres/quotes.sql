-- Schema 6: quotes that hold. The event that was quoted is decided by the program of then.
CREATE TABLE quotes (
  token    BYTEA  NOT NULL, -- The SHA-256 of it. Nobody but whoever asked has the token itself.
  program  BYTEA  NOT NULL, -- The program that was asked.
  event    BYTEA  NOT NULL, -- The digest of the event that was quoted.
  until_ms BIGINT NOT NULL, -- By the clock of the host that was asked.
  CONSTRAINT quotes_once PRIMARY KEY (token)
);
CREATE INDEX quotes_by_end ON quotes (until_ms);
UPDATE ledger_schema SET version = 6;
