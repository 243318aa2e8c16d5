-- Schema 7: who signs releases.
CREATE TABLE signers (
  id         TEXT   NOT NULL COLLATE "C", -- The first digits of the public key's SHA-256.
  owner      TEXT,            -- The merchant for whom it signs; nothing for the platform.
  public_key BYTEA  NOT NULL, -- Ed25519, 32 bytes.
  name       TEXT   NOT NULL,
  made_ms    BIGINT NOT NULL, -- By the clock of who added it, not business time.
  revoked_ms BIGINT,
  CONSTRAINT signers_once PRIMARY KEY (id)
);
UPDATE ledger_schema SET version = 7;
