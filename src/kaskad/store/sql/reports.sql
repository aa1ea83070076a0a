-- Reports count what happened in one cascade, all its versions together. Hold-outs are counted apart: they
-- got nothing. Bits are those of domain/terms.py, 1 << kind; analytics/reach.py names and passes them.
-- Seed contacts are in no figure. Where :whole is 0, only the people of :people are reported; where :version_id is
-- not, only runs of that version; and always those that entered from :since until before :until.
-- A message is *sent* when it left us (states sent, delivered, read, failed, bounced, expired, unknown), and
-- *delivered* when its provider said so or a person's reaction shows it, and no bounce took that back.

-- name: report_entered
-- Entered: runs that began. By outcome (0: still under way) and hold-out; late ones counted by their outcome.
SELECT holdout, coalesce(outcome, 0), count(*) FROM runs r
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
 GROUP BY holdout, coalesce(outcome, 0);

-- name: report_messages
-- For each step, channel and account: messages sent; delivered; seen (a person opened, read or answered, or did
-- more); reacted (a person clicked, replied or pressed a key); opened or clicked by a machine; doubtful clicks that
-- nothing confirmed; opened by a person, by whomever; clicked by a person, by whomever; those that only a
-- machine opened, of which nobody knows whether a person did (rates leave them out); sent and not failed; those of them about which no person was heard of (silent);
-- failed (refused or undelivered); without an answer; waiting for their turn; and in minor
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
       sum(CASE WHEN m.state IN (3, 4, 5, 10) AND m.mask & :seen = 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (6, 7, 8, 9) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state = 10 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (0, 1, 2) THEN 1 ELSE 0 END),
       coalesce(sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END), 0),
       coalesce(sum(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.state NOT IN (11, 12)
 GROUP BY m.step, m.channel, m.account_id;

-- name: report_skips
-- Skipped: steps that were passed over without a message, by reason.
SELECT m.step, m.reason, count(*)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.state = 11
 GROUP BY m.step, m.reason;

-- name: report_failures
-- Why messages failed, by the provider's reason (null: it gave none).
SELECT m.step, m.reason, count(*)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
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
         WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
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
         WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
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
         WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND f.step >= 0
           AND f.kind /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */) AS firsts
 WHERE nth = 1
 GROUP BY step, channel;

-- name: report_flows
-- Where people went: for each run without hold-outs, from its entry to the first step whose message was made, from
-- each such step to the next, and from the last to the outcome (0: still under way). Steps that were passed over
-- are not on the way. `first` is 1 for what came right after the entry; no step: the run ended or stands without any.
SELECT first, step, next_step, outcome, count(*)
  FROM (SELECT m.step AS step, coalesce(r.outcome, 0) AS outcome,
               lead(m.step) OVER (PARTITION BY r.contact_id, r.id ORDER BY m.step) AS next_step,
               CASE WHEN row_number() OVER (PARTITION BY r.contact_id, r.id ORDER BY m.step) = 1 THEN 1 ELSE 0 END
               AS first
          FROM runs r LEFT JOIN messages m
            ON m.contact_id = r.contact_id AND m.run_id = r.id AND m.state NOT IN (11, 12)
         WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND r.holdout = 0) AS passages
 GROUP BY first, step, next_step, outcome;

-- name: report_variants
-- The same as report_messages tells, by variant where a step has some: sent, delivered, seen by a person, reacted
-- to, opened or clicked by a machine, and the cost.
SELECT m.step, m.variant, m.account_id,
       sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (4, 5) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :seen <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :reacted <> 0 THEN 1 ELSE 0 END),
       sum(CASE WHEN m.mask & :machine <> 0 THEN 1 ELSE 0 END),
       coalesce(sum(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
  FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */)) AND m.variant IS NOT NULL AND m.state NOT IN (11, 12)
 GROUP BY m.step, m.variant, m.account_id
 ORDER BY m.step, m.variant;

