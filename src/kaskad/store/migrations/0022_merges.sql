-- Contacts that turned out to be one person, and what was changed of contacts, by whom.

CREATE TABLE merged_contacts (                -- numbers that lead to another contact, which leads nowhere itself
    old_id     BIGINT PRIMARY KEY,
    contact_id BIGINT NOT NULL,
    at         BIGINT NOT NULL
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX merged_contacts_kept ON merged_contacts (contact_id);

CREATE TABLE merged_runs (                    -- what links, receipts and tasks of before call a run by
    old_contact BIGINT NOT NULL,
    old_run     INTEGER NOT NULL,
    contact_id  BIGINT NOT NULL,
    run_id      INTEGER NOT NULL,
    PRIMARY KEY (old_contact, old_run)
) /* sqlite: WITHOUT ROWID */;
CREATE INDEX merged_runs_kept ON merged_runs (contact_id);

CREATE TABLE run_twins (                      -- runs of the same trigger: a reaction in one ends the other
    contact_id BIGINT NOT NULL,
    run_id     INTEGER NOT NULL,
    into_run   INTEGER NOT NULL,
    PRIMARY KEY (contact_id, run_id)
) /* by contact */;

CREATE TABLE contact_changes (                -- the newest of each contact
    contact_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    id         INTEGER NOT NULL,              -- 1, 2, … within the contact
    what       TEXT NOT NULL,                 -- one word: changed, merged, …
    who        TEXT NOT NULL,                 -- what changed it: api, import, form, crm, …, with its name
    detail     TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (contact_id, id)
) /* by contact */;

CREATE INDEX external_ids_contact ON external_ids (contact_id);
CREATE INDEX addresses_shared ON addresses (contact_id) WHERE shared = 1;
