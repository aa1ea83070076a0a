-- Exchange rates; see the migration `rates` and domain/rates.py.

-- name: rates
SELECT base, quote, day, rate FROM rates ORDER BY base, quote, day;

-- name: rates_of_days
-- The rates of two currencies, whichever way they are told, the latest first.
SELECT base, quote, day, rate FROM rates
 WHERE (:one = '' OR base = :one OR quote = :one) AND (:other = '' OR base = :other OR quote = :other)
   AND day >= :since AND day <= :until
 ORDER BY day DESC, base, quote LIMIT :limit;

-- name: put_rates
INSERT INTO rates (base, quote, day, rate)
/* sqlite: VALUES (:c1, :c2, :c3, :c4) */
/* postgresql: SELECT * FROM unnest(:c1::text[], :c2::text[], :c3::integer[], :c4::text[]) */
ON CONFLICT (base, quote, day) DO UPDATE SET rate = excluded.rate;

-- name: delete_rates
DELETE FROM rates WHERE base = :base AND quote = :quote AND day >= :since AND day <= :until;

-- name: reporting_rates
-- What one unit of these currencies is worth in that of figures, by the day from which on it is.
SELECT currency, since, rate, of_day FROM reporting_rates
 WHERE currency /* sqlite: IN (SELECT value FROM carray(:texts)) */ /* postgresql: = ANY(:texts) */
 ORDER BY currency, since;

-- name: clear_reporting_rates
DELETE FROM reporting_rates;

-- name: put_reporting_rates
INSERT INTO reporting_rates (currency, since, until, rate, of_day)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5) */
/* postgresql: SELECT * FROM unnest(:c1::text[], :c2::integer[], :c3::integer[], :c4::text[], :c5::integer[]) */;

-- name: currencies_of_versions
-- Those of budgets, where one is told; goals are worth so much of them.
SELECT DISTINCT currency FROM version_currencies WHERE currency <> '';

-- name: version_worths
-- What the goals of versions of a cascade (0: of all) are worth is in this currency; '': the brand's.
SELECT v.id, coalesce(c.currency, '') FROM versions v LEFT JOIN version_currencies c ON c.version_id = v.id
 WHERE :cascade_id = 0 OR v.cascade_id = :cascade_id;

-- name: first_spent
SELECT min(hour) FROM spent_counts;

-- name: spent_by_day
-- What messages of these accounts cost by day, as in `spent_between`.
SELECT k.account_id, (k.hour * 3600 + :offset) / 86400, sum(k.cost)
  FROM spent_counts k
 WHERE k.account_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND k.kind = '' AND k.hour >= :since AND k.hour < :until
   AND (:cascade_id = 0 OR k.version_id IN (SELECT id FROM versions WHERE cascade_id = :cascade_id))
 GROUP BY k.account_id, (k.hour * 3600 + :offset) / 86400;

-- name: worth_by_day
-- What goals of runs of these versions were worth, by the day (as its first hour since 1970) on which they entered.
SELECT k.version_id, k.hour, sum(k.value)
  FROM course_counts k JOIN course_parts p ON p.id = k.part_id
 WHERE k.version_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND k.hours = 24 AND k.hour >= :since AND k.hour < :until AND p.live IS NOT NULL AND k.value <> 0
 GROUP BY k.version_id, k.hour;
