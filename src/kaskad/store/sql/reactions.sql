-- When people reacted, as time-outs are learnt from it.

-- name: waited
-- Messages of a cascade that have left us, among the first :scan runs of the contacts after :after up to :until,
-- each with when its person did what (`kind,at;…`). Seed contacts and those held out are left out.
SELECT r.contact_id, r.id, r.version_id, r.finished_at, m.step, m.channel, coalesce(m.sent_at, m.submitted_at),
       CASE WHEN m.mask & :some <> 0 THEN (
            SELECT string_agg(concat(f.kind, ',', f.at), ';') FROM facts f
             WHERE f.contact_id = m.contact_id AND f.run_id = m.run_id AND f.step = m.step
               AND f.kind IN (2, 3, 4, 5, 6, 7, 20, 21)) END
  FROM (SELECT contact_id, id, cascade_id, version_id, finished_at, holdout FROM runs
         WHERE contact_id > :after AND contact_id <= :until ORDER BY contact_id, id LIMIT :scan) AS r
  JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
 WHERE r.cascade_id = :cascade_id AND r.holdout = 0
   AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
   AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND coalesce(m.sent_at, m.submitted_at) IS NOT NULL
 ORDER BY r.contact_id, r.id, coalesce(m.sent_at, m.submitted_at), m.step LIMIT :limit;
