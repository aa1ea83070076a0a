-- Who wrote, approved and took back which text, in the order of the acts; the last one counts. A text is known
-- by what it says (`domain/approval.py`), so another text needs another approval.

CREATE TABLE approvals (
    id   /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    at   BIGINT NOT NULL,
    text TEXT NOT NULL,                      -- its id
    act  TEXT NOT NULL CHECK (act IN ('written', 'approved', 'taken_back')),
    what TEXT NOT NULL,                      -- as people call it
    by   TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX approvals_text ON approvals (text, id);

-- A role for who does only that.
ALTER TABLE users RENAME COLUMN role TO old_role;
ALTER TABLE users ADD COLUMN role TEXT NOT NULL DEFAULT 'viewer'
    CHECK (role IN ('owner', 'marketer', 'approver', 'agent', 'viewer'));
UPDATE users SET role = old_role;
ALTER TABLE users DROP COLUMN old_role;
