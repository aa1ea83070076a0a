-- Of several processes each sees how accounts do with itself: such an alarm is over once none of them sees it.
ALTER TABLE alarms ADD COLUMN seen_at BIGINT;   -- by any process, last; NULL: raised by an older release
