-- Exchange rates for BI tools, in the currency that figures are told in, each with the days for which it holds.

CREATE VIEW bi_rates AS
SELECT r.currency,
       coalesce(nullif((SELECT /* sqlite: value ->> 'currency' */ /* postgresql: CAST(value AS json) ->> 'currency' */ FROM settings WHERE name = 'reporting'), ''),
                (SELECT /* sqlite: value ->> 'currency' */ /* postgresql: CAST(value AS json) ->> 'currency' */ FROM settings WHERE name = 'brand')) AS told_in,
       /* sqlite: date(r.since * 86400, 'unixepoch') */ /* postgresql: DATE '1970-01-01' + r.since */ AS since,
       /* sqlite: date(r.until * 86400, 'unixepoch') */ /* postgresql: DATE '1970-01-01' + r.until */ AS until,
       /* sqlite: CAST(r.rate AS REAL) */ /* postgresql: CAST(r.rate AS numeric) */ AS rate
  FROM reporting_rates r;
