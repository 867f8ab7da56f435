-- Version 3: what retention has let go. From here on a change's `prev` may lead to a row that is gone.

-- `kind`: payload, event, change, log. Rows are numbered as in their table, payloads as events.
-- `gone`: up to this row it has done its work (payload: blanked; change: superseded ones dropped; event, log: dropped).
-- `seq`: for change: the state as of events before this one is no longer known.
-- `counted`: up to this row `bytes` holds what they take.
CREATE TABLE retention (
    kind    TEXT PRIMARY KEY NOT NULL,
    gone    INTEGER NOT NULL DEFAULT 0,
    seq     INTEGER NOT NULL DEFAULT 0,
    counted INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO retention (kind) VALUES ('payload'), ('event'), ('change'), ('log');
