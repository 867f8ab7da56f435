-- Version 1. Times are microseconds since 1970; numbers of events and log lines only ever rise; nothing on the hot path is
-- ordered by a random key except `state`, whose rows are kept small for that reason.

-- `instance`: a random name, made with the store and anew with every restore.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Hashes of definitions, once each; rows carry the small number.
CREATE TABLE definition (
    id   INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE
) STRICT;

-- What happened. `event` is the whole event as JSON; the columns beside it are those that something looks up.
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY,
    received   INTEGER NOT NULL,
    source     TEXT,             -- its origin, where it has a delivery id
    delivery   TEXT,
    definition INTEGER NOT NULL,
    event      TEXT NOT NULL
) STRICT;

-- Every change of state, in order; `seq` is the event it was decided on and never falls. `prev` is the former change of the same
-- key: a chain to walk back along, so that no index by key is needed. `entry` is JSON; NULL: removed.
CREATE TABLE change (
    id    INTEGER PRIMARY KEY,
    seq   INTEGER NOT NULL,
    prev  INTEGER,
    key   TEXT NOT NULL,
    entry TEXT
) STRICT;

-- What is under each key now: its latest change. `gone` = 1: removed, kept so that the chain stays reachable.
-- `partition` is 0 until deciders are split.
CREATE TABLE state (
    partition INTEGER NOT NULL DEFAULT 0,
    key       TEXT NOT NULL,
    change    INTEGER NOT NULL,
    gone      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (partition, key)
) STRICT, WITHOUT ROWID;

-- The action log. `record` is `lead/L20`, `detail` JSON. Both indexes grow at their end only.
CREATE TABLE log (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      INTEGER NOT NULL,
    definition INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    action     TEXT NOT NULL,
    rule       TEXT,
    flow       TEXT,
    run        TEXT,
    record     TEXT,
    detail     TEXT NOT NULL
) STRICT;
CREATE INDEX log_event ON log (event);
CREATE INDEX log_at ON log (at);
