-- What confirms a sign-up is kept nowhere any more: it follows from the installation's keys.

ALTER TABLE sign_ups DROP COLUMN code_hash;
