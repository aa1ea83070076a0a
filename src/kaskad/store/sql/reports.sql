-- Reports count what happened in one cascade, all its versions together. Hold-outs are counted apart: they
-- got nothing. Bits are those of domain/terms.py, 1 << kind; analytics/reach.py names and passes them.
-- Seed contacts are in no figure. Where :whole is 0, only the people of :people are reported.
-- A message is *sent* when it left us (states sent, delivered, read, failed, bounced, expired, unknown), and
-- *delivered* when its provider said so or a person's reaction shows it, and no bounce took that back.

-- name: report_entered
-- Entered: runs that began. By outcome (0: still under way) and hold-out; late ones counted by their outcome.
SELECT holdout, coalesce(outcome, 0), count(*) FROM runs r
 WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
 GROUP BY holdout, coalesce(outcome, 0);

-- name: report_messages
-- For each step, channel and account: messages sent; delivered; seen (a person opened, read or answered, or did
-- more); reacted (a person clicked, replied or pressed a key); opened or clicked by a machine; doubtful clicks that
-- nothing confirmed; opened by a person, by whomever; clicked by a person, by whomever; those that only a
-- machine opened, of which nobody knows whether a person did (rates leave them out); sent and not failed; failed (refused or undelivered); without an answer; waiting for their turn; and in minor
-- units what they were to cost, and what they cost: the provider's figure, else the price of what it took.
SELECT m.step, m.channel, m.account_id,
       sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (4, 5) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :seen <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :reacted <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :machine <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :suspected <> 0 AND m.mask & :settled = 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :opened <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :opened_raw <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :clicked <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :clicked_raw <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (3, 4, 5, 10) AND m.mask & :opened = 0 AND m.mask & :prefetched <> 0
                THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (3, 4, 5, 10) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (6, 7, 8, 9) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state = 10 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (0, 1, 2) THEN 1 ELSE 0 END),
       coalesce(sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END), 0),
       coalesce(sum(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.state NOT IN (11, 12)
 GROUP BY m.step, m.channel, m.account_id;

-- name: report_skips
-- Skipped: steps that were passed over without a message, by reason.
SELECT m.step, m.reason, count(*)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.state = 11
 GROUP BY m.step, m.reason;

-- name: report_failures
-- Why messages failed, by the provider's reason (null: it gave none).
SELECT m.step, m.reason, count(*)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.state IN (6, 7, 8, 9)
 GROUP BY m.step, m.reason;

-- name: report_failure_words
-- What providers called those failures: the code of each message's last one, else the words.
SELECT step, reason, word, count(*)
  FROM (SELECT m.step, m.reason,
               (SELECT coalesce(nullif(f.value /* postgresql: ::json */ ->> 'code', ''),
                                nullif(substr(f.value /* postgresql: ::json */ ->> 'detail', 1, 60), ''))
                  FROM facts f
                 WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id AND f.step = m.step
                   AND f.kind IN (8, 9, 10, 11)
                 ORDER BY f.at DESC, f.kind LIMIT 1) AS word
          FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
         WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.state IN (6, 7, 8, 9)) AS failed
 WHERE word IS NOT NULL
 GROUP BY step, reason, word
 ORDER BY count(*) DESC, word;

-- name: report_reach
-- Contacts who entered (hold-outs not), and those of them with at least one message delivered; seen by a person;
-- seen, or an SMS delivered (which nobody can see being read); and reacted to.
SELECT count(*), coalesce(sum(delivered), 0), coalesce(sum(seen), 0), coalesce(sum(likely), 0),
       coalesce(sum(reacted), 0)
  FROM (SELECT r.contact_id,
               max(CASE WHEN m.state IN (4, 5) THEN 1 ELSE 0 END) AS delivered,
               max(CASE WHEN m.mask & :seen <> 0 THEN 1 ELSE 0 END) AS seen,
               max(CASE WHEN m.mask & :seen <> 0 OR (m.channel = :sms AND m.state IN (4, 5)) THEN 1 ELSE 0 END)
               AS likely,
               max(CASE WHEN m.mask & :reacted <> 0 THEN 1 ELSE 0 END) AS reacted
          FROM runs r LEFT JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
         WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND r.holdout = 0
         GROUP BY r.contact_id) AS people;

-- name: report_reached_by
-- Reached by: for each step and channel, the contacts whose first human reaction of all was to that message.
SELECT step, channel, count(*)
  FROM (SELECT m.step, m.channel,
               row_number() OVER (PARTITION BY f.contact_id ORDER BY f.at, f.run_id, f.step) AS nth
          FROM runs r
          JOIN facts f ON f.contact_id = r.contact_id AND f.run_id = r.id
          JOIN messages m ON m.contact_id = f.contact_id AND m.run_id = f.run_id AND m.step = f.step
         WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND f.step >= 0
           AND f.kind /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */) AS firsts
 WHERE nth = 1
 GROUP BY step, channel;

-- name: report_people
-- Each person's run with its end, its messages sent and what they cost, the latest entered first.
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.holdout, r.outcome, r.outcome_step, r.entered_at,
       r.finished_at, sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       coalesce(sum(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
  FROM runs r
  JOIN contacts c ON c.id = r.contact_id
  LEFT JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY r.contact_id, r.id, c.external_id, c.attributes, r.holdout, r.outcome, r.outcome_step, r.entered_at,
          r.finished_at
 ORDER BY r.contact_id, r.id
 LIMIT :limit;

-- name: report_progress
-- Runs under way, hold-outs not counted, those that wait for their account or for an answer, and when the next
-- is due.
SELECT count(*), coalesce(sum(CASE WHEN phase IN (1, 2) THEN 1 ELSE 0 END), 0), min(wake_at)
  FROM runs
 WHERE contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1) AND cascade_id = :cascade_id AND outcome IS NULL AND holdout = 0;

-- name: count_contacts
SELECT count(*) FROM contacts;

-- name: event_keys
-- Which of these contacts' events of a name are known.
SELECT contact_id, id FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND name = :name;
