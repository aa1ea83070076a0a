-- Who changed what, and who looked at whom. Rows are only ever added.

CREATE TABLE audit (
    id     /* sqlite: INTEGER */ /* postgresql: BIGINT GENERATED ALWAYS AS IDENTITY */ PRIMARY KEY,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,                     -- name of the API key
    action TEXT NOT NULL,                     -- method and route: DELETE /contacts/{contact}
    object TEXT NOT NULL                      -- ids and names from the route; a contact's is always con_…
);
CREATE INDEX audit_object ON audit (object, id);
CREATE INDEX audit_who ON audit (who, id);
