-- Accounts that were deleted stay as rows: messages and reports name them by their ids.

ALTER TABLE accounts ADD COLUMN deleted_at BIGINT; -- NULL: in use
