-- When a key was used last, to within five minutes; NULL: never since this was noted.
ALTER TABLE api_keys ADD COLUMN used_at BIGINT;
