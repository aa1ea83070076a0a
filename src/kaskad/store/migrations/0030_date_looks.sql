-- How far contacts have been looked through for dates that begin runs.
CREATE TABLE date_looks (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    began_at BIGINT NOT NULL,
    after    BIGINT NOT NULL,                 -- the last contact looked at; 0: none in this round
    next_at  BIGINT NOT NULL
);
