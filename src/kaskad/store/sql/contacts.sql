-- name: lock_contacts
-- One upsert or suppression at a time, so that two do not make the same person twice, miss that an address
-- is shared, or add one that is being suppressed. SQLite has one writer anyway.
SELECT /* sqlite: 1 */ /* postgresql: pg_advisory_xact_lock(7526466503) */;

-- name: contacts_by_external (sqlite)
SELECT external_id, contact_id FROM external_ids WHERE external_id = :c1;

-- name: contacts_by_external (postgresql)
SELECT external_id, contact_id FROM external_ids WHERE external_id IN (SELECT unnest(:c1::text[]));

-- name: put_external_ids
-- exception: unique over all contacts, so not spread by contact.
-- An external id stays with its contact.
INSERT INTO external_ids (external_id, contact_id)
/* sqlite: VALUES (:c1, :c2) */ /* postgresql: SELECT * FROM unnest(:c1::text[], :c2::bigint[]) */;

-- name: external_ids_of
SELECT external_id FROM external_ids WHERE contact_id = :contact_id ORDER BY external_id;

-- name: contacts_by_address (sqlite)
-- exception: an address may be in any part.
SELECT a.channel, a.value, a.contact_id, c.external_id
  FROM address_book b
  JOIN addresses a ON a.contact_id = b.contact_id AND a.channel = b.channel AND a.value = b.value
  JOIN contacts c ON c.id = a.contact_id
 WHERE b.channel = :c1 AND b.value = :c2;

-- name: contacts_by_address (postgresql)
-- exception: an address may be in any part.
SELECT a.channel, a.value, a.contact_id, c.external_id
  FROM unnest(:c1::integer[], :c2::text[]) AS k (channel, value)
  JOIN addresses a ON a.channel = k.channel AND a.value = k.value
  JOIN contacts c ON c.id = a.contact_id;

-- name: known_external_ids
-- SQLite: as they come, without sorting them first.
/* sqlite: SELECT e.external_id FROM carray(:texts) t CROSS JOIN external_ids e ON e.external_id = t.value */
/* postgresql: SELECT external_id FROM external_ids WHERE external_id = ANY(:texts) */;

-- name: known_addresses
-- exception: an address may be in any part.
SELECT a.channel, a.value FROM addresses a /* sqlite: JOIN address_book b USING (value, channel, contact_id) */
 WHERE /* sqlite: b.value IN (SELECT value FROM carray(:texts)) */ /* postgresql: a.value = ANY(:texts) */;

-- name: next_contact_ids (sqlite)
WITH RECURSIVE next (id, left) AS (
    SELECT max((SELECT coalesce(max(id), 0) FROM contacts), (SELECT coalesce(max(last_id), 0) FROM placements)) + 1,
           :count - 1
    UNION ALL
    SELECT id + 1, left - 1 FROM next WHERE left > 0
)
SELECT id FROM next;

-- name: next_contact_ids (postgresql)
SELECT nextval('contact_ids') FROM generate_series(1, :count);

-- name: count_countries
-- Everybody by country; the largest first. A scan of all contacts.
SELECT coalesce(country, '') AS country, count(*) FROM contacts WHERE erased_at IS NULL
 GROUP BY 1 ORDER BY 2 DESC;

-- name: contacts_among
SELECT id, external_id, zone, language, country, tracking, attributes, folded, zone_source, zone_at FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */;

-- name: put_contacts
INSERT INTO contacts (id, external_id, zone, language, country, tracking, attributes, folded, zone_source, zone_at,
                      created_at)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::text[], :c4::text[], :c5::text[],
                                    :c6::integer[], :c7::text[], :c8::text[], :c9::integer[], :c10::bigint[],
                                    :c11::bigint[]) */
ON CONFLICT (id) DO UPDATE SET
       external_id = excluded.external_id, zone = excluded.zone, language = excluded.language,
       country = excluded.country, tracking = excluded.tracking, attributes = excluded.attributes,
       folded = excluded.folded, zone_source = excluded.zone_source, zone_at = excluded.zone_at;

-- name: tell_zones (sqlite)
-- What a site or an app knows counts where nobody has told better.
UPDATE contacts SET zone = :c2, zone_source = 3, zone_at = :c3
 WHERE id = :c1 AND erased_at IS NULL
   AND (zone IS NULL OR (zone_source = 3 AND (zone <> :c2 OR zone_at < :c3 - 86400000)));

-- name: tell_zones (postgresql)
-- What a site or an app knows counts where nobody has told better.
UPDATE contacts c SET zone = k.zone, zone_source = 3, zone_at = k.at
  FROM unnest(:c1::bigint[], :c2::text[], :c3::bigint[]) AS k (id, zone, at)
 WHERE c.id = k.id AND c.erased_at IS NULL
   AND (c.zone IS NULL OR (c.zone_source = 3 AND (c.zone <> k.zone OR c.zone_at < k.at - 86400000)));

