-- Schema 5: who may ask a host for what, what was managed with it, and whose policies are whose.
CREATE TABLE keys (
  id         TEXT    NOT NULL,
  secret     BLOB    NOT NULL, -- The SHA-256 of it. Nobody but its holder has the secret itself.
  role       TEXT    NOT NULL,
  scope      TEXT,             -- The merchant or the member whose key it is.
  name       TEXT    NOT NULL,
  rate       INTEGER NOT NULL, -- Requests a second; 0 for as many as come.
  made_ms    INTEGER NOT NULL, -- By the clock of who made it, not business time.
  revoked_ms INTEGER,
  CONSTRAINT keys_once PRIMARY KEY (id)
) STRICT;
CREATE TABLE trail (
  seq     INTEGER NOT NULL,
  id      TEXT    NOT NULL, -- The request's, which its answer names.
  made_ms INTEGER NOT NULL, -- By the clock of the host that was asked.
  key_id  TEXT,             -- The key's id; nothing where none was asked for.
  who     TEXT    NOT NULL,
  asked   TEXT    NOT NULL, -- The method and the path with its parameters.
  status  INTEGER,          -- Of the answer; nothing if the host ended before.
  CONSTRAINT trail_once PRIMARY KEY (seq)
) STRICT;
CREATE UNIQUE INDEX trail_by_id ON trail (id);
-- The merchant whose policy it is; nothing where it is the platform's.
ALTER TABLE publications ADD COLUMN owner TEXT;
