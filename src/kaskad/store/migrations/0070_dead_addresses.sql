-- Addresses known to be invalid, which are few: whoever looks for messages that went to them begins here.

CREATE INDEX addresses_dead ON addresses (contact_id) WHERE health = 1;
