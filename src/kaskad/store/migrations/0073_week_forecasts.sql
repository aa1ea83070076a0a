-- What is expected of a cascade that people enter by themselves, once a version is that of all: of the week after it.

CREATE TABLE week_forecasts (
    version_id BIGINT PRIMARY KEY REFERENCES versions (id),
    at         BIGINT NOT NULL,               -- the week begins with the hour after
    forecast   TEXT NOT NULL                  -- JSON (actions/weeks.py, Week)
);
