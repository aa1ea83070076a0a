-- Which words which form has had: nobody has agreed to the words of another one.

CREATE TABLE form_wordings (
    form    TEXT NOT NULL,
    version TEXT NOT NULL,                    -- of form_texts
    PRIMARY KEY (form, version)
);
