-- When people reacted, as time-outs are learnt from it.

-- name: waited
-- The first 400 messages of a cascade (:c3) that have left us, among the first 2 000 runs, of whichever cascade, of the
-- contacts after :c1 up to :c2, and so for each such stretch. Seed contacts and those held out are left out.
SELECT t.contact_id, t.run_id, t.version_id, t.finished_at, t.step, t.channel, t.sent_at, t.mask
  FROM /* postgresql: unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[]) AS s (after, until, cascade_id) CROSS JOIN LATERAL */
       (SELECT r.contact_id, r.id AS run_id, r.version_id, coalesce(r.finished_at, 0) AS finished_at, m.step, m.channel,
               coalesce(m.sent_at, m.submitted_at) AS sent_at, m.mask
          FROM (SELECT contact_id, id, cascade_id, version_id, finished_at, holdout FROM runs
                 WHERE contact_id > /* sqlite: :c1 */ /* postgresql: s.after */
                   AND contact_id <= /* sqlite: :c2 */ /* postgresql: s.until */
                 ORDER BY contact_id, id LIMIT 2000) AS r
          JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
         WHERE r.cascade_id = /* sqlite: :c3 */ /* postgresql: s.cascade_id */ AND r.holdout = 0
           AND r.contact_id NOT IN (SELECT id FROM contacts WHERE seed = 1)
           AND m.state IN (3, 4, 5, 7, 8, 9, 10) AND coalesce(m.sent_at, m.submitted_at) IS NOT NULL
         ORDER BY r.contact_id, r.id, coalesce(m.sent_at, m.submitted_at), m.step LIMIT 400) AS t;

-- name: first_facts
-- When the first fact of the kinds :c4 (bits) was of a message (:c1, :c2, :c3), by a number :c5 for it.
SELECT /* sqlite: :c5 */ /* postgresql: k.number */, f.at
  FROM /* postgresql: unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[])
                      AS k (contact_id, run_id, step, kinds, number) CROSS JOIN LATERAL */
       (SELECT min(at) AS at FROM facts
         WHERE contact_id = /* sqlite: :c1 */ /* postgresql: k.contact_id */
           AND run_id = /* sqlite: :c2 */ /* postgresql: k.run_id */
           AND step = /* sqlite: :c3 */ /* postgresql: k.step */
           AND /* sqlite: :c4 */ /* postgresql: k.kinds */ >> kind & 1 = 1) AS f;
