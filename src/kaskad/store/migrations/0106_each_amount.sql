-- Several changes of one kind may be of one instant: an account refuses a message, another takes over at once and refuses
-- it too. They were kept as one, with the price of the first; now each is kept, in their order.

/* postgresql:
ALTER TABLE amounts ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE amounts DROP CONSTRAINT amounts_pkey, ADD PRIMARY KEY (contact_id, run_id, step, at, kind, number);
*/

/* sqlite:
CREATE TABLE each_amount (
    contact_id BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    before     BIGINT NOT NULL,
    after      BIGINT NOT NULL,
    run_id     INTEGER NOT NULL,
    step       SMALLINT NOT NULL,
    kind       SMALLINT NOT NULL,
    source     TEXT NOT NULL DEFAULT '',
    number     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (contact_id, run_id, step, at, kind, number)
) WITHOUT ROWID;
INSERT INTO each_amount SELECT contact_id, at, before, after, run_id, step, kind, source, 0 FROM amounts;
DROP TABLE amounts;
ALTER TABLE each_amount RENAME TO amounts;
*/
