-- What short links of texts and messengers stand for. A letter's links need no row: their tokens say it all.

CREATE TABLE short_links (
    code       TEXT PRIMARY KEY,              -- of base62, made by HMAC
    contact_id BIGINT NOT NULL,
    run_id     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    step       SMALLINT NOT NULL,
    link       SMALLINT NOT NULL              -- its place among the message's links
);
CREATE INDEX short_links_contact ON short_links (contact_id);
CREATE INDEX short_links_expiry ON short_links (expires_at);
