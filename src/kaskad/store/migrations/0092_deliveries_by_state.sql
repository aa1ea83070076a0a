-- What a webhook was told, by what became of it: else a page, each change of a webhook and each look at metrics read
-- all deliveries of a month, with their bodies.
CREATE INDEX deliveries_states ON deliveries (webhook_id, state, id);
