-- On PostgreSQL two indexes held all addresses: one in the database's order of texts, by which an address is found, and
-- one in the order of bytes, by which it is searched as it is typed. The second finds both, and each new address, which
-- stands nowhere near the one before, changes one page less.

/* postgresql:
DROP INDEX addresses_value;
DROP INDEX addresses_prefix;
CREATE INDEX addresses_value ON addresses (value text_pattern_ops, channel);
*/
