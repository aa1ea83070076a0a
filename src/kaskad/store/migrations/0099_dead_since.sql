-- Since when an address is known to be invalid stands in the index of these: whoever looks for what was sent to one after
-- that reads no row of the others. Nobody else's address is in it, so that it costs writing nothing.
DROP INDEX addresses_dead;
CREATE INDEX addresses_dead ON addresses (contact_id, changed_at) WHERE health = 1;
