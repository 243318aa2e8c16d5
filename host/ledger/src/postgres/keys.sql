-- Schema 5: who may ask a host for what, what was managed with it, and whose policies are whose.
CREATE TABLE keys (
  id         TEXT   NOT NULL COLLATE "C",
  secret     BYTEA  NOT NULL, -- The SHA-256 of it. Nobody but its holder has the secret itself.
  role       TEXT   NOT NULL,
  scope      TEXT,            -- The merchant or the member whose key it is.
  name       TEXT   NOT NULL,
  rate       BIGINT NOT NULL, -- Requests a second; 0 for as many as come.
  made_ms    BIGINT NOT NULL, -- By the clock of who made it, not business time.
  revoked_ms BIGINT,
  CONSTRAINT keys_once PRIMARY KEY (id)
);
CREATE TABLE trail (
  seq     BIGINT GENERATED ALWAYS AS IDENTITY,
  id      TEXT   NOT NULL,    -- The request's, which its answer names.
  made_ms BIGINT NOT NULL,    -- By the clock of the host that was asked.
  key_id  TEXT,               -- The key's id; nothing where none was asked for.
  who     TEXT   NOT NULL,
  asked   TEXT   NOT NULL,    -- The method and the path with its parameters.
  status  BIGINT,             -- Of the answer; nothing if the host ended before.
  CONSTRAINT trail_once PRIMARY KEY (seq)
);
CREATE UNIQUE INDEX trail_by_id ON trail (id);
-- The merchant whose policy it is; nothing where it is the platform's.
ALTER TABLE publications ADD COLUMN owner TEXT;
UPDATE ledger_schema SET version = 5;
