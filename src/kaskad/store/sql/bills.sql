-- name: add_bill
INSERT INTO bills (id, account_id, source, digest, owner, currency, size, beat_at, started_at, columns)
SELECT coalesce(max(id), 0) + 1, :account_id, :source, :digest, :owner, :currency, :size, :beat_at, :now, :columns
  FROM bills
RETURNING id;

-- name: bill
SELECT id, account_id, source, digest, owner, state, currency, size, seen, beat_at, started_at, ended_at, taken_at,
       taken_by, columns, report, problem FROM bills WHERE id = :id;

-- name: bills_page
SELECT id, account_id, source, digest, owner, state, currency, size, seen, beat_at, started_at, ended_at, taken_at,
       taken_by, columns, report, problem
  FROM bills WHERE id < :before AND (:account_id = 0 OR account_id = :account_id) ORDER BY id DESC LIMIT :limit;

-- name: bill_by_digest
SELECT id FROM bills WHERE account_id = :account_id AND digest = :digest ORDER BY id DESC LIMIT 1;

-- name: restart_bill
-- Another process reads it from its first line on, unless one has already begun to.
UPDATE bills SET owner = :owner, state = 'running', problem = '', seen = 0, ended_at = NULL, beat_at = :beat_at
 WHERE id = :id AND owner = :owner_before AND taken_at IS NULL
RETURNING id;

-- name: clear_bill_lines
DELETE FROM bill_lines WHERE bill_id = :id AND (contact_id, run_id, step) IN (
    SELECT contact_id, run_id, step FROM bill_lines WHERE bill_id = :id LIMIT :limit);

-- name: advance_bill
UPDATE bills SET seen = :seen, beat_at = :beat_at WHERE id = :id AND owner = :owner AND state = 'running' RETURNING id;

-- name: end_bill
UPDATE bills SET state = :state, problem = :problem, report = :report, ended_at = :now WHERE id = :id AND owner = :owner;

-- name: take_bill
UPDATE bills SET taken_at = :now, taken_by = :who, report = :report WHERE id = :id;

-- name: put_bill_lines (sqlite)
-- Several lines of one message are added up.
INSERT INTO bill_lines (contact_id, run_id, step, bill_id, micros, lines, parts, place, line_id)
VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9)
ON CONFLICT (contact_id, run_id, step, bill_id) DO UPDATE SET
       micros = bill_lines.micros + excluded.micros, lines = bill_lines.lines + excluded.lines,
       parts = coalesce(bill_lines.parts + excluded.parts, bill_lines.parts, excluded.parts),
       line_id = coalesce(nullif(bill_lines.line_id, ''), excluded.line_id, bill_lines.line_id);

-- name: put_bill_lines (postgresql)
-- Several lines of one message are added up.
INSERT INTO bill_lines (contact_id, run_id, step, bill_id, micros, lines, parts, place, line_id)
SELECT * FROM unnest(:c1::bigint[], :c2::integer[], :c3::integer[], :c4::bigint[], :c5::bigint[], :c6::integer[],
                     :c7::integer[], :c8::text[], :c9::text[])
ON CONFLICT (contact_id, run_id, step, bill_id) DO UPDATE SET
       micros = bill_lines.micros + excluded.micros, lines = bill_lines.lines + excluded.lines,
       parts = coalesce(bill_lines.parts + excluded.parts, bill_lines.parts, excluded.parts),
       line_id = coalesce(nullif(bill_lines.line_id, ''), excluded.line_id, bill_lines.line_id);

-- name: billed_messages (sqlite)
-- Which of these messages an account has sent.
SELECT contact_id, run_id, step, submitted_at FROM messages
 WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 AND account_id = :c4 AND submitted_at IS NOT NULL;

-- name: billed_messages (postgresql)
-- Which of these messages an account has sent.
SELECT m.contact_id, m.run_id, m.step, m.submitted_at
  FROM unnest(:c1::bigint[], :c2::integer[], :c3::integer[], :c4::bigint[]) AS k (contact_id, run_id, step, account_id)
  JOIN messages m ON m.contact_id = k.contact_id AND m.run_id = k.run_id AND m.step = k.step
   AND m.account_id = k.account_id AND m.submitted_at IS NOT NULL;

