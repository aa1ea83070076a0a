-- name: add_session
INSERT INTO sessions (hash, user_id, key_id, name, address, agent, created_at, seen_at, until)
VALUES (:hash, :user, :key, :name, :address, :agent, :now, :now, :until);

-- name: session
-- What a browser's token opens, unless it has ended or nobody has used it for long.
SELECT s.id, s.user_id, s.key_id, s.name, s.seen_at, u.email, u.name, u.role, u.language, u.theme
  FROM sessions s LEFT JOIN users u ON u.id = s.user_id
 WHERE s.hash = :hash AND s.until > :now AND s.seen_at > :idle;

-- name: sessions_of
SELECT id, address, agent, created_at, seen_at FROM sessions
 WHERE user_id = :user AND until > :now AND seen_at > :idle ORDER BY seen_at DESC, id DESC;

-- name: see_session
UPDATE sessions SET seen_at = :now WHERE id = :id;

-- name: end_session
DELETE FROM sessions WHERE id = :id;

-- name: end_session_of
DELETE FROM sessions WHERE id = :id AND user_id = :user;

-- name: end_sessions_of
-- All of a user but the one named.
DELETE FROM sessions WHERE user_id = :user AND id <> :but;

-- name: end_old_sessions
DELETE FROM sessions WHERE until <= :now OR seen_at <= :idle;

-- name: sign_in_failures
SELECT count(*), min(at) FROM sign_in_failures WHERE subject = :subject AND at > :since;

-- name: add_sign_in_failure
INSERT INTO sign_in_failures (subject, at) VALUES (:subject, :at);

-- name: forgive_sign_in_failures
-- All of a subject (at = -1), or those of one instant.
DELETE FROM sign_in_failures WHERE subject = :subject AND (at = :at OR :at = -1);

-- name: drop_old_sign_in_failures
DELETE FROM sign_in_failures WHERE at <= :before;
