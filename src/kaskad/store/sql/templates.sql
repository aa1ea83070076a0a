-- name: templates_of
-- All texts of a name, by channel and language.
SELECT name, channel, language, fallback, content, saved_at FROM templates
 WHERE name = :name ORDER BY channel, language;

-- name: templates
-- All texts and parts.
SELECT name, channel, language, fallback, content, saved_at FROM templates ORDER BY name, channel, language;

-- name: template_names
-- Names of templates, or of parts (:is_part 1), those after a name; :part is the channel of these.
SELECT DISTINCT name FROM templates
 WHERE name > :after AND (channel = :part) = (:is_part = 1)
 ORDER BY name LIMIT :limit;

-- name: templates_among
-- All texts of some names.
SELECT name, channel, language, fallback, content, saved_at FROM templates
 WHERE name /* sqlite: IN (SELECT value FROM carray(:texts)) */ /* postgresql: = ANY(:texts) */
 ORDER BY name, channel, language;

-- name: template_parts
SELECT name, channel, language, fallback, content, saved_at FROM templates
 WHERE channel = :part ORDER BY name, language;

-- name: templates_with_parts
-- Texts that may name a part: few words do, and what they name is read where it is asked for.
SELECT name, channel, language, fallback, content, saved_at FROM templates
 WHERE content LIKE '%include%' OR content LIKE '%extends%' ORDER BY name, channel, language;

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
