-- The currency of figures stands among the rates too, at one for one: one join converts every sum, also where
-- no rate was ever needed.

/* sqlite: DROP VIEW bi_rates; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_rates AS
WITH figures AS (
    SELECT coalesce(nullif((SELECT /* sqlite: value ->> 'currency' */ /* postgresql: CAST(value AS json) ->> 'currency' */ FROM settings WHERE name = 'reporting'), ''),
                    (SELECT /* sqlite: value ->> 'currency' */ /* postgresql: CAST(value AS json) ->> 'currency' */ FROM settings WHERE name = 'brand')) AS told_in
)
SELECT r.currency, f.told_in,
       /* sqlite: date(r.since * 86400, 'unixepoch') */ /* postgresql: DATE '1970-01-01' + r.since */ AS since,
       /* sqlite: date(r.until * 86400, 'unixepoch') */ /* postgresql: DATE '1970-01-01' + r.until */ AS until,
       /* sqlite: CAST(r.rate AS REAL) */ /* postgresql: CAST(r.rate AS numeric) */ AS rate
  FROM reporting_rates r CROSS JOIN figures f
 UNION ALL
SELECT f.told_in, f.told_in, /* sqlite: '1970-01-01' */ /* postgresql: DATE '1970-01-01' */, NULL, /* sqlite: 1.0 */ /* postgresql: CAST(1 AS numeric) */
  FROM figures f WHERE f.told_in <> '';
