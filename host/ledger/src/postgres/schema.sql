-- The ledger, schema 1: the tables and the constraints of SQLite's. Keys are led by the member where a question is about
-- one. Text compares by bytes, as it does everywhere else, so that members come in the same order from every store.
--
-- Days are rata die day numbers of the program's zone, times are milliseconds since 1970-01-01T00:00:00Z, both of
-- business time. `seq` is an entry's place in the log.

-- How many steps of the schema were taken. One row.
CREATE TABLE ledger_schema (
  version INTEGER NOT NULL,
  one     BOOLEAN NOT NULL DEFAULT true,
  CONSTRAINT ledger_schema_once             PRIMARY KEY (one),
  CONSTRAINT ledger_schema_one              CHECK (one),
  CONSTRAINT ledger_schema_version_positive CHECK (version > 0)
);
INSERT INTO ledger_schema (version) VALUES (1);

-- One row per event that was applied: what came in, what was decided, and what finds it again.
CREATE TABLE transactions (
  seq            BIGINT  NOT NULL,
  source         TEXT    NOT NULL COLLATE "C",
  id             TEXT    NOT NULL COLLATE "C",
  member         TEXT             COLLATE "C", -- NULL: a refund that waits for its purchase.
  time_ms        BIGINT  NOT NULL,
  latest_ms      BIGINT  NOT NULL, -- The latest time_ms up to and including this row: the ledger's time is the last row's.
  day            INTEGER NOT NULL,
  spend_minor    BIGINT,           -- NULL: not a purchase.
  order_number   TEXT             COLLATE "C", -- NULL: neither a purchase nor a refund.
  event_digest   BYTEA   NOT NULL,
  receipt_digest BYTEA   NOT NULL,
  event          BYTEA   NOT NULL, -- Canonical JSON, byte for byte what the digest is of.
  receipt        BYTEA   NOT NULL,
  CONSTRAINT transactions_in_order             PRIMARY KEY (seq),
  CONSTRAINT transactions_once                 UNIQUE (source, id),
  CONSTRAINT transactions_spend_nonnegative    CHECK (spend_minor >= 0),
  CONSTRAINT transactions_latest_is_latest     CHECK (latest_ms >= time_ms)
);

-- Purchases by day, and the statement.
CREATE INDEX transactions_of_member
  ON transactions (member, day);

-- A purchase with its refunds, whichever came first.
CREATE INDEX transactions_of_order
  ON transactions (order_number)
  WHERE order_number IS NOT NULL;

-- Both sides of every movement. Only ever appended to.
CREATE TABLE postings (
  seq     BIGINT  NOT NULL,
  n       INTEGER NOT NULL,
  kind    TEXT    NOT NULL COLLATE "C",
  account TEXT    NOT NULL COLLATE "C",
  unit    TEXT    NOT NULL COLLATE "C",
  points  BIGINT  NOT NULL,
  lot     TEXT             COLLATE "C", -- The lot's name, on its own side and where its points are held; else NULL.
  CONSTRAINT postings_in_order PRIMARY KEY (seq, n)
);

-- Lots, by member and day: caps, windows and balances are each one range of the key.
CREATE TABLE lots (
  member       TEXT    NOT NULL COLLATE "C",
  day          INTEGER NOT NULL,
  origin       TEXT    NOT NULL COLLATE "C", -- With version and award the lot's name: the member of the entry that opened it.
  version      BIGINT  NOT NULL,
  award        BIGINT  NOT NULL,
  seq          BIGINT  NOT NULL,   -- The entry's place in the log.
  earned_ms    BIGINT  NOT NULL,   -- The time of the event.
  unit         TEXT    NOT NULL COLLATE "C",
  issuer       TEXT    NOT NULL COLLATE "C",
  deployment   TEXT    NOT NULL COLLATE "C",
  points       BIGINT  NOT NULL,
  remaining    BIGINT  NOT NULL,
  reversed     BIGINT  NOT NULL,   -- By how much refunds reduced the award, wherever the points then came from.
  expired      BIGINT  NOT NULL,   -- What has lapsed, as far as that is posted.
  available_ms BIGINT  NOT NULL,
  expires_ms   BIGINT,             -- NULL: never.
  awaits       TEXT,               -- The action that it waits for; NULL: none.
  counts       TEXT,               -- How its end is counted once that is done, as JSON; NULL: not at all.
  notice       INTEGER NOT NULL,   -- 0: the member was told of the end, or need not be; 1: must be; 2: was not in time.
  notice_days  INTEGER,            -- Days between telling and the last day; NULL: nobody need tell.
  CONSTRAINT lots_of_member             PRIMARY KEY (member, day, origin, version, award),
  CONSTRAINT lots_remaining_nonnegative CHECK (remaining >= 0),
  CONSTRAINT lots_expired_nonnegative   CHECK (expired >= 0),
  CONSTRAINT lots_remaining_of_points   CHECK (remaining + expired <= points),
  CONSTRAINT lots_reversed_of_points    CHECK (reversed BETWEEN 0 AND points)
);

-- What others' entries gave a member, for the statement. Few lots are in it.
CREATE INDEX lots_given
  ON lots (member)
  WHERE origin <> member;

-- What members owe for points that they had spent before what earned them was returned.
CREATE TABLE debts (
  member TEXT   NOT NULL COLLATE "C",
  unit   TEXT   NOT NULL COLLATE "C",
  issuer TEXT   NOT NULL COLLATE "C",
  points BIGINT NOT NULL,
  CONSTRAINT debts_of_member          PRIMARY KEY (member, unit, issuer),
  CONSTRAINT debts_points_nonnegative CHECK (points >= 0)
);

