-- What was expected of a launch is kept, to be held against what then happens.

ALTER TABLE launches ADD COLUMN forecast TEXT; -- JSON (actions/forecast.py, Expected); NULL: none was made
