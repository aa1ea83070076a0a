-- What has arrived, in one place for SQL as `arrived` of domain/figures.py is for the rest; and steps as views show them: with
-- what came within seven days of its message, and with who opted out or complained.

ALTER TABLE accounts ADD COLUMN tells BIGINT NOT NULL DEFAULT 0;  -- what its service tells of messages, bits of kinds of facts

CREATE VIEW arrivals AS
SELECT m.contact_id, m.run_id, m.step, m.channel, m.state, m.reason, m.mask, m.account_id, m.submitted_at, m.sent_at, m.price,
       m.cost, m.spent,
       CASE WHEN m.state IN (4, 5) OR (m.state IN (3, 10)
                 AND coalesce((SELECT a.tells FROM accounts a WHERE a.id = m.account_id), 0) & 4 = 0)
              OR (m.state IN (3, 4, 5, 7, 8, 9, 10) AND m.mask & 24576 <> 0) THEN 1 ELSE 0 END AS arrived
  FROM messages m;

/* sqlite: DROP VIEW bi_steps; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_steps AS
SELECT c.slug AS cascade, v.number AS version, s.step, n.id AS step_id, CASE s.channel WHEN 1 THEN 'email' WHEN 2 THEN 'telegram' WHEN 3 THEN 'whatsapp' WHEN 4 THEN 'viber' WHEN 5 THEN 'vk' WHEN 6 THEN 'max' WHEN 7 THEN 'push' WHEN 8 THEN 'sms' WHEN 9 THEN 'robot_call' WHEN 10 THEN 'agent_call' WHEN 11 THEN 'facebook_messenger' WHEN 12 THEN 'instagram' END AS channel,
       sum(CASE WHEN s.state IN (3, 4, 5, 7, 8, 9, 10) THEN s.runs ELSE 0 END) AS sent,
       sum(CASE WHEN s.state IN (4, 5) THEN s.runs ELSE 0 END) AS delivered,
       sum(CASE WHEN s.arrived THEN s.runs ELSE 0 END) AS arrived,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.in_time & 3145976 <> 0 THEN s.runs ELSE 0 END) AS seen,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.in_time & 3145920 <> 0 THEN s.runs ELSE 0 END) AS reacted,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.in_time & 8 <> 0 THEN s.runs ELSE 0 END) AS opened,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.in_time & 64 <> 0 THEN s.runs ELSE 0 END) AS clicked,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.in_time & 360448 <> 0 THEN s.runs ELSE 0 END) AS machine,
       sum(CASE WHEN s.state IN (6, 7, 8, 9) THEN s.runs ELSE 0 END) AS failed,
       sum(CASE WHEN s.state IN (10) THEN s.runs ELSE 0 END) AS unknown,
       sum(CASE WHEN s.state IN (0, 1, 2) THEN s.runs ELSE 0 END) AS waiting,
       sum(CASE WHEN s.state IN (11) THEN s.runs ELSE 0 END) AS skipped,
       sum(CASE WHEN s.arrived AND s.opted_out THEN s.runs ELSE 0 END) AS opted_out,
       sum(CASE WHEN s.arrived AND s.in_time & 16384 <> 0 THEN s.runs ELSE 0 END) AS complained
  FROM (SELECT l.version_id, l.runs, l.step, l.channel, l.state, l.mask & ~l.past AS in_time, l.opted_out,
               l.state IN (4, 5) OR (l.state IN (3, 10) AND coalesce(a.tells, 0) & 4 = 0)
               OR (l.state IN (3, 4, 5, 7, 8, 9, 10) AND l.mask & 24576 <> 0) AS arrived
          FROM (SELECT k.version_id, k.runs,
                       /* sqlite: CAST(p.detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 1 AS bigint) */ AS step,
                       /* sqlite: CAST(p.detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 2 AS bigint) */ AS channel,
                       /* sqlite: CAST(p.detail ->> '$[3]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 3 AS bigint) */ AS state,
                       /* sqlite: CAST(p.detail ->> '$[4]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 4 AS bigint) */ AS mask,
                       /* sqlite: CAST(p.detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 5 AS bigint) */ AS account_id,
                       coalesce(/* sqlite: CAST(p.detail ->> '$[14]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 14 AS bigint) */, 0) AS past,
                       coalesce(/* sqlite: p.detail ->> '$[15]' */ /* postgresql: CAST(CAST(p.detail AS json) ->> 15 AS boolean) */, false) AS opted_out
                  FROM course_counts k JOIN course_parts p ON p.id = k.part_id
                 WHERE k.hours = 0 AND p.detail LIKE '["leg",%') AS l
          LEFT JOIN accounts a ON a.id = l.account_id) AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
  LEFT JOIN step_names n ON n.version_id = s.version_id AND n.step = s.step
 GROUP BY c.slug, v.number, s.step, n.id, s.channel;

-- Which message an opt-out followed is told anew: only those that had arrived are asked.
INSERT INTO due_runs (keys) SELECT DISTINCT '[' || contact_id || ',' || run_id || ']' FROM facts WHERE kind = 13;
