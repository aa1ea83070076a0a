-- The forecast of a version's week is made again, once, where the first one knew nothing of the dates by which steps
-- are due: both are kept, each for those who enter after it.

CREATE TABLE week_forecasts_again (
    version_id BIGINT NOT NULL REFERENCES versions (id),
    again      BIGINT NOT NULL DEFAULT 0 CHECK (again IN (0, 1)),
    at         BIGINT NOT NULL,               -- the week begins with the hour after
    forecast   TEXT NOT NULL,                 -- JSON (actions/weeks.py, Week)
    PRIMARY KEY (version_id, again)
);
INSERT INTO week_forecasts_again (version_id, at, forecast) SELECT version_id, at, forecast FROM week_forecasts;
DROP TABLE week_forecasts;
ALTER TABLE week_forecasts_again RENAME TO week_forecasts;
