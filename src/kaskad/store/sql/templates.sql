-- name: templates_of
-- All texts of a name, by channel and language.
SELECT name, channel, language, fallback, content, saved_at FROM templates
 WHERE name = :name ORDER BY channel, language;

-- name: templates
-- All texts and parts.
SELECT name, channel, language, fallback, content, saved_at FROM templates ORDER BY name, channel, language;

-- name: template_names
-- Templates by name, then parts; :part is the channel of these.
SELECT DISTINCT name, CASE WHEN channel = :part THEN 1 ELSE 0 END AS is_part FROM templates
 ORDER BY is_part, name LIMIT :limit;

-- name: put_template
INSERT INTO templates (name, channel, language, fallback, content, saved_at)
VALUES (:name, :channel, :language, :fallback, :content, :now)
ON CONFLICT (name, channel, language) DO UPDATE SET
       fallback = excluded.fallback, content = excluded.content, saved_at = excluded.saved_at;

-- name: only_fallback
-- Let no other language of the name and channel be the one for all others.
UPDATE templates SET fallback = 0 WHERE name = :name AND channel = :channel AND language <> :language;

-- name: drop_template
DELETE FROM templates WHERE name = :name AND channel = :channel AND language = :language;

-- name: version_texts
SELECT name, channel, language, fallback, content FROM version_texts
 WHERE version_id = :version_id ORDER BY name, channel, language;

-- name: add_version_text
INSERT INTO version_texts (version_id, name, channel, language, fallback, content)
VALUES (:version_id, :name, :channel, :language, :fallback, :content);

-- name: note_template
INSERT INTO template_history (name, channel, language, number, content, saved_at, saved_by)
SELECT :name, :channel, :language, coalesce(max(number), 0) + 1, :content, :now, :by FROM template_history
 WHERE name = :name AND channel = :channel AND language = :language;

-- name: template_history
-- All texts that a name has had, the latest first.
SELECT name, channel, language, number, content, saved_at, saved_by FROM template_history
 WHERE name = :name ORDER BY channel, language, number DESC;
