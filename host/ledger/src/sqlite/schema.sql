-- The ledger, schema 1. Strict tables, few of them and few indexes: what a commit costs is the pages it dirties.
--
-- Days are rata die day numbers of the program's zone, times are milliseconds since 1970-01-01T00:00:00Z, both of
-- business time. `seq` is an entry's place in the log.
--
-- Members are numbered as they come, and every table but theirs names them by number: what members do who came at about
-- the same time lies side by side, and is short.

-- A member's lasting figures, as of the version that a commit must name.
CREATE TABLE members (
  number               INTEGER NOT NULL,
  member               TEXT    NOT NULL,
  version              INTEGER NOT NULL,
  registered_day       INTEGER NOT NULL,
  referrer             TEXT,
  same_person          INTEGER NOT NULL, -- 1: as the referrer is.
  person               TEXT,
  birth_day            INTEGER NOT NULL, -- 0: not known.
  purchase_count       INTEGER NOT NULL,
  purchase_spend_minor INTEGER NOT NULL,
  last_purchase_day    INTEGER NOT NULL,
  payers               TEXT,             -- Accounts from which was paid lately, with the latest day of each, as JSON; NULL: none.
  indebted             INTEGER NOT NULL, -- 1: there are debts.
  holding              INTEGER NOT NULL, -- 1: points are set aside.
  CONSTRAINT members_numbered          PRIMARY KEY (number),
  CONSTRAINT members_once              UNIQUE (member),
  CONSTRAINT members_version_positive  CHECK (version > 0),
  CONSTRAINT members_count_nonnegative CHECK (purchase_count >= 0),
  CONSTRAINT members_spend_nonnegative CHECK (purchase_spend_minor >= 0)
) STRICT;

-- One row per event that was applied: what came in, what was decided, and what finds it again.
CREATE TABLE transactions (
  seq            INTEGER NOT NULL,
  source         TEXT    NOT NULL,
  id             TEXT    NOT NULL,
  member         INTEGER,          -- NULL: nobody's, as a refund that waits for its purchase.
  time_ms        INTEGER NOT NULL,
  latest_ms      INTEGER NOT NULL, -- The latest time_ms up to and including this row: the ledger's time is the last row's.
  day            INTEGER NOT NULL,
  spend_minor    INTEGER,          -- NULL: not a purchase.
  order_number   TEXT,             -- NULL: neither a purchase nor a refund.
  event_digest   BLOB    NOT NULL,
  receipt_digest BLOB    NOT NULL,
  event          BLOB    NOT NULL, -- Canonical JSON, byte for byte what the digest is of.
  receipt        BLOB    NOT NULL,
  CONSTRAINT transactions_in_order             PRIMARY KEY (seq),
  -- The id first: what many merchants send at about the same time is named alike, and lies on few pages.
  CONSTRAINT transactions_once                 UNIQUE (id, source),
  CONSTRAINT transactions_spend_nonnegative    CHECK (spend_minor >= 0),
  CONSTRAINT transactions_latest_is_latest     CHECK (latest_ms >= time_ms)
) STRICT;

-- Purchases by day, and the statement, from the index alone.
CREATE INDEX transactions_of_member
  ON transactions (member, day, spend_minor);

-- A purchase with its refunds, whichever came first.
CREATE INDEX transactions_of_order
  ON transactions (order_number)
  WHERE order_number IS NOT NULL;

