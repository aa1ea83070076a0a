-- A message is written three times within minutes: submitted, accepted, delivered. With room for that in its page
-- PostgreSQL writes no new index entry for it, and takes the old versions away by itself.

/* postgresql:
DO $$
DECLARE part regclass;
BEGIN
    FOR part IN
        SELECT oid FROM pg_class
         WHERE relkind = 'r' AND (oid = CAST('messages' AS regclass)
               OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = CAST('messages' AS regclass)))
    LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 45)', part);
    END LOOP;
END $$;
*/
