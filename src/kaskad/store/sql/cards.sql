-- name: card
SELECT id, external_id, zone, language, country, tracking, attributes, created_at, zone_source, zone_at FROM contacts
 WHERE id = :id AND erased_at IS NULL;

-- name: cards_after
SELECT id, external_id, zone, language, country, tracking, attributes, created_at, zone_source, zone_at FROM contacts
 WHERE id > :after AND erased_at IS NULL AND (:country = '' OR country = :country)
 ORDER BY id LIMIT :limit;

-- name: cards_of_list
SELECT c.id, c.external_id, c.zone, c.language, c.country, c.tracking, c.attributes, c.created_at, c.zone_source,
       c.zone_at
  FROM list_members m JOIN contacts c ON c.id = m.contact_id
 WHERE m.list_id = :list_id AND m.contact_id > :after AND c.erased_at IS NULL
 ORDER BY m.contact_id LIMIT :limit;

-- name: search_cards
-- Contacts one of whose names, external id or an address begins so. PostgreSQL's own order of texts knows no
-- prefixes, so there the comparisons are by bytes.
SELECT id, external_id, zone, language, country, tracking, attributes, created_at, zone_source, zone_at FROM contacts
 WHERE id > :after AND erased_at IS NULL AND (:country = '' OR country = :country)
   AND id IN (
       SELECT contact_id FROM external_ids
        WHERE /* sqlite: external_id >= :said AND external_id < :said_end */
              /* postgresql: external_id ~>=~ :said AND external_id ~<~ :said_end */
       UNION ALL
       SELECT a.contact_id FROM addresses a /* sqlite: JOIN address_book b USING (value, channel, contact_id) */
        WHERE /* sqlite: b.value >= :folded AND b.value < :folded_end */
              /* postgresql: value ~>=~ :folded AND value ~<~ :folded_end */
       UNION ALL
       SELECT a.contact_id FROM addresses a /* sqlite: JOIN address_book b USING (value, channel, contact_id) */
        WHERE /* sqlite: b.value >= :phone AND b.value < :phone_end */
              /* postgresql: value ~>=~ :phone AND value ~<~ :phone_end */
       UNION ALL
       SELECT id FROM contacts
        WHERE folded IS NOT NULL
          AND /* sqlite: instr */ /* postgresql: strpos */ (' ' || folded, ' ' || :folded) > 0)
 ORDER BY id LIMIT :limit;

-- name: search_cards_near
-- The same of contacts up to one: where a million begin so, all their ids would be gathered for the first few.
SELECT id, external_id, zone, language, country, tracking, attributes, created_at, zone_source, zone_at FROM contacts
 WHERE id > :after AND id <= :until AND erased_at IS NULL AND (:country = '' OR country = :country)
   AND id IN (
       SELECT contact_id FROM external_ids
        WHERE /* sqlite: external_id >= :said AND external_id < :said_end */
              /* postgresql: external_id ~>=~ :said AND external_id ~<~ :said_end */
          AND contact_id > :after AND contact_id <= :until
       UNION ALL
       SELECT contact_id FROM addresses
        WHERE contact_id > :after AND contact_id <= :until
          AND (/* sqlite: value >= :folded AND value < :folded_end OR value >= :phone AND value < :phone_end */
               /* postgresql: value ~>=~ :folded AND value ~<~ :folded_end OR value ~>=~ :phone AND value ~<~ :phone_end */)
       UNION ALL
       SELECT id FROM contacts
        WHERE id > :after AND id <= :until AND folded IS NOT NULL
          AND /* sqlite: instr */ /* postgresql: strpos */ (' ' || folded, ' ' || :folded) > 0)
 ORDER BY id LIMIT :limit;

-- name: addresses_so
-- Whether more than so many addresses begin so.
SELECT 1 FROM /* sqlite: address_book */ /* postgresql: addresses */
 WHERE /* sqlite: value >= :said AND value < :said_end */ /* postgresql: value ~>=~ :said AND value ~<~ :said_end */
 LIMIT 1 OFFSET :many;

-- name: of_country
-- The first contacts of a country after one.
SELECT id FROM contacts WHERE id > :after AND country = :country AND erased_at IS NULL ORDER BY id LIMIT :limit;

-- name: search_cards_among
-- As search_cards, of these contacts.
SELECT id, external_id, zone, language, country, tracking, attributes, created_at, zone_source, zone_at FROM contacts
 WHERE id IN (
       SELECT contact_id FROM external_ids
        WHERE /* sqlite: contact_id IN (SELECT value FROM carray(:ids)) AND +external_id >= :said AND +external_id < :said_end */
              /* postgresql: contact_id = ANY(:ids) AND external_id ~>=~ :said AND external_id ~<~ :said_end */
       UNION ALL
       SELECT contact_id FROM addresses
        WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
          AND (/* sqlite: value >= :folded AND value < :folded_end OR value >= :phone AND value < :phone_end */
               /* postgresql: value ~>=~ :folded AND value ~<~ :folded_end OR value ~>=~ :phone AND value ~<~ :phone_end */)
       UNION ALL
       SELECT id FROM contacts
        WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND folded IS NOT NULL
          AND /* sqlite: instr */ /* postgresql: strpos */ (' ' || folded, ' ' || :folded) > 0)
 ORDER BY id LIMIT :limit;

-- name: card_addresses
SELECT channel, value, health, shared, preferred, changed_at, why, main, confirmed_at FROM addresses
 WHERE contact_id = :contact_id ORDER BY channel, value;

-- name: cards_addresses
SELECT contact_id, channel, value, health, shared, preferred, changed_at, why, main, confirmed_at FROM addresses
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY contact_id, channel, value;

-- name: card_consents
SELECT c.granted, c.purpose, c.channels, c.topic, c.at, c.expires_at, p.detail, c.brand
  FROM consents c LEFT JOIN proofs p ON p.id = c.proof_id
 WHERE c.contact_id = :contact_id ORDER BY c.id;

-- name: card_lists
SELECT l.name FROM lists l
 WHERE EXISTS (SELECT 1 FROM list_members m WHERE m.list_id = l.id AND m.contact_id = :contact_id)
 ORDER BY l.name;

-- name: card_events
SELECT id, name, at, properties FROM events
 WHERE contact_id = :contact_id AND at <= :until ORDER BY at DESC, id LIMIT :limit;

-- name: cards_among
SELECT id, external_id, zone, language, country, tracking, attributes, created_at, zone_source, zone_at FROM contacts
 WHERE id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */ AND erased_at IS NULL;

-- name: card_hits
SELECT at, run_id, step, link, method, ip, agent, actor FROM hits WHERE contact_id = :contact_id ORDER BY at, id;

-- name: card_opt_ins
SELECT created_at, expires_at, used_at, account_id, topic, consent, address FROM opt_ins
 WHERE contact_id = :contact_id ORDER BY created_at;

-- name: card_dialogues
SELECT account_id, heard_at FROM dialogues WHERE contact_id = :contact_id ORDER BY account_id;
