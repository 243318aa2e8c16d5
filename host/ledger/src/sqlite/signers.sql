-- Schema 7: who signs releases.
CREATE TABLE signers (
  id         TEXT    NOT NULL, -- The first digits of the public key's SHA-256.
  owner      TEXT,             -- The merchant for whom it signs; nothing for the platform.
  public_key BLOB    NOT NULL, -- Ed25519, 32 bytes.
  name       TEXT    NOT NULL,
  made_ms    INTEGER NOT NULL, -- By the clock of who added it, not business time.
  revoked_ms INTEGER,
  CONSTRAINT signers_once PRIMARY KEY (id)
) STRICT;
