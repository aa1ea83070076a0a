-- What happened to one contact, the newest first: each statement reads one kind of it, at :until or before.

-- name: timeline_runs
SELECT id, version_id, entered_at, holdout, outcome, outcome_step, late, finished_at FROM runs
 WHERE contact_id = :contact_id ORDER BY id;

-- name: timeline_messages
SELECT coalesce(sent_at, submitted_at), run_id, step, channel, account_id, state, price,
       CASE WHEN spent IS NULL THEN cost ELSE spent + coalesce(cost,
            CASE WHEN state IN (3, 4, 5, 7, 8, 9, 10) THEN price ELSE 0 END) END
  FROM messages
 WHERE contact_id = :contact_id AND coalesce(sent_at, submitted_at) <= :until
 ORDER BY 1 DESC, run_id, step LIMIT :limit;

-- name: timeline_facts
-- That a message was accepted (kind 1) is told by the message.
SELECT at, run_id, step, kind, value, event FROM facts
 WHERE contact_id = :contact_id AND at <= :until AND kind <> 1
 ORDER BY at DESC, run_id, step, kind, event LIMIT :limit;

-- name: timeline_decisions
-- Those of submissions stand with their messages.
SELECT d.at, d.run_id, d.seq, i.detail
  FROM (SELECT at, run_id, seq, input_id FROM decisions WHERE contact_id = :contact_id AND at <= :until
        UNION
        SELECT submitted_at, run_id, why_seq, why FROM messages
         WHERE contact_id = :contact_id AND submitted_at <= :until AND why IS NOT NULL) AS d
  JOIN decision_inputs i ON i.id = d.input_id
 ORDER BY d.at DESC, d.run_id, d.seq DESC LIMIT :limit;

-- name: timeline_verdicts
-- Who opened and clicked, as it was judged, and by what.
SELECT id, at, run_id, step, link, actor, reasons FROM hits
 WHERE contact_id = :contact_id AND at <= :until AND actor <> ''
 ORDER BY at DESC, id LIMIT :limit;
