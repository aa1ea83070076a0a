-- Which of a step's channels people react to; see the migration `learning`.

-- name: put_choices
INSERT INTO choices (contact_id, run_id, step, version_id, at, channel, chance, arms, crowd)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[], :c4::bigint[], :c5::bigint[],
                                    :c6::bigint[], :c7::bigint[], :c8::bigint[], :c9::text[]) */
ON CONFLICT (contact_id, run_id, step) DO UPDATE
   SET at = excluded.at, channel = excluded.channel, chance = excluded.chance, arms = excluded.arms,
       crowd = excluded.crowd;

-- name: choices_over
-- Choices of a step that were made before an instant, and what their messages have become.
SELECT c.contact_id, c.run_id, c.crowd, c.arms, c.channel, c.chance, m.state, m.mask, m.price, m.cost
  FROM choices c
  LEFT JOIN messages m ON m.contact_id = c.contact_id AND m.run_id = c.run_id AND m.step = c.step
 WHERE c.version_id = :version_id AND c.step = :step AND c.at < :before
 ORDER BY c.at LIMIT :limit;

-- name: drop_choices
DELETE FROM choices
/* sqlite: WHERE contact_id = :c1 AND run_id = :c2 AND step = :c3 */
/* postgresql: USING unnest(:c1::bigint[], :c2::bigint[], :c3::bigint[]) AS k (contact_id, run_id, step)
 WHERE choices.contact_id = k.contact_id AND choices.run_id = k.run_id AND choices.step = k.step */;

-- name: erase_choices
DELETE FROM choices WHERE contact_id = :contact_id;

-- name: add_learnt
INSERT INTO learnt (version_id, step, crowd, arms, channel, chance, choices, hits, cost)
/* sqlite: VALUES (:c1, :c2, :c3, :c4, :c5, :c6, :c7, :c8, :c9) */
/* postgresql: SELECT * FROM unnest(:c1::bigint[], :c2::bigint[], :c3::text[], :c4::bigint[], :c5::bigint[],
                                    :c6::bigint[], :c7::bigint[], :c8::bigint[], :c9::bigint[]) */
ON CONFLICT (version_id, step, crowd, arms, channel, chance) DO UPDATE
   SET choices = learnt.choices + excluded.choices, hits = learnt.hits + excluded.hits,
       cost = learnt.cost + excluded.cost;

-- name: learnt_of
SELECT crowd, arms, channel, chance, choices, hits, cost FROM learnt
 WHERE version_id = :version_id AND step = :step;

-- name: put_chances
INSERT INTO channel_chances (version_id, step, at, detail) VALUES (:version_id, :step, :now, :detail)
ON CONFLICT (version_id, step) DO UPDATE SET at = excluded.at, detail = excluded.detail;

-- name: channel_chances
SELECT version_id, step, detail FROM channel_chances;
