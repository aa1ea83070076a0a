-- Which share of people the policy has held out, since when.

-- name: held_shares
SELECT since, share, salt, opens, closes FROM held_shares WHERE lot = :lot ORDER BY since;

-- name: put_held_share
INSERT INTO held_shares (lot, since, share, salt, opens, closes)
VALUES (:lot, :since, :share, :salt, :opens, :closes)
ON CONFLICT (lot, since) DO UPDATE
   SET share = excluded.share, salt = excluded.salt, opens = excluded.opens, closes = excluded.closes;