-- Both sides of every movement. Only ever appended to.
CREATE TABLE postings (
  seq     INTEGER NOT NULL,
  n       INTEGER NOT NULL,
  kind    TEXT    NOT NULL,
  account TEXT    NOT NULL,
  unit    TEXT    NOT NULL,
  points  INTEGER NOT NULL,
  lot     TEXT,                    -- The lot's name, on its own side and where its points are held; else NULL.
  CONSTRAINT postings_in_order PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;

-- Lots, clustered by member and day: caps, windows and balances are each one scan of neighbours.
CREATE TABLE lots (
  member       INTEGER NOT NULL,
  day          INTEGER NOT NULL,
  origin       INTEGER NOT NULL,   -- With version and award the lot's name: the member of the entry that opened it.
  version      INTEGER NOT NULL,
  award        INTEGER NOT NULL,
  seq          INTEGER NOT NULL,   -- The entry's place in the log.
  earned_ms    INTEGER NOT NULL,   -- The time of the event.
  unit         TEXT    NOT NULL,
  issuer       TEXT    NOT NULL,
  deployment   TEXT    NOT NULL,
  points       INTEGER NOT NULL,
  remaining    INTEGER NOT NULL,
  reversed     INTEGER NOT NULL,   -- By how much refunds reduced the award, wherever the points then came from.
  expired      INTEGER NOT NULL,   -- What has lapsed, as far as that is posted.
  available_ms INTEGER NOT NULL,
  expires_ms   INTEGER,            -- NULL: never.
  awaits       TEXT,               -- The action that it waits for; NULL: none.
  counts       TEXT,               -- How its end is counted once that is done, as JSON; NULL: not at all.
  notice       INTEGER NOT NULL,   -- 0: the member was told of the end, or need not be; 1: must be; 2: was not in time.
  notice_days  INTEGER,            -- Days between telling and the last day; NULL: nobody need tell.
  CONSTRAINT lots_of_member             PRIMARY KEY (member, day, origin, version, award),
  CONSTRAINT lots_remaining_nonnegative CHECK (remaining >= 0),
  CONSTRAINT lots_expired_nonnegative   CHECK (expired >= 0),
  CONSTRAINT lots_remaining_of_points   CHECK (remaining + expired <= points),
  CONSTRAINT lots_reversed_of_points    CHECK (reversed BETWEEN 0 AND points)
) STRICT, WITHOUT ROWID;

-- What others' entries gave a member, for the statement. Few lots are in it.
CREATE INDEX lots_given
  ON lots (member)
  WHERE origin <> member;

-- What members owe for points that they had spent before what earned them was returned.
CREATE TABLE debts (
  member INTEGER NOT NULL,
  unit   TEXT    NOT NULL,
  issuer TEXT    NOT NULL,
  points INTEGER NOT NULL,
  CONSTRAINT debts_of_member          PRIMARY KEY (member, unit, issuer),
  CONSTRAINT debts_points_nonnegative CHECK (points >= 0)
) STRICT, WITHOUT ROWID;

-- Uses of points. Whatever the code does, none begins twice.
CREATE TABLE redemptions (
  redemption TEXT    NOT NULL,
  member     INTEGER NOT NULL,
  seq        INTEGER NOT NULL,     -- The place in the log of the entry that began it.
  steps      INTEGER NOT NULL,     -- Entries that touched it: a commit must name how many there were.
  until_ms   INTEGER NOT NULL,     -- From then on, what it holds is free again.
  deployment TEXT,                 -- With item, day and quantity what it took from a stock; NULL: nothing.
  item       TEXT,
  day        INTEGER,
  quantity   INTEGER,
  CONSTRAINT redemptions_once           PRIMARY KEY (redemption),
  CONSTRAINT redemptions_steps_positive CHECK (steps > 0)
) STRICT, WITHOUT ROWID;

-- Points in uses of points, by lot. Whatever the code does, points that are set aside are used or free again once, and
-- points that are used come back once.
CREATE TABLE redemption_lots (
  member     INTEGER NOT NULL,
  redemption TEXT    NOT NULL,
  n          INTEGER NOT NULL,     -- The order in which the lots were taken from.
  day        INTEGER NOT NULL,     -- With member, origin, version and award the lot.
  origin     INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  award      INTEGER NOT NULL,
  held       INTEGER NOT NULL,
  released   INTEGER NOT NULL,
  captured   INTEGER NOT NULL,
  cancelled  INTEGER NOT NULL,
  CONSTRAINT redemption_lots_once        PRIMARY KEY (member, redemption, origin, version, award),
  CONSTRAINT redemption_lots_nonnegative CHECK (min(held, released, captured, cancelled) >= 0),
  CONSTRAINT redemption_lots_out_once    CHECK (released + captured <= held),
  CONSTRAINT redemption_lots_back_once   CHECK (cancelled <= captured)
) STRICT, WITHOUT ROWID;

-- What of a member's points is set aside now.
CREATE INDEX redemption_lots_open
  ON redemption_lots (member)
  WHERE released + captured < held;

-- How many are taken of items of limited stock.
CREATE TABLE stock (
  deployment TEXT    NOT NULL,
  item       TEXT    NOT NULL,
  day        INTEGER NOT NULL,     -- 0: on all days together.
  taken      INTEGER NOT NULL,
  CONSTRAINT stock_once              PRIMARY KEY (deployment, item, day),
  CONSTRAINT stock_taken_nonnegative CHECK (taken >= 0)
) STRICT, WITHOUT ROWID;

-- What was granted from each budget.
CREATE TABLE budgets (
  deployment TEXT    NOT NULL,
  granted    INTEGER NOT NULL,
  CONSTRAINT budgets_once                PRIMARY KEY (deployment),
  CONSTRAINT budgets_granted_nonnegative CHECK (granted >= 0)
) STRICT, WITHOUT ROWID;

-- Notices that are not delivered yet. The entry that says that one was delivered takes it out.
CREATE TABLE outbox (
  seq      INTEGER NOT NULL,      -- The place in the log of the entry that has it.
  n        INTEGER NOT NULL,      -- Which of its notices.
  attempts INTEGER NOT NULL,
  due_ms   INTEGER,               -- When it is to be tried next; NULL: that was given up.
  problem  TEXT,                  -- What the last attempt met.
  CONSTRAINT outbox_once                 PRIMARY KEY (seq, n),
  CONSTRAINT outbox_attempts_nonnegative CHECK (attempts >= 0)
) STRICT, WITHOUT ROWID;

-- Programs by the digest of their bytes: a receipt names it, replay reads it.
CREATE TABLE programs (
  digest BLOB NOT NULL,
  body   BLOB NOT NULL,
  CONSTRAINT programs_once PRIMARY KEY (digest)
) STRICT;

-- Releases by the digest of their component.
CREATE TABLE releases (
  digest    BLOB NOT NULL,
  name      TEXT NOT NULL,
  version   TEXT NOT NULL,
  component BLOB NOT NULL,
  CONSTRAINT releases_once PRIMARY KEY (digest)
) STRICT;
