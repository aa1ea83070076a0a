-- No statement finds anything by these: what they were for is asked otherwise, or of tables of a few rows.
DROP INDEX raw_webhooks_problem;
DROP INDEX erasures_at;
DROP INDEX sessions_until;
DROP INDEX user_links_user;
DROP INDEX stops_open;
