-- By which id of the bill a message was found that no id of ours names: looked for by phone and time, once for all
-- lines of that id.

ALTER TABLE bill_lines ADD COLUMN line_id TEXT;  -- '': of a line without one; NULL: it was named
CREATE INDEX bill_lines_id ON bill_lines (bill_id, line_id) WHERE line_id <> '';
