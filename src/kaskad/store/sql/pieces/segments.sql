-- Pieces of a question about contacts `c`: each is a condition that is true or false, never NULL, and is put
-- into the WHERE of a statement by store/segment_sql.py, which gives its parameters a name of their own.

-- name: who
-- The statement itself, before its condition.
SELECT c.id, c.attributes FROM contacts c WHERE c.erased_at IS NULL AND c.id > :after AND

-- name: how_many
SELECT count(*) FROM contacts c WHERE c.erased_at IS NULL AND

-- name: in_order
ORDER BY c.id LIMIT :limit

-- name: attribute_exists
coalesce(/* sqlite: json_type(c.attributes, :path) */ /* postgresql: jsonb_typeof(c.attributes::jsonb -> :key) */, 'null') <> 'null'

-- name: attribute_is_text
-- The needle stands in the attributes of whoever has this value: they are kept as compact JSON.
/* sqlite: instr */ /* postgresql: strpos */ (c.attributes, :needle) > 0
AND /* sqlite: CASE json_type(c.attributes, :path) WHEN 'text' THEN c.attributes ->> :path = :value ELSE FALSE END */
    /* postgresql: CASE jsonb_typeof(c.attributes::jsonb -> :key) WHEN 'string'
       THEN c.attributes::jsonb ->> :key = :value ELSE FALSE END */

-- name: attribute_between
-- A number, or a text of digits, within bounds.
/* sqlite: CASE json_type(c.attributes, :path)
    WHEN 'integer' THEN c.attributes ->> :path BETWEEN :low AND :high
    WHEN 'real' THEN c.attributes ->> :path BETWEEN :low AND :high
    WHEN 'text' THEN CASE WHEN length(c.attributes ->> :path) BETWEEN 1 AND 15
                           AND c.attributes ->> :path NOT GLOB '*[^0-9]*'
                          THEN CAST(c.attributes ->> :path AS INTEGER) BETWEEN :low AND :high ELSE FALSE END
    ELSE FALSE END */
/* postgresql: CASE jsonb_typeof(c.attributes::jsonb -> :key)
    WHEN 'number' THEN CAST(c.attributes::jsonb ->> :key AS float8)
                       BETWEEN CAST(:low AS float8) AND CAST(:high AS float8)
    WHEN 'string' THEN CASE WHEN c.attributes::jsonb ->> :key ~ '^[0-9]{1,15}$'
                            THEN CAST(c.attributes::jsonb ->> :key AS float8)
                                 BETWEEN CAST(:low AS float8) AND CAST(:high AS float8) ELSE FALSE END
    ELSE FALSE END */

-- name: attribute_is_odd_text
-- A text of anything but digits: whether it is a number, only the matcher can say.
/* sqlite: CASE json_type(c.attributes, :path) WHEN 'text'
           THEN length(c.attributes ->> :path) NOT BETWEEN 1 AND 15 OR c.attributes ->> :path GLOB '*[^0-9]*'
           ELSE FALSE END */
/* postgresql: CASE jsonb_typeof(c.attributes::jsonb -> :key)
    WHEN 'string' THEN NOT c.attributes::jsonb ->> :key ~ '^[0-9]{1,15}$' ELSE FALSE END */

-- name: attribute_is_boolean
/* sqlite: coalesce(json_type(c.attributes, :path), 'null') = CASE WHEN :value = 1 THEN 'true' ELSE 'false' END */
/* postgresql: coalesce(c.attributes::jsonb -> :key, 'null')
   = CASE WHEN :value = 1 THEN CAST('true' AS jsonb) ELSE CAST('false' AS jsonb) END */

-- name: attribute_is_text_at_all
coalesce(/* sqlite: json_type(c.attributes, :path) */ /* postgresql: jsonb_typeof(c.attributes::jsonb -> :key) */, 'null') IN ('text', 'string')

-- name: attribute_is_there
/* sqlite: json_type(c.attributes, :path) */ /* postgresql: c.attributes::jsonb -> :key */ IS NOT NULL