-- Uses of points. Whatever the code does, none begins twice.
CREATE TABLE redemptions (
  redemption TEXT   NOT NULL COLLATE "C",
  member     TEXT   NOT NULL COLLATE "C",
  seq        BIGINT NOT NULL,      -- The place in the log of the entry that began it.
  steps      BIGINT NOT NULL,      -- Entries that touched it: a commit must name how many there were.
  until_ms   BIGINT NOT NULL,      -- From then on, what it holds is free again.
  deployment TEXT            COLLATE "C", -- With item, day and quantity what it took from a stock; NULL: nothing.
  item       TEXT            COLLATE "C",
  day        INTEGER,
  quantity   BIGINT,
  CONSTRAINT redemptions_once           PRIMARY KEY (redemption),
  CONSTRAINT redemptions_steps_positive CHECK (steps > 0)
);

-- Points in uses of points, by lot. Whatever the code does, points that are set aside are used or free again once, and
-- points that are used come back once.
CREATE TABLE redemption_lots (
  member     TEXT    NOT NULL COLLATE "C",
  redemption TEXT    NOT NULL COLLATE "C",
  n          INTEGER NOT NULL,     -- The order in which the lots were taken from.
  day        INTEGER NOT NULL,     -- With member, origin, version and award the lot.
  origin     TEXT    NOT NULL COLLATE "C",
  version    BIGINT  NOT NULL,
  award      BIGINT  NOT NULL,
  held       BIGINT  NOT NULL,
  released   BIGINT  NOT NULL,
  captured   BIGINT  NOT NULL,
  cancelled  BIGINT  NOT NULL,
  CONSTRAINT redemption_lots_once        PRIMARY KEY (member, redemption, origin, version, award),
  CONSTRAINT redemption_lots_nonnegative CHECK (least(held, released, captured, cancelled) >= 0),
  CONSTRAINT redemption_lots_out_once    CHECK (released + captured <= held),
  CONSTRAINT redemption_lots_back_once   CHECK (cancelled <= captured)
);

-- What of a member's points is set aside now.
CREATE INDEX redemption_lots_open
  ON redemption_lots (member)
  WHERE released + captured < held;

-- How many are taken of items of limited stock.
CREATE TABLE stock (
  deployment TEXT    NOT NULL COLLATE "C",
  item       TEXT    NOT NULL COLLATE "C",
  day        INTEGER NOT NULL,     -- 0: on all days together.
  taken      BIGINT  NOT NULL,
  CONSTRAINT stock_once              PRIMARY KEY (deployment, item, day),
  CONSTRAINT stock_taken_nonnegative CHECK (taken >= 0)
) WITH (fillfactor = 50);

-- A member's lasting figures, as of the version that a commit must name. Half of each page is left free, so that the next
-- version of a row lies beside the last and no index is touched.
CREATE TABLE members (
  member               TEXT    NOT NULL COLLATE "C",
  version              BIGINT  NOT NULL,
  registered_day       INTEGER NOT NULL,
  referrer             TEXT             COLLATE "C",
  same_person          BOOLEAN NOT NULL, -- As the referrer is.
  person               TEXT             COLLATE "C",
  birth_day            INTEGER NOT NULL, -- 0: not known.
  purchase_count       BIGINT  NOT NULL,
  purchase_spend_minor BIGINT  NOT NULL,
  last_purchase_day    INTEGER NOT NULL,
  payers               TEXT,             -- Accounts from which was paid lately, with the latest day of each, as JSON; NULL: none.
  indebted             BOOLEAN NOT NULL, -- There are debts.
  holding              BOOLEAN NOT NULL, -- Points are set aside.
  CONSTRAINT members_once              PRIMARY KEY (member),
  CONSTRAINT members_version_positive  CHECK (version > 0),
  CONSTRAINT members_count_nonnegative CHECK (purchase_count >= 0),
  CONSTRAINT members_spend_nonnegative CHECK (purchase_spend_minor >= 0)
) WITH (fillfactor = 50);

-- What was granted from each budget.
CREATE TABLE budgets (
  deployment TEXT   NOT NULL COLLATE "C",
  granted    BIGINT NOT NULL,
  CONSTRAINT budgets_once                PRIMARY KEY (deployment),
  CONSTRAINT budgets_granted_nonnegative CHECK (granted >= 0)
) WITH (fillfactor = 50);

-- Notices that are not delivered yet. The entry that says that one was delivered takes it out.
CREATE TABLE outbox (
  seq      BIGINT  NOT NULL,      -- The place in the log of the entry that has it.
  n        BIGINT  NOT NULL,      -- Which of its notices.
  attempts BIGINT  NOT NULL,
  due_ms   BIGINT,                -- When it is to be tried next; NULL: that was given up.
  problem  TEXT,                  -- What the last attempt met.
  CONSTRAINT outbox_once                 PRIMARY KEY (seq, n),
  CONSTRAINT outbox_attempts_nonnegative CHECK (attempts >= 0)
) WITH (fillfactor = 50);

-- Programs by the digest of their bytes: a receipt names it, replay reads it.
CREATE TABLE programs (
  digest BYTEA NOT NULL,
  body   BYTEA NOT NULL,
  CONSTRAINT programs_once PRIMARY KEY (digest)
);

-- Releases by the digest of their component.
CREATE TABLE releases (
  digest    BYTEA NOT NULL,
  name      TEXT  NOT NULL COLLATE "C",
  version   TEXT  NOT NULL COLLATE "C",
  component BYTEA NOT NULL,
  CONSTRAINT releases_once PRIMARY KEY (digest)
);
