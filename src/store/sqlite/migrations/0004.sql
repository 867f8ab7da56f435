-- Version 4: the log is found by its own order. Lines are numbered in the order of their events (but for one action), so those of one event are found by
-- halving; and in the order of their times but for clocks that were set, so marks along the way are enough. The two indexes were more
-- than half of what an event's rows cost.

DROP INDEX log_event;
DROP INDEX log_at;

-- The exception: a delivery that comes again is told of as a line of the event that it was, however long ago.
CREATE INDEX log_duplicate ON log (event) WHERE action = 'duplicate';

-- Now and then a line's number (`seq`) and the latest `at` of all lines up to it: rises with `seq`, whatever clocks did.
CREATE TABLE log_mark (
    seq INTEGER PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT;
INSERT INTO log_mark (seq, at)
    SELECT seq, latest FROM (SELECT seq, max(at) OVER (ORDER BY seq) AS latest FROM log) WHERE seq % 1000 = 0;
