-- Who has saved a draft, so that two people who edit one cascade are told of each other.

ALTER TABLE drafts ADD COLUMN saved_by TEXT NOT NULL DEFAULT '';
