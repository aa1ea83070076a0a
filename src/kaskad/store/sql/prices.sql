-- name: price_lists
-- Which there are, without their rows.
SELECT account_id, imported_at, currency, source, size FROM price_lists;

-- name: prices_of
SELECT prices FROM price_lists WHERE account_id = :account_id;

-- name: put_price_list
INSERT INTO price_lists (account_id, imported_at, currency, source, size, prices)
VALUES (:account_id, :now, :currency, :source, :size, :prices)
ON CONFLICT (account_id) DO UPDATE SET
       imported_at = excluded.imported_at, currency = excluded.currency, source = excluded.source,
       size = excluded.size, prices = excluded.prices;

-- name: delete_price_list
DELETE FROM price_lists WHERE account_id = :account_id;
