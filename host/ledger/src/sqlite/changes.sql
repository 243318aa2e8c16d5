-- Schema 2: which program is at work. A change is only ever appended; the last one holds.
CREATE TABLE changes (
  version INTEGER NOT NULL,
  program BLOB    NOT NULL, -- The digest of the program.
  made_ms INTEGER NOT NULL, -- By the clock of who made the change, not business time.
  who     TEXT    NOT NULL,
  why     TEXT    NOT NULL,
  CONSTRAINT changes_in_order         PRIMARY KEY (version),
  CONSTRAINT changes_version_positive CHECK (version > 0),
  CONSTRAINT changes_of_programs      FOREIGN KEY (program) REFERENCES programs (digest)
) STRICT;
