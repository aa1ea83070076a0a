-- Reports count what happened in one cascade, all its versions together. Hold-outs are counted apart: they
-- got nothing. Bits are those of domain/terms.py, 1 << kind; analytics/reach.py names and passes them.
-- Seed contacts are in no figure. Where :whole is 0, only the people of :people are reported; where :version_id is
-- not, only runs of that version; and always those that entered from :since until before :until.
-- A message is *sent* when it left us (states sent, delivered, read, failed, bounced, expired, unknown), and
-- *delivered* when its provider said so or a person's reaction shows it, and no bounce took that back.

-- name: report_who_messages
-- The runs behind a figure of one step, among the next :scan runs in the order of contact and run. A message
-- counts when its state is among :ids (where :arrived is 1: it has arrived too), it has one of the facts :some
-- (0: any), none of :none, each if it came no more than :window ms after the submission, that reason (-1: any) and
-- that channel (-1: any); where :first is 1, when the first human reaction of the run was to it, whenever.
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.outcome, r.entered_at, r.holdout, m.state, m.channel,
       m.reason, m.mask, coalesce(m.sent_at, m.submitted_at),
       coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END), m.account_id
  FROM (SELECT contact_id, id, cascade_id, version_id, outcome, entered_at, holdout FROM runs
         WHERE (contact_id, id) > (:contact_id, :run_id) ORDER BY contact_id, id LIMIT :scan) AS r
  JOIN arrivals m ON m.contact_id = r.contact_id AND m.run_id = r.id AND m.step = :step
  JOIN contacts c ON c.id = r.contact_id AND c.seed = 0
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
   AND m.state /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND (:arrived = 0 OR m.arrived = 1)
   AND (:some = 0 OR (m.mask & :some <> 0 AND (:first = 1 OR EXISTS (
        SELECT 1 FROM facts f
         WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id AND f.step = m.step
           AND (CAST(1 AS BIGINT) << f.kind) & :some <> 0 AND (m.submitted_at IS NULL OR f.at <= m.submitted_at + :window)))))
   AND (m.mask & :none = 0 OR NOT EXISTS (
        SELECT 1 FROM facts f
         WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id AND f.step = m.step
           AND (CAST(1 AS BIGINT) << f.kind) & :none <> 0 AND (m.submitted_at IS NULL OR f.at <= m.submitted_at + :window)))
   AND (:reason = -1 OR m.reason = :reason) AND (:channel = -1 OR m.channel = :channel)
   AND (:first = 0 OR (m.mask & :human <> 0 AND m.step = (
        SELECT f.step FROM facts f
         WHERE f.contact_id = r.contact_id AND f.run_id = r.id AND f.step >= 0
           AND f.kind IN (3, 4, 5, 6, 7, 20, 21)
         ORDER BY f.at, f.step LIMIT 1)))
 ORDER BY r.contact_id, r.id LIMIT :limit;

-- name: report_who_runs
-- The runs behind a figure of the whole cascade, likewise: hold-outs or not, with that outcome (0: still under way,
-- -1: any), and, where :some is not 0, with a message that has one of these facts (:delivered 1: or was delivered
-- on the channel :sms; -1: on any); where :marks is not 0, with one of these facts of the run itself.
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.outcome, r.entered_at, r.holdout
  FROM (SELECT contact_id, id, cascade_id, version_id, outcome, entered_at, holdout, marks FROM runs
         WHERE (contact_id, id) > (:contact_id, :run_id) ORDER BY contact_id, id LIMIT :scan) AS r
  JOIN contacts c ON c.id = r.contact_id AND c.seed = 0
 WHERE r.cascade_id = :cascade_id AND (:version_id = 0 OR r.version_id = :version_id)
   AND r.entered_at >= :since AND r.entered_at < :until
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (:whole = 1 OR r.contact_id IN (
        /* sqlite: SELECT value FROM json_each('[' || :people || ']') */
        /* postgresql: SELECT CAST(unnest(string_to_array(:people, ',')) AS bigint) */))
   AND r.holdout = :holdout AND (:outcome = -1 OR coalesce(r.outcome, 0) = :outcome)
   AND (:marks = 0 OR r.marks & :marks <> 0)
   AND (:any_message = 1 OR EXISTS (
        SELECT 1 FROM messages m WHERE m.contact_id = r.contact_id AND m.run_id = r.id
           AND (m.mask & :some <> 0
                OR (:delivered = 1 AND m.state IN (4, 5) AND (:channel = -1 OR m.channel = :channel)))))
 ORDER BY r.contact_id, r.id LIMIT :limit;

