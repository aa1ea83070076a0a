-- As what each run is counted is kept by column too, in blocks of 8192 contacts, so that the figures of a large segment
-- are arithmetic over arrays. A block is made in the background; whoever is counted anew afterwards is in `run_touched`
-- (as long as there is a block at all), and is looked at as they stand. One process counts at a time, so a turn that
-- is committed is greater than those committed before.

CREATE TABLE run_blocks (
    block      BIGINT PRIMARY KEY,            -- contact_id / 8192
    generation BIGINT NOT NULL,               -- grows whenever a making begins
    made       SMALLINT NOT NULL DEFAULT 0    -- 1: what `run_columns` has of it counts
);
CREATE TABLE run_columns (
    cascade_id BIGINT NOT NULL,
    block      BIGINT NOT NULL,
    data       /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL,
    PRIMARY KEY (cascade_id, block)
);
CREATE INDEX run_columns_block ON run_columns (block);
CREATE TABLE run_touched (
    contact_id BIGINT PRIMARY KEY,
    turn       BIGINT NOT NULL                -- grows with each piece that is counted
);
CREATE INDEX run_touched_turn ON run_touched (turn);
