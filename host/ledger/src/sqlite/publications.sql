-- Schema 3: under which names releases can be deployed. A name means one release for ever.
CREATE TABLE publications (
  policy  TEXT    NOT NULL,
  version TEXT    NOT NULL,
  release BLOB    NOT NULL, -- The digest of its component.
  made_ms INTEGER NOT NULL, -- By the clock of the host that took it, not business time.
  report  BLOB    NOT NULL, -- What was tried before it was taken, as JSON.
  CONSTRAINT publications_once        PRIMARY KEY (policy, version),
  CONSTRAINT publications_short_names CHECK (length(policy) <= 64 AND length(version) <= 64),
  CONSTRAINT publications_of_releases FOREIGN KEY (release) REFERENCES releases (digest)
) STRICT;
