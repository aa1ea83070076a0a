-- name: add_user
INSERT INTO users (email, name, role, created_at) VALUES (:email, :name, :role, :now) RETURNING id;

-- name: users
SELECT id, email, name, role, password IS NOT NULL, language, theme, totp IS NOT NULL, created_at FROM users ORDER BY id;

-- name: user_by_id
SELECT id, email, name, role, password IS NOT NULL, language, theme, totp IS NOT NULL, created_at FROM users
 WHERE id = :id;

-- name: user_by_email
SELECT id, email, name, role, password IS NOT NULL, language, theme, totp IS NOT NULL, created_at FROM users
 WHERE email = :email;

-- name: any_user
SELECT 1 FROM users LIMIT 1;

-- name: other_owners
-- How many owners with a password there are besides this user.
SELECT count(*) FROM users WHERE role = 'owner' AND password IS NOT NULL AND id <> :id;

-- name: user_secrets
SELECT password, totp, totp_last, codes FROM users WHERE id = :id;

-- name: set_user_role
UPDATE users SET role = :role WHERE id = :id;

-- name: set_user_name
UPDATE users SET name = :name WHERE id = :id;

-- name: set_user_password
UPDATE users SET password = :password WHERE id = :id;

-- name: set_user_manner
UPDATE users SET language = :language, theme = :theme WHERE id = :id;

-- name: set_user_totp
UPDATE users SET totp = :totp, totp_last = :last, codes = :codes WHERE id = :id;

-- name: use_totp
-- 0 rows where this code, or a later one, has been used.
UPDATE users SET totp_last = :last WHERE id = :id AND totp_last < :last;

-- name: use_recovery_code
-- 0 rows where another request has used one meanwhile.
UPDATE users SET codes = :codes WHERE id = :id AND codes = :before;

-- name: drop_user
DELETE FROM users WHERE id = :id;

-- name: add_user_link
INSERT INTO user_links (hash, user_id, expires_at) VALUES (:hash, :user, :expires_at);

-- name: user_of_link
SELECT user_id FROM user_links WHERE hash = :hash AND expires_at > :now;

-- name: drop_user_links
-- Those of one user, and all that have expired.
DELETE FROM user_links WHERE user_id = :user OR expires_at <= :now;
