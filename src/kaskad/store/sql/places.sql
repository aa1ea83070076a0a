-- Addresses of one contact, one at a time, as people look after them.

-- name: address_of
SELECT health, main, why FROM addresses
 WHERE contact_id = :contact_id AND channel = :channel AND value = :value;

-- name: set_main_address
-- The others of the channel are not the main one any more.
UPDATE addresses SET main = CASE WHEN value = :value THEN 1 ELSE 0 END
 WHERE contact_id = :contact_id AND channel = :channel;

-- name: spoil_address
UPDATE addresses SET health = 1, why = NULL, changed_at = :now
 WHERE contact_id = :contact_id AND channel = :channel AND value = :value AND health < 2;

-- name: mend_address
-- Not one that is suppressed.
UPDATE addresses SET health = 0, why = NULL, changed_at = :now, confirmed_at = :now
 WHERE contact_id = :contact_id AND channel = :channel AND value = :value AND health < 2;

-- name: confirm_addresses (sqlite)
-- The person has shown that these are theirs.
UPDATE addresses SET confirmed_at = :c4 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3;

-- name: confirm_addresses (postgresql)
-- The person has shown that these are theirs.
UPDATE addresses a SET confirmed_at = k.at
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::bigint[]) AS k (contact_id, channel, value, at)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value;

-- name: remove_address
DELETE FROM addresses WHERE contact_id = :contact_id AND channel = :channel AND value = :value;

-- name: unshare_last
-- Whoever is the only one left with an address shares it with nobody.
UPDATE addresses SET shared = 0
 WHERE value = :value AND channel = :channel AND shared = 1
   /* sqlite: AND contact_id IN (SELECT contact_id FROM address_book WHERE value = :value AND channel = :channel) */
   AND 1 = (SELECT count(*) FROM addresses o WHERE o.value = :value AND o.channel = :channel
             /* sqlite: AND o.contact_id IN (
                 SELECT contact_id FROM address_book WHERE value = :value AND channel = :channel) */);

-- name: answered_places
-- Where messages went to which these people have reacted (:human: the facts that say so), the last ones last.
-- Of a step that was passed over, as its message was refused, earlier releases did not keep when that was.
SELECT m.contact_id, m.channel, b.body, coalesce(m.sent_at, m.submitted_at, 0)
  FROM messages m
  JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND (m.mask & :human) <> 0
 ORDER BY m.contact_id, 4;
