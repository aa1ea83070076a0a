-- Forecasts of cascades that people enter by events and dates; see the migration `week_forecasts`.

-- name: put_week_forecast
INSERT INTO week_forecasts (version_id, again, at, forecast) VALUES (:version_id, :again, :now, :forecast)
ON CONFLICT DO NOTHING;

-- name: week_forecasts
-- The last ones, each with its cascade, and when the next of that was made: again, or as another version became the
-- one of all (as far as is known).
SELECT c.slug, w.version_id, v.cascade_id, v.number, w.again, w.at, w.forecast,
       (SELECT min(n.at) FROM week_forecasts n JOIN versions o ON o.id = n.version_id
         WHERE o.cascade_id = v.cascade_id AND n.at > w.at) AS until
  FROM week_forecasts w JOIN versions v ON v.id = w.version_id JOIN cascades c ON c.id = v.cascade_id
 WHERE :cascade_id = 0 OR v.cascade_id = :cascade_id
 ORDER BY w.at DESC, w.version_id DESC, w.again DESC LIMIT :limit;

-- name: week_forecasts_made
-- Of which versions there is one, and whether it was made again.
SELECT version_id, max(again) FROM week_forecasts GROUP BY version_id;

-- name: first_week_forecast
SELECT at, forecast FROM week_forecasts WHERE version_id = :version_id AND again = 0;

-- name: event_people_by_day
-- To how many people an event has happened, by day. No index helps: it is asked once for a version, by a thread in the
-- background, of cascades that have not run for a week.
SELECT at / 86400000, count(DISTINCT contact_id) FROM events
 WHERE name = :name AND at >= :since * 86400000 AND at < :until * 86400000
 GROUP BY at / 86400000;

-- name: lately_by_event
-- To whom an event has happened last; asked once for a version, by a thread in the background.
SELECT contact_id FROM events WHERE name = :name AND at >= :since * 86400000
 GROUP BY contact_id ORDER BY max(at) DESC, contact_id LIMIT :limit;

-- name: last_events
-- The last event of each to whom one has happened last. No index helps either: it is asked for where steps are due by
-- dates of the event, once a forecast.
SELECT last.contact_id, last.at, max(e.properties)
  FROM (SELECT contact_id, max(at) AS at FROM events WHERE name = :name AND at >= :since
         GROUP BY contact_id ORDER BY max(at) DESC, contact_id LIMIT :limit) AS last
  JOIN events e ON e.contact_id = last.contact_id AND e.at = last.at AND e.name = :name
 GROUP BY last.contact_id, last.at ORDER BY last.at DESC, last.contact_id;
