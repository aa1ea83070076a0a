-- The turn in which people were counted anew last: it stays when `run_touched` is emptied. The greatest turn there would
-- not do: once those who had it are forgotten, a turn that a maker has read would come again.
CREATE TABLE run_turn (
    id   SMALLINT PRIMARY KEY CHECK (id = 1),
    turn BIGINT NOT NULL
);
INSERT INTO run_turn (id, turn) SELECT 1, coalesce(max(turn), 0) FROM run_touched;
DROP INDEX run_touched_turn;