-- name: put_new_contacts
INSERT INTO contacts (id, external_id, zone, language, country, tracking, attributes, folded, created_at, zone_source,
                      zone_at)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10, :c11) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::text[], :c3::text[], :c4::text[], :c5::text[],
                                    :c6::integer[], :c7::text[], :c8::text[], :c9::bigint[], :c10::integer[],
                                    :c11::bigint[]) */;

-- name: put_new_addresses
-- Those that no contact has yet.
INSERT INTO addresses (contact_id, channel, value, health)
/* sqlite: VALUES (:c1, :c2, :c3, :c4) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::integer[]) */;

-- name: put_addresses
-- Returns those that are new; a known one keeps its health.
INSERT INTO addresses (contact_id, channel, value, health, preferred)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::integer[], :c5::integer[]) */
ON CONFLICT (contact_id, channel, value) DO NOTHING
RETURNING channel, value, contact_id;

-- name: share_addresses (sqlite)
-- Marks addresses that several contacts have (E11), all of them.
UPDATE addresses SET shared = 1
 WHERE channel = :c1 AND value = :c2 AND shared = 0
   AND contact_id IN (SELECT contact_id FROM address_book WHERE value = :c2 AND channel = :c1)
   AND EXISTS (SELECT 1 FROM address_book b JOIN addresses other USING (value, channel, contact_id)
                WHERE b.value = :c2 AND b.channel = :c1 AND b.contact_id <> addresses.contact_id);

-- name: share_addresses (postgresql)
-- Marks addresses that several contacts have (E11), all of them.
UPDATE addresses a SET shared = 1
  FROM unnest(:c1::integer[], :c2::text[]) AS k (channel, value)
 WHERE a.channel = k.channel AND a.value = k.value AND a.shared = 0
   AND EXISTS (SELECT 1 FROM addresses other
                WHERE other.value = k.value AND other.channel = k.channel AND other.contact_id <> a.contact_id);

-- name: prefer_addresses (sqlite)
UPDATE addresses SET preferred = :c4 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3;

-- name: prefer_addresses (postgresql)
UPDATE addresses a SET preferred = k.preferred
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::integer[])
       AS k (contact_id, channel, value, preferred)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value;

-- name: set_health (sqlite)
-- Health only gets worse here: a bounce does not lift a suppression, and counts for more than a dead domain.
UPDATE addresses SET health = :c4, changed_at = :c5, why = NULL
 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3 AND (health < :c4 OR health = :c4 AND why IS NOT NULL);

-- name: set_health (postgresql)
-- Health only gets worse here: a bounce does not lift a suppression, and counts for more than a dead domain.
UPDATE addresses a SET health = k.health, changed_at = k.at, why = NULL
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::integer[], :c5::bigint[])
       AS k (contact_id, channel, value, health, at)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value
   AND (a.health < k.health OR a.health = k.health AND a.why IS NOT NULL);

-- name: put_proofs
-- Returns those that are new.
INSERT INTO proofs (detail) /* sqlite: VALUES (:c1) */ /* postgresql: SELECT unnest(:c1::text[]) */
ON CONFLICT DO NOTHING
RETURNING detail, id;

-- name: proofs_by_detail
SELECT detail, id FROM proofs
 WHERE detail /* sqlite: IN (SELECT value FROM carray(:texts)) */ /* postgresql: = ANY(:texts) */;

-- name: last_consent_ids
SELECT contact_id, max(id) FROM consents
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 GROUP BY contact_id;

-- name: put_consents (sqlite)
-- What a contact's history already says word for word is not said again: an import may be repeated.
INSERT INTO consents (contact_id, id, granted, purpose, channels, topic, at, expires_at, proof_id, brand)
SELECT :c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10
 WHERE NOT EXISTS (SELECT 1 FROM consents
        WHERE contact_id = :c1 AND granted = :c3 AND purpose = :c4 AND channels = :c5 AND topic = :c6
          AND at = :c7 AND expires_at IS :c8 AND proof_id IS :c9
          AND brand = :c10);

-- name: put_consents (postgresql)
-- What a contact's history already says word for word is not said again: an import may be repeated.
INSERT INTO consents (contact_id, id, granted, purpose, channels, topic, at, expires_at, proof_id, brand)
SELECT k.*
  FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[], :c6::text[],
              :c7::bigint[], :c8::bigint[], :c9::bigint[], :c10::text[])
       AS k (contact_id, id, granted, purpose, channels, topic, at, expires_at, proof_id, brand)
 WHERE NOT EXISTS (SELECT 1 FROM consents c
        WHERE c.contact_id = k.contact_id AND c.granted = k.granted AND c.purpose = k.purpose
          AND c.channels = k.channels AND c.topic = k.topic AND c.at = k.at
          AND c.expires_at IS NOT DISTINCT FROM k.expires_at AND c.proof_id IS NOT DISTINCT FROM k.proof_id
          AND c.brand = k.brand);

-- name: put_first_consents
INSERT INTO consents (contact_id, id, granted, purpose, channels, topic, at, expires_at, proof_id, brand)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9, :c10) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::integer[], :c4::integer[], :c5::bigint[],
                                    :c6::text[], :c7::bigint[], :c8::bigint[], :c9::bigint[], :c10::text[]) */;

