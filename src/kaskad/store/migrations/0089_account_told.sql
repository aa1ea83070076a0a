-- Alarms of an account beyond a bound were `guard_told`, as those of cascades are; they are `account_told` now. Whoever chose
-- to be told of the one is told of the other too, and one that stands goes on: it is neither over nor anew.
UPDATE settings
   SET value = replace(replace(value, '["guard_told"', '["guard_told","account_told"'),
                       ',"guard_told"', ',"guard_told","account_told"')
 WHERE name = 'alarm_ways' AND value NOT LIKE '%"account_told"%';

UPDATE alarms SET kind = 'account_told'
 WHERE kind = 'guard_told' AND over_at IS NULL
   AND name IN (SELECT name FROM accounts) AND name NOT IN (SELECT slug FROM cascades)
   AND NOT EXISTS (SELECT 1 FROM alarms other
                    WHERE other.kind = 'account_told' AND other.name = alarms.name AND other.over_at IS NULL);
