-- Schema 4: since when it is known that a program will be put to work. The first time counts.
CREATE TABLE announcements (
  program BLOB    NOT NULL, -- The digest of the program.
  made_ms INTEGER NOT NULL, -- By the clock of who made it known, not business time.
  who     TEXT    NOT NULL,
  why     TEXT    NOT NULL,
  CONSTRAINT announcements_once        PRIMARY KEY (program),
  CONSTRAINT announcements_of_programs FOREIGN KEY (program) REFERENCES programs (digest)
) STRICT;