-- name: untracked_among
-- example: {"ids": [1]}
-- Contacts who have not agreed that their openings are noted.
SELECT id FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND tracking = 0;

-- name: consent_by_proof
-- example: {"contact_id": 1, "detail": "{}"}
SELECT k.id FROM proofs p JOIN consents k ON k.proof_id = p.id
 WHERE p.detail = :detail AND k.contact_id = :contact_id LIMIT 1;

-- name: refusal_by_proof
-- example: {"contact_id": 1, "at": 1, "detail": "{}"}
SELECT k.id FROM proofs p JOIN consents k ON k.proof_id = p.id
 WHERE p.detail = :detail AND k.contact_id = :contact_id AND k.at = :at AND k.granted = 0 LIMIT 1;

-- name: contact_by_id
SELECT id FROM contacts WHERE id = :id AND erased_at IS NULL;

-- name: contact_by_external_id
SELECT c.id FROM external_ids e JOIN contacts c ON c.id = e.contact_id
 WHERE e.external_id = :external_id AND c.erased_at IS NULL;

-- name: contact_by_address
-- exception: an address may be in any part.
SELECT contact_id FROM addresses WHERE value = :value AND channel = :channel
   /* sqlite: AND contact_id IN (SELECT contact_id FROM address_book WHERE value = :value AND channel = :channel) */
 ORDER BY contact_id LIMIT 1;

-- name: reserve_contacts
-- Numbers for contacts of an import, whose addresses are in the book before they are. Nothing on PostgreSQL, which
-- has no book: its index is no faster in the order of addresses.
/* sqlite:
INSERT INTO placements (import_id, owner, first_id, last_id)
SELECT :import_id, :owner, last + 1, last + :count
  FROM (SELECT max((SELECT coalesce(max(id), 0) FROM contacts),
                   (SELECT coalesce(max(last_id), 0) FROM placements)) AS last)
 WHERE true
ON CONFLICT (import_id) DO UPDATE SET owner = excluded.owner, first_id = excluded.first_id, last_id = excluded.last_id
RETURNING first_id */
/* postgresql:
SELECT 0 WHERE :import_id::bigint IS NULL AND :owner::text IS NULL AND :count::bigint IS NULL */;

-- name: booked_addresses
-- What the book has of these.
/* sqlite: SELECT b.value, b.channel FROM carray(:texts) t CROSS JOIN address_book b ON b.value = t.value */
/* postgresql: SELECT '', 0 FROM unnest(:texts::text[]) LIMIT 0 */;

-- name: place_addresses (sqlite)
-- Ahead of the contacts who will have them.
INSERT INTO address_book (value, channel, contact_id) VALUES (:c1, :c2, :c3) ON CONFLICT DO NOTHING;

-- name: place_addresses (postgresql)
SELECT unnest(:c1::text[]), unnest(:c2::integer[]), unnest(:c3::bigint[]) LIMIT 0;

-- name: unplace_addresses (sqlite)
-- Addresses of those who did not come under the number that was kept for them.
DELETE FROM address_book
 WHERE value = :c1 AND channel = :c2 AND contact_id = :c3
   AND NOT EXISTS (SELECT 1 FROM addresses WHERE contact_id = :c3 AND channel = :c2 AND value = :c1);

-- name: unplace_addresses (postgresql)
SELECT unnest(:c1::text[]), unnest(:c2::integer[]), unnest(:c3::bigint[]) LIMIT 0;

-- name: note_booked_twice
-- Who shares an address with somebody.
INSERT INTO booked_twice (contact_id)
/* sqlite: VALUES (:c1) */ /* postgresql: SELECT unnest(:c1::bigint[]) */
ON CONFLICT DO NOTHING;

-- name: booked_twice
SELECT contact_id FROM booked_twice WHERE contact_id BETWEEN :first AND :last;

-- name: forget_booked_twice
DELETE FROM booked_twice
 WHERE EXISTS (SELECT 1 FROM placements
                WHERE import_id = :import_id AND booked_twice.contact_id BETWEEN first_id AND last_id);

-- name: write_placed
-- :writing 1: from here on nothing is put into the book for the people who are made.
UPDATE placements SET writing = :writing WHERE :number BETWEEN first_id AND last_id;

-- name: placements
-- Of this import, and of processes that have ended: on SQLite there is one that writes.
SELECT import_id, first_id, last_id FROM placements WHERE owner <> :owner OR import_id = :import_id;

-- name: placed_addresses
-- What the book has under some numbers, in its order.
/* sqlite:
SELECT value, channel, contact_id FROM address_book
 WHERE (value, channel, contact_id) > (:value, :channel, :contact_id)
   AND contact_id BETWEEN :first AND :last
 ORDER BY value, channel, contact_id LIMIT :limit */
/* postgresql:
SELECT '', 0, 0
 WHERE :value::text IS NULL
   AND :channel::bigint + :contact_id::bigint + :first::bigint + :last::bigint IS NULL
 LIMIT :limit::bigint */;

-- name: end_placement
DELETE FROM placements WHERE import_id = :import_id;
