-- Schema 6: quotes that hold. The event that was quoted is decided by the program of then.
CREATE TABLE quotes (
  token    BLOB    NOT NULL, -- The SHA-256 of it. Nobody but whoever asked has the token itself.
  program  BLOB    NOT NULL, -- The program that was asked.
  event    BLOB    NOT NULL, -- The digest of the event that was quoted.
  until_ms INTEGER NOT NULL, -- By the clock of the host that was asked.
  CONSTRAINT quotes_once PRIMARY KEY (token)
) STRICT;
CREATE INDEX quotes_by_end ON quotes (until_ms);
