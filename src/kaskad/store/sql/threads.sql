-- The inbox: a thread is one contact, over all channels.

-- name: put_thread_text
-- The same text is kept once; no row: it was known.
INSERT INTO thread_texts (contact_id, event, at, channel, author, said)
VALUES (:contact_id, :event, :at, :channel, :author, :said)
ON CONFLICT (contact_id, event) DO NOTHING RETURNING at;

-- name: thread_text
SELECT at FROM thread_texts WHERE contact_id = :contact_id AND event = :event;

-- name: hear_thread
-- The person has written: the thread is open again, unless :quiet (a bare stop or start wants no answer).
INSERT INTO threads (contact_id, state, unread, channel, last_at, last_in_at, words)
VALUES (:contact_id, CAST(:quiet AS INTEGER), 1 - CAST(:quiet AS INTEGER), :channel, :at, :at, :words)
ON CONFLICT (contact_id) DO UPDATE SET
       state = CASE WHEN :quiet = 1 THEN threads.state ELSE 0 END,
       unread = threads.unread + excluded.unread,
       channel = CASE WHEN excluded.last_in_at >= threads.last_in_at THEN excluded.channel ELSE threads.channel END,
       words = CASE WHEN excluded.last_at >= threads.last_at THEN excluded.words ELSE threads.words END,
       last_in_at = CASE WHEN excluded.last_in_at > threads.last_in_at THEN excluded.last_in_at
                         ELSE threads.last_in_at END,
       last_at = CASE WHEN excluded.last_at > threads.last_at THEN excluded.last_at ELSE threads.last_at END;

-- name: answer_thread
UPDATE threads SET last_at = :at, last_out_at = :at, words = :words, unread = 0,
       assignee = CASE WHEN assignee = '' THEN :author ELSE assignee END
 WHERE contact_id = :contact_id;

-- name: thread
SELECT contact_id, state, unread, assignee, channel, last_at, last_in_at, last_out_at, words
  FROM threads WHERE contact_id = :contact_id;

-- name: threads_before
-- Threads of one state, the newest first; :assignee '' is anybody's, :unread 1 only with texts nobody has seen.
SELECT contact_id, state, unread, assignee, channel, last_at, last_in_at, last_out_at, words
  FROM threads
 WHERE state = :state AND (last_at, contact_id) < (:at, :contact_id)
   AND (:assignee = '' OR assignee = :assignee) AND (:unread = 0 OR unread > 0)
 ORDER BY last_at DESC, contact_id DESC LIMIT :limit;

-- name: threads_among
SELECT contact_id, state, unread, assignee, channel, last_at, last_in_at, last_out_at, words
  FROM threads
 WHERE contact_id /* sqlite: IN (SELECT value FROM carray(:ids)) */ /* postgresql: = ANY(:ids) */
 ORDER BY last_at DESC, contact_id DESC;

-- name: thread_texts_before
SELECT event, at, channel, author, said FROM thread_texts
 WHERE contact_id = :contact_id ORDER BY at DESC, event DESC LIMIT :limit;

-- name: set_thread
-- What is NULL stays.
UPDATE threads SET state = COALESCE(:state, state), assignee = COALESCE(:assignee, assignee),
       unread = CASE WHEN :seen = 1 THEN 0 ELSE unread END
 WHERE contact_id = :contact_id;

-- name: unread_threads
-- How many people wait for somebody to look; counted no further than :limit.
SELECT count(*), COALESCE(sum(n), 0) FROM (SELECT unread AS n FROM threads WHERE unread > 0 LIMIT :limit) AS waiting;

-- name: thread_mark
-- What changes whenever a thread does.
SELECT max(last_at), count(*) FROM (
    SELECT last_at FROM threads WHERE state = 0 ORDER BY last_at DESC LIMIT :limit) AS newest;

-- name: replies_of
-- The runs of a contact that carry replies, by the reply's key, and what became of their messages.
SELECT d.trigger_key, m.state, m.reason, r.outcome
  FROM run_data d JOIN runs r ON r.contact_id = d.contact_id AND r.id = d.run_id
  LEFT JOIN messages m ON m.contact_id = d.contact_id AND m.run_id = d.run_id
 WHERE d.contact_id = :contact_id AND d.trigger_key LIKE 'reply %';

-- name: erase_threads
DELETE FROM threads WHERE contact_id = :contact_id;

-- name: erase_thread_texts
DELETE FROM thread_texts WHERE contact_id = :contact_id;

-- name: drop_old_thread_texts
DELETE FROM thread_texts WHERE (contact_id, event) IN (
    SELECT contact_id, event FROM thread_texts WHERE at < :before ORDER BY at LIMIT :limit);

-- name: drop_old_threads
-- Threads nothing of which is kept.
DELETE FROM threads WHERE contact_id > :after AND contact_id <= :until AND last_at < :before
   AND NOT EXISTS (SELECT 1 FROM thread_texts t WHERE t.contact_id = threads.contact_id);

-- name: newest_thread_texts
SELECT contact_id, said FROM thread_texts ORDER BY at DESC LIMIT :limit;

-- name: last_letter
SELECT b.body FROM messages m JOIN message_bodies b
    ON b.contact_id = m.contact_id AND b.run_id = m.run_id AND b.step = m.step
 WHERE m.contact_id = :contact_id AND m.channel = :channel AND m.submitted_at IS NOT NULL
 ORDER BY m.submitted_at DESC LIMIT 1;
