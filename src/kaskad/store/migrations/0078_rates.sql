-- Exchange rates by day, and the same rates in the currency that figures are told in.

CREATE TABLE rates (
    base  TEXT NOT NULL,
    quote TEXT NOT NULL,
    day   INTEGER NOT NULL,                   -- days since 1970: it holds from then until the next one
    rate  TEXT NOT NULL,                      -- a decimal: one unit of base is worth so many of quote
    CHECK (base <> quote),
    PRIMARY KEY (base, quote, day)
);

CREATE TABLE reporting_rates (                -- made anew whenever a rate or the currency of figures changes
    currency TEXT NOT NULL,
    since    INTEGER NOT NULL,                -- days since 1970
    until    INTEGER,                         -- the day of the next one; NULL: it is the last
    rate     TEXT NOT NULL,                   -- … in the currency of figures
    of_day   INTEGER NOT NULL,                -- the day of the rate that it comes from
    PRIMARY KEY (currency, since)
);
