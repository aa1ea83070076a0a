-- Messages that may have arrived are kept by column too, and what runs were worth apart from all the others, for whoever
-- shares out goals or asks what people brought. Blocks that are made are made anew.
DELETE FROM run_blocks;
DELETE FROM run_columns;
DELETE FROM deed_columns;
DELETE FROM run_touched;