-- name: messages_to (sqlite)
-- What an account has sent in a time to an address, with its body for where it really went, and whether a line of
-- the bill was taken for it already.
SELECT k.value, m.contact_id, m.run_id, m.step, m.submitted_at, b.body,
       EXISTS (SELECT 1 FROM bill_lines l WHERE l.contact_id = m.contact_id AND l.run_id = m.run_id
                  AND l.step = m.step AND l.bill_id = :c6 AND l.line_id IS NOT NULL)
  FROM address_book k
  JOIN addresses a ON a.contact_id = k.contact_id AND a.channel = k.channel AND a.value = k.value
  JOIN messages m ON m.contact_id = k.contact_id AND m.account_id = :c3 AND m.submitted_at BETWEEN :c4 AND :c5
  LEFT JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
 WHERE k.channel = :c1 AND k.value = :c2;

-- name: messages_to (postgresql)
-- What an account has sent in a time to an address, with its body for where it really went, and whether a line of
-- the bill was taken for it already.
SELECT a.value, m.contact_id, m.run_id, m.step, m.submitted_at, b.body,
       EXISTS (SELECT 1 FROM bill_lines l WHERE l.contact_id = m.contact_id AND l.run_id = m.run_id
                  AND l.step = m.step AND l.bill_id = k.bill_id AND l.line_id IS NOT NULL)
  FROM unnest(:c1::integer[], :c2::text[], :c3::bigint[], :c4::bigint[], :c5::bigint[], :c6::bigint[])
       AS k (channel, value, account_id, since, until, bill_id)
  JOIN addresses a ON a.value = k.value AND a.channel = k.channel
  JOIN messages m ON m.contact_id = a.contact_id AND m.account_id = k.account_id
   AND m.submitted_at BETWEEN k.since AND k.until
  LEFT JOIN message_bodies b ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step;

-- name: messages_of_lines (sqlite)
-- Which messages lines with these ids of a bill were taken for.
SELECT line_id, contact_id, run_id, step FROM bill_lines
 WHERE bill_id = :c1 AND line_id = :c2 AND line_id <> '';

-- name: messages_of_lines (postgresql)
-- Which messages lines with these ids of a bill were taken for.
SELECT l.line_id, l.contact_id, l.run_id, l.step
  FROM unnest(:c1::bigint[], :c2::text[]) AS k (bill_id, line_id)
  JOIN bill_lines l ON l.bill_id = k.bill_id AND l.line_id = k.line_id AND l.line_id <> '';

-- name: compare_bill
-- What a bill says of messages, and what we hold for each, in the order of messages.
SELECT l.contact_id, l.run_id, l.step, l.micros, l.lines, l.parts, l.place, m.state, m.price, m.cost,
       coalesce(m.spent, 0), m.submitted_at
  FROM bill_lines l JOIN messages m ON m.contact_id = l.contact_id AND m.run_id = l.run_id AND m.step = l.step
 WHERE l.bill_id = :id AND (l.contact_id, l.run_id, l.step) > (:contact_id, :run_id, :step)
 ORDER BY l.contact_id, l.run_id, l.step LIMIT :limit;

-- name: unbilled
-- What an account has sent and been paid for in a time, and a bill does not name: the first of it.
SELECT * FROM (
    SELECT m.contact_id, m.run_id, m.step, m.submitted_at,
           coalesce(m.spent, 0)
             + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) AS held
      FROM messages m
     WHERE m.account_id = :account_id AND m.submitted_at >= :since AND m.submitted_at <= :until
       AND m.state IN (3, 4, 5, 7, 8, 9, 10)
       AND NOT EXISTS (SELECT 1 FROM bill_lines l WHERE l.contact_id = m.contact_id AND l.run_id = m.run_id
                          AND l.step = m.step AND l.bill_id = :id)) AS left_us
 WHERE held <> 0 ORDER BY contact_id, run_id, step LIMIT :limit;

-- name: unbilled_sum
-- How many these are, and what they cost.
SELECT count(*), coalesce(sum(held), 0) FROM (
    SELECT coalesce(m.spent, 0)
             + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) AS held
      FROM messages m
     WHERE m.account_id = :account_id AND m.submitted_at >= :since AND m.submitted_at <= :until
       AND m.state IN (3, 4, 5, 7, 8, 9, 10)
       AND NOT EXISTS (SELECT 1 FROM bill_lines l WHERE l.contact_id = m.contact_id AND l.run_id = m.run_id
                          AND l.step = m.step AND l.bill_id = :id)) AS left_us
 WHERE held <> 0;
