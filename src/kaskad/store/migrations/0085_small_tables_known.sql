-- PostgreSQL looks what is in a table once fifty of its rows have changed. Of cascades and versions there are fewer, and
-- without a look it takes them for a thousand: figures, which are asked for by version, were then sorted on disk.
/* postgresql:
ALTER TABLE versions SET (autovacuum_analyze_threshold = 0);
ALTER TABLE cascades SET (autovacuum_analyze_threshold = 0);
ALTER TABLE accounts SET (autovacuum_analyze_threshold = 0);
ALTER TABLE launches SET (autovacuum_analyze_threshold = 0);
ANALYZE versions;
ANALYZE cascades;
ANALYZE accounts;
ANALYZE launches;
*/
