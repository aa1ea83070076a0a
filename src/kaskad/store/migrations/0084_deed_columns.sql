-- What cascades did with people, and people with their messages, by column beside as what their runs are counted: what
-- segments ask of cascades is then arithmetic too. Blocks that are made have none of it, and are made anew.

CREATE TABLE deed_columns (
    cascade_id BIGINT NOT NULL,
    block      BIGINT NOT NULL,               -- see run_blocks
    word       TEXT NOT NULL,                 -- entered, sent, reacted, ended
    data       /* sqlite: BLOB */ /* postgresql: BYTEA */ NOT NULL,
    PRIMARY KEY (word, cascade_id, block)
);
CREATE INDEX deed_columns_block ON deed_columns (block);

DELETE FROM run_blocks;
DELETE FROM run_columns;
DELETE FROM run_touched;
