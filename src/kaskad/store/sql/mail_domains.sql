-- name: known_mail_domains (sqlite)
SELECT domain, state FROM mail_domains WHERE domain = :c1;

-- name: known_mail_domains (postgresql)
SELECT domain, state FROM mail_domains WHERE domain IN (SELECT unnest(:c1::text[]));

-- name: put_mail_domains
-- Due at once.
INSERT INTO mail_domains (domain) /* sqlite: VALUES (:c1) */ /* postgresql: SELECT unnest(:c1::text[]) */
ON CONFLICT DO NOTHING;

-- name: blame_addresses (sqlite)
-- Addresses that are new, at domains that are known to take no mail.
UPDATE addresses SET health = 1, why = :c3
 WHERE value = :c1 AND channel = :c2 AND health = 0
   AND contact_id IN (SELECT contact_id FROM address_book WHERE value = :c1 AND channel = :c2);

-- name: blame_addresses (postgresql)
-- Addresses that are new, at domains that are known to take no mail.
UPDATE addresses a SET health = 1, why = k.why
  FROM unnest(:c1::text[], :c2::integer[], :c3::integer[]) AS k (value, channel, why)
 WHERE a.value = k.value AND a.channel = k.channel AND a.health = 0;

-- name: first_mail_domain
SELECT min(next_at) FROM mail_domains;

-- name: claim_mail_domains
-- What is due, the longest first. Claiming puts it off to :again_at, so that what a process that dies has claimed
-- comes due again by itself.
UPDATE mail_domains SET next_at = :again_at
 WHERE domain IN (SELECT domain FROM mail_domains WHERE next_at <= :now
                   ORDER BY next_at, domain LIMIT :limit /* postgresql: FOR UPDATE SKIP LOCKED */)
RETURNING domain, state, since, tries;

-- name: settle_mail_domain
UPDATE mail_domains
   SET state = :state, since = :since, checked_at = :now, next_at = :next_at, tries = 0,
       unmarked = CASE WHEN :changed = 1 THEN 1 ELSE unmarked END
 WHERE domain = :domain;

-- name: put_off_mail_domain
-- DNS has not answered: what was known of the domain stays.
UPDATE mail_domains SET next_at = :next_at, tries = tries + 1 WHERE domain = :domain;

-- name: hasten_mail_domain
UPDATE mail_domains SET next_at = 0 WHERE domain = :domain;

-- name: unmarked_mail_domains
SELECT domain, state FROM mail_domains WHERE unmarked = 1;

-- name: unmarked_addresses
-- Mail addresses of some contacts that do not show yet what is known of their domain.
SELECT a.contact_id, a.value, d.state
  FROM addresses a
  JOIN mail_domains d
    ON d.domain = substr(a.value, /* sqlite: instr(a.value, '@') */ /* postgresql: strpos(a.value, '@') */ + 1)
 WHERE a.contact_id > :after AND a.contact_id <= :until AND a.channel = :channel AND d.unmarked = 1
   AND (a.health = 0 AND d.state > 0 OR a.health = 1 AND a.why IS NOT NULL AND a.why <> d.state);

-- name: mark_addresses (sqlite)
-- Neither what bounced nor what was suppressed meanwhile.
UPDATE addresses SET health = :c4, why = :c5, changed_at = :c6
 WHERE contact_id = :c1 AND channel = :c2 AND value = :c3 AND (health = 0 OR health = 1 AND why IS NOT NULL);

-- name: mark_addresses (postgresql)
-- Neither what bounced nor what was suppressed meanwhile.
UPDATE addresses a SET health = k.health, why = k.why, changed_at = k.at
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::text[], :c4::integer[], :c5::integer[], :c6::bigint[])
       AS k (contact_id, channel, value, health, why, at)
 WHERE a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value
   AND (a.health = 0 OR a.health = 1 AND a.why IS NOT NULL);

-- name: marked_mail_domain
-- 0 rows: it has changed again meanwhile.
UPDATE mail_domains SET unmarked = 0 WHERE domain = :domain AND state = :state;

-- name: mail_domains
-- :pending 1: those that were never answered about; :dead 1: those that take no mail.
SELECT domain, state, since, checked_at, next_at, tries FROM mail_domains
 WHERE domain > :after AND (:pending = 0 OR state IS NULL) AND (:dead = 0 OR state > 0)
 ORDER BY domain LIMIT :limit;

-- name: mail_domain
SELECT domain, state, since, checked_at, next_at, tries FROM mail_domains WHERE domain = :domain;

-- name: count_mail_domains
SELECT count(*), count(state), coalesce(sum(CASE WHEN state > 0 THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN state IS NULL AND tries > 0 THEN 1 ELSE 0 END), 0)
  FROM mail_domains;