-- name: report_people
-- Each person's run with its end, its messages sent and what they cost, the latest entered first.
SELECT r.contact_id, r.id, c.external_id, c.attributes, r.holdout, r.outcome, r.outcome_step, r.entered_at,
       r.finished_at, sum(CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN 1 ELSE 0 END),
       coalesce(sum(coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)), 0)
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
-- Runs under way, hold-outs not counted, and when the next is due.
SELECT count(*), min(coalesce(guard_at, wake_at))
  FROM runs
 WHERE contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1) AND cascade_id = :cascade_id AND outcome IS NULL AND holdout = 0;

-- name: count_contacts
SELECT count(*) FROM contacts;

-- name: event_keys
-- Which of these contacts' events of a name are known.
SELECT contact_id, id FROM events
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND name = :name;

-- name: mails_by_domain
-- The mails that contacts from one id to another were handed since :since and that have left or were refused (3 to 10),
-- by UTC day and the domain of the contact's address (the preferred one of several, as it is now; NULL: none): how
-- many, how many have arrived, have bounced (a :failed one in state :bounced or for a reason of :dead), and were
-- called spam within :window ms; sets are bits 1 << code. Some contacts at a time: nobody should wait while all
-- messages are looked through. Most are too old, and when they were handed over stands before the channel in a row.
SELECT m.submitted_at / 86400000 AS day,
       (SELECT substr(b.value, /* sqlite: instr(b.value, '@') */ /* postgresql: strpos(b.value, '@') */ + 1)
          FROM addresses b WHERE b.contact_id = m.contact_id AND b.channel = 1
         ORDER BY b.preferred DESC, b.health, b.value LIMIT 1) AS domain,
       count(*),
       count(*) FILTER (WHERE m.arrived = 1),
       count(*) FILTER (WHERE CAST(:failed AS BIGINT) >> m.state & 1 = 1
                          AND (m.state = :bounced OR CAST(:dead AS BIGINT) >> m.reason & 1 = 1)),
       count(*) FILTER (WHERE m.mask & :complained <> 0
                          AND EXISTS (SELECT 1 FROM facts f WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id
                                         AND f.step = m.step AND f.kind = :complaint
                                         AND f.at <= m.submitted_at + :window))
  FROM arrivals m
 WHERE m.contact_id BETWEEN :first AND :last
   AND m.submitted_at >= :since AND m.channel = 1 AND m.state BETWEEN 3 AND 10
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY 1, 2;

-- name: mails_by_domain_of
-- The same of some contacts.
SELECT m.submitted_at / 86400000 AS day,
       (SELECT substr(b.value, /* sqlite: instr(b.value, '@') */ /* postgresql: strpos(b.value, '@') */ + 1)
          FROM addresses b WHERE b.contact_id = m.contact_id AND b.channel = 1
         ORDER BY b.preferred DESC, b.health, b.value LIMIT 1) AS domain,
       count(*),
       count(*) FILTER (WHERE m.arrived = 1),
       count(*) FILTER (WHERE CAST(:failed AS BIGINT) >> m.state & 1 = 1
                          AND (m.state = :bounced OR CAST(:dead AS BIGINT) >> m.reason & 1 = 1)),
       count(*) FILTER (WHERE m.mask & :complained <> 0
                          AND EXISTS (SELECT 1 FROM facts f WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id
                                         AND f.step = m.step AND f.kind = :complaint
                                         AND f.at <= m.submitted_at + :window))
  FROM arrivals m
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND m.submitted_at >= :since AND m.channel = 1 AND m.state BETWEEN 3 AND 10
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
 GROUP BY 1, 2;

-- name: left_lately
-- Who opted out since :since, once for each time: few, so they need not be looked for among all messages. Not
-- DISTINCT: for that SQLite reads all facts in the order of contacts, where it has not counted them.
SELECT contact_id FROM facts WHERE kind = 13 AND at >= :since;

-- name: mails_left_by
-- The mails that these contacts were handed since :since and that were the last to arrive before an opt-out within
-- :window ms, by UTC day and domain, as `mails_by_domain`.
SELECT m.submitted_at / 86400000 AS day,
       (SELECT substr(b.value, /* sqlite: instr(b.value, '@') */ /* postgresql: strpos(b.value, '@') */ + 1)
          FROM addresses b WHERE b.contact_id = m.contact_id AND b.channel = 1
         ORDER BY b.preferred DESC, b.health, b.value LIMIT 1) AS domain,
       count(*)
  FROM arrivals m
 WHERE m.contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
   AND m.channel = 1 AND m.submitted_at >= :since AND m.arrived = 1
   AND m.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND (SELECT max(o.submitted_at) FROM arrivals o
         WHERE o.contact_id = m.contact_id AND o.run_id = m.run_id AND o.arrived = 1
           AND o.submitted_at <= (SELECT min(f.at) FROM facts f WHERE f.contact_id = m.contact_id
                                     AND f.run_id = m.run_id AND f.kind = 13
                                  HAVING min(f.at) <= m.submitted_at + :window)) = m.submitted_at
 GROUP BY 1, 2;
