-- Version 2. What definitions were compiled from, once for each hash, as long as an event refers to it.

-- The last event they decided; NULL: they are in force, or have decided nothing yet. It is written when others take over, so that
-- nothing on the hot path pays for it, and finding what no event refers to takes no look at the events.
ALTER TABLE definition ADD COLUMN last INTEGER;

-- Grows at its end: numbers of definitions rise.
CREATE TABLE definition_text (
    definition INTEGER PRIMARY KEY,
    text       TEXT NOT NULL
) STRICT;