-- name: report_who_messages
-- The runs behind a figure of one step, among the next :scan runs in the order of contact and run. A message
-- counts when its state is among :ids, it has one of the facts :some (0: any), none of :none, that reason (-1: any)
-- and that channel (-1: any); where :first is 1, when the contact's first human reaction of all was to it.
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.outcome, r.entered_at, r.holdout, m.state, m.channel,
       m.reason, m.mask, coalesce(m.sent_at, m.submitted_at),
       coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END), m.account_id
  FROM (SELECT contact_id, id, cascade_id, version_id, outcome, entered_at, holdout FROM runs
         WHERE (contact_id, id) > (:contact_id, :run_id) ORDER BY contact_id, id LIMIT :scan) AS r
  JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id AND m.step = :step
  JOIN contacts c ON c.id = r.contact_id AND c.seed = 0
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
   AND m.state /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND (:some = 0 OR m.mask & :some <> 0) AND m.mask & :none = 0
   AND (:reason = -1 OR m.reason = :reason) AND (:channel = -1 OR m.channel = :channel)
   AND (:first = 0 OR (m.mask & :human <> 0 AND m.run_id * 256 + m.step = (
        SELECT f.run_id * 256 + f.step FROM facts f JOIN runs x ON x.contact_id = f.contact_id AND x.id = f.run_id
         WHERE f.contact_id = r.contact_id AND f.step >= 0 AND f.kind IN (3, 4, 5, 6, 7, 20, 21)
           AND x.cascade_id = :cascade_id AND (:version_id = 0 OR x.version_id = :version_id)
           AND x.entered_at >= :since AND x.entered_at < :until
         ORDER BY f.at, f.run_id, f.step LIMIT 1)))
 ORDER BY r.contact_id, r.id LIMIT :limit;

-- name: report_who_runs
-- The runs behind a figure of the whole cascade, likewise: hold-outs or not, with that outcome (0: still under way,
-- -1: any), and, where :some is not 0, with a message that has one of these facts (:delivered 1: or was delivered
-- on the channel :sms; -1: on any).
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.outcome, r.entered_at, r.holdout
  FROM (SELECT contact_id, id, cascade_id, version_id, outcome, entered_at, holdout FROM runs
         WHERE (contact_id, id) > (:contact_id, :run_id) ORDER BY contact_id, id LIMIT :scan) AS r
  JOIN contacts c ON c.id = r.contact_id AND c.seed = 0
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
   AND r.holdout = :holdout AND (:outcome = -1 OR coalesce(r.outcome, 0) = :outcome)
   AND (:any_message = 1 OR EXISTS (
        SELECT 1 FROM messages m WHERE m.contact_id = r.contact_id AND m.run_id = r.id
           AND (m.mask & :some <> 0
                OR (:delivered = 1 AND m.state IN (4, 5) AND (:channel = -1 OR m.channel = :channel)))))
 ORDER BY r.contact_id, r.id LIMIT :limit;

-- name: recent_sent
-- What has left us since an instant, seed contacts aside: by cascade and account how many messages, how many of
-- them failed (refused or undelivered), and what they cost.
SELECT r.cascade_id, m.account_id,
       sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       sum(CASE WHEN m.state IN (6, 7, 8, 9) THEN 1 ELSE 0 END),
       coalesce(sum(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.submitted_at >= :since AND m.state NOT IN (0, 1, 2, 11, 12)
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY r.cascade_id, m.account_id;

-- name: recent_reached
-- Reached since an instant: by cascade, the contacts to whom a message went since then that a person has seen, or an
-- SMS that was delivered (which nobody can see being read).
SELECT r.cascade_id, count(DISTINCT m.contact_id)
  FROM messages m JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
 WHERE m.submitted_at >= :since AND (m.mask & :seen <> 0 OR (m.channel = :sms AND m.state IN (4, 5)))
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY r.cascade_id;

-- name: recent_hours
-- Throughput: messages that have left us since an instant, and those of them that failed, by hour of the clock.
SELECT submitted_at / 3600000, count(*), sum(CASE WHEN state IN (6, 7, 8, 9) THEN 1 ELSE 0 END)
  FROM messages
 WHERE submitted_at >= :since AND state NOT IN (0, 1, 11, 12)
 GROUP BY submitted_at / 3600000 ORDER BY submitted_at / 3600000;

-- name: report_people
-- Each person's run with its end, its messages sent and what they cost, the latest entered first.
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.holdout, r.outcome, r.outcome_step, r.entered_at,
       r.finished_at, sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       coalesce(sum(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
  FROM runs r
  JOIN contacts c ON c.id = r.contact_id
  LEFT JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
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