-- name: events_between
-- Between :low and :high events of a name after one instant and until another. Days that lie wholly inside are
-- counted by the roll-up; of a day across an edge the events themselves are.
c.id IN (
    SELECT d.contact_id FROM event_days d
     WHERE d.name = :name AND d.day BETWEEN :first_day AND :last_day
     GROUP BY d.contact_id
    HAVING sum(CASE WHEN d.first_at > :after AND d.last_at <= :until THEN d.events
                    WHEN d.last_at <= :after OR d.first_at > :until THEN 0
                    ELSE (SELECT count(*) FROM events e
                           WHERE e.contact_id = d.contact_id AND e.name = :name AND e.at > :after AND e.at <= :until
                             AND e.at BETWEEN d.first_at AND d.last_at) END) BETWEEN :low AND :high)

-- name: in_list
c.id IN (SELECT m.contact_id FROM list_members m JOIN lists l ON l.id = m.list_id WHERE l.name = :name)

-- name: reachable
EXISTS (SELECT 1 FROM addresses a WHERE a.contact_id = c.id AND a.health = 0 AND a.channel = :channel)

-- name: reachable_anywhere
EXISTS (SELECT 1 FROM addresses a WHERE a.contact_id = c.id AND a.health = 0)

-- name: has_granted
EXISTS (SELECT 1 FROM consents g WHERE g.contact_id = c.id AND g.granted = 1)

-- name: granted
-- A consent that holds now and that no later refusal covers (see domain/consent.py).
EXISTS (
    SELECT 1 FROM consents g
     WHERE g.contact_id = c.id AND g.granted = 1 AND g.at <= :now AND (g.expires_at IS NULL OR g.expires_at > :now)
       AND g.purpose IN (:purpose, 9) AND (g.channels = 0 OR g.channels & :bit <> 0) AND g.topic = '' AND g.brand = ''
       AND (:purpose <> 3 OR g.proof_id IS NOT NULL)
       AND NOT EXISTS (
           SELECT 1 FROM consents r
            WHERE r.contact_id = c.id AND r.granted = 0 AND r.at >= g.at AND r.topic = '' AND r.brand = ''
              AND (r.expires_at IS NULL OR (r.expires_at > :now AND NOT EXISTS (
              SELECT 1 FROM consents p -- of several pauses the newest counts
               WHERE p.contact_id = c.id AND p.granted = 0 AND p.expires_at IS NOT NULL AND p.at > r.at)))
              AND (r.channels = 0 OR r.channels & :bit <> 0)
              AND (r.purpose = :purpose OR (r.purpose = 9 AND (:purpose <> 1 OR r.channels <> 0)))))

-- name: refused
EXISTS (
    SELECT 1 FROM consents r
     WHERE r.contact_id = c.id AND r.granted = 0 AND r.topic = '' AND r.brand = ''
       AND (r.expires_at IS NULL OR (r.expires_at > :now AND NOT EXISTS (
              SELECT 1 FROM consents p -- of several pauses the newest counts
               WHERE p.contact_id = c.id AND p.granted = 0 AND p.expires_at IS NOT NULL AND p.at > r.at)))
       AND (r.channels = 0 OR r.channels & :bit <> 0)
       AND (r.purpose = :purpose OR (r.purpose = 9 AND (:purpose <> 1 OR r.channels <> 0))))

-- name: entered
EXISTS (SELECT 1 FROM runs r WHERE r.contact_id = c.id AND r.entered_at > :after AND r.entered_at <= :until
           AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug)))

-- name: ended
EXISTS (SELECT 1 FROM runs r WHERE r.contact_id = c.id AND r.finished_at > :after AND r.finished_at <= :until
           AND r.outcome = :outcome AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug)))

-- name: sent
EXISTS (SELECT 1 FROM runs r JOIN messages m ON m.contact_id = r.contact_id AND m.run_id = r.id
         WHERE r.contact_id = c.id AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug))
           AND m.submitted_at > :after AND m.submitted_at <= :until AND m.state NOT IN (0, 1, 6, 11, 12))

-- name: reacted
EXISTS (SELECT 1 FROM runs r JOIN facts f ON f.contact_id = r.contact_id AND f.run_id = r.id
         WHERE r.contact_id = c.id AND (:slug = 'any' OR r.cascade_id = (SELECT id FROM cascades WHERE slug = :slug))
           AND f.at > :after AND f.at <= :until AND f.step >= 0 AND (:human >> f.kind) & 1 = 1)
