-- Money on PostgreSQL in three digits, as many as any currency has: a division of decimals told 0.2500000000000000.

/* sqlite: DROP VIEW bi_runs; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_runs AS
SELECT 'run_' || r.contact_id || '_' || r.id AS run, 'con_' || r.contact_id AS contact, c.slug AS cascade,
       v.number AS version, CASE r.state WHEN 0 THEN 'pending' WHEN 1 THEN 'active' WHEN 2 THEN 'paused' WHEN 3 THEN 'finished' END AS state,
       CASE r.outcome WHEN 1 THEN 'converted' WHEN 2 THEN 'responded' WHEN 3 THEN 'exhausted' WHEN 4 THEN 'unreachable' WHEN 5 THEN 'opted_out' WHEN 6 THEN 'complained' WHEN 7 THEN 'expired' WHEN 8 THEN 'superseded' WHEN 9 THEN 'cancelled' WHEN 10 THEN 'failed' END AS outcome,
       r.outcome_step, n.id AS outcome_step_id, r.late <> 0 AS late, r.holdout <> 0 AS holdout,
       r.contact_id IN (SELECT id FROM contacts WHERE seed = 1) AS seed,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', r.entered_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(r.entered_at / 1000.0) */ AS entered_at,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(r.finished_at / 1000.0) */ AS finished_at,
       w.currency,
       /* sqlite: r.value * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(r.value AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS value,
       /* sqlite: r.returned * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(r.returned AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS returned
  FROM runs r
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  JOIN version_worth w ON w.version_id = r.version_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = r.outcome_step;

/* sqlite: DROP VIEW bi_messages; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_messages AS
SELECT 'run_' || m.contact_id || '_' || m.run_id AS run, 'con_' || m.contact_id AS contact, c.slug AS cascade,
       v.number AS version, m.step, n.id AS step_id, CASE m.channel WHEN 1 THEN 'email' WHEN 2 THEN 'telegram' WHEN 3 THEN 'whatsapp' WHEN 4 THEN 'viber' WHEN 5 THEN 'vk' WHEN 6 THEN 'max' WHEN 7 THEN 'push' WHEN 8 THEN 'sms' WHEN 9 THEN 'robot_call' WHEN 10 THEN 'agent_call' WHEN 11 THEN 'facebook_messenger' WHEN 12 THEN 'instagram' END AS channel,
       a.name AS account, CASE m.state WHEN 0 THEN 'created' WHEN 1 THEN 'queued' WHEN 2 THEN 'submitted' WHEN 3 THEN 'sent' WHEN 4 THEN 'delivered' WHEN 5 THEN 'read' WHEN 6 THEN 'rejected' WHEN 7 THEN 'failed' WHEN 8 THEN 'bounced' WHEN 9 THEN 'expired' WHEN 10 THEN 'unknown' WHEN 11 THEN 'skipped' WHEN 12 THEN 'cancelled' END AS state,
       CASE WHEN m.state = 11 THEN CASE m.reason WHEN 1 THEN 'no_address' WHEN 2 THEN 'no_consent' WHEN 3 THEN 'suppressed' WHEN 4 THEN 'address_invalid' WHEN 5 THEN 'frequency_capped' WHEN 6 THEN 'policy_denied' WHEN 7 THEN 'no_template' WHEN 8 THEN 'window_impossible' WHEN 9 THEN 'too_late' WHEN 10 THEN 'duplicate_address' WHEN 11 THEN 'step_holdout' WHEN 12 THEN 'provider_disabled' WHEN 13 THEN 'condition_false' WHEN 14 THEN 'over_budget' WHEN 15 THEN 'control_group' WHEN 16 THEN 'step_paused' END
            ELSE CASE m.reason WHEN 0 THEN 'other' WHEN 1 THEN 'invalid_address' WHEN 2 THEN 'opted_out' WHEN 3 THEN 'content' WHEN 4 THEN 'window' WHEN 5 THEN 'rate_limited' WHEN 6 THEN 'transient' WHEN 7 THEN 'auth' WHEN 8 THEN 'ambiguous' WHEN 9 THEN 'doubtful_address' WHEN 10 THEN 'busy' WHEN 11 THEN 'no_answer' WHEN 12 THEN 'unreachable' WHEN 13 THEN 'carrier_refused' END END AS reason,
       m.variant, m.attempt AS attempts,
       m.mask & 3145976 <> 0 AS seen, m.mask & 3145920 <> 0 AS reacted, m.mask & 8 <> 0 AS opened,
       m.mask & 64 <> 0 AS clicked, m.mask & 128 <> 0 AS replied,
       m.mask & 8192 <> 0 AS unsubscribed, m.mask & 16384 <> 0 AS complained,
       m.contact_id IN (SELECT id FROM contacts WHERE seed = 1) AS seed,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', m.submitted_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(m.submitted_at / 1000.0) */ AS submitted_at,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', m.sent_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(m.sent_at / 1000.0) */ AS sent_at,
       /* sqlite: a.prices ->> 'currency' */ /* postgresql: CAST(a.prices AS json) ->> 'currency' */ AS currency,
       /* sqlite: m.price * 1.0 / (CASE WHEN (a.prices ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (a.prices ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(m.price AS numeric) / (CASE WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS price,
       /* sqlite: (coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)) * 1.0 / (CASE WHEN (a.prices ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (a.prices ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST((coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)) AS numeric) / (CASE WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS cost
  FROM messages m
  JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN accounts a ON a.id = m.account_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = m.step;

/* sqlite: DROP VIEW bi_daily; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_daily AS
WITH parts AS MATERIALIZED (          -- read once, not with each of their counts
    SELECT id,
           /* sqlite: CAST(detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 1 AS bigint) */ AS holdout,
           /* sqlite: CAST(detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 2 AS bigint) */ AS outcome,
           /* sqlite: CAST(detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 5 AS bigint) */ AS marks,
           /* sqlite: CAST(detail ->> '$[7]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 7 AS bigint) */ AS levels
      FROM course_parts WHERE detail LIKE '["run",%'
)
SELECT /* sqlite: date(s.hour * 3600, 'unixepoch') */ /* postgresql: CAST(to_timestamp(s.hour * 3600.0) AT TIME ZONE 'UTC' AS date) */ AS day, c.slug AS cascade, v.number AS version,
       sum(CASE WHEN s.holdout = 0 THEN s.runs ELSE 0 END) AS entered,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 0 THEN s.runs ELSE 0 END) AS under_way,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 1 THEN s.runs ELSE 0 END) AS converted,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 2 THEN s.runs ELSE 0 END) AS responded,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 3 THEN s.runs ELSE 0 END) AS exhausted,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 4 THEN s.runs ELSE 0 END) AS unreachable,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 5 THEN s.runs ELSE 0 END) AS opted_out,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 6 THEN s.runs ELSE 0 END) AS complained,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 7 THEN s.runs ELSE 0 END) AS expired,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 8 THEN s.runs ELSE 0 END) AS superseded,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 9 THEN s.runs ELSE 0 END) AS cancelled,
       sum(CASE WHEN s.holdout = 0 AND s.outcome = 10 THEN s.runs ELSE 0 END) AS failed,
       sum(CASE WHEN s.holdout = 0 AND s.levels & 1 <> 0 THEN s.runs ELSE 0 END) AS reached_delivered,
       sum(CASE WHEN s.holdout = 0 AND s.levels & 2 <> 0 THEN s.runs ELSE 0 END) AS reached_seen,
       sum(CASE WHEN s.holdout = 0 AND s.levels & 8 <> 0 THEN s.runs ELSE 0 END) AS reached_reacted,
       sum(CASE WHEN s.holdout = 0 AND s.marks & 4294967296 <> 0 THEN s.runs ELSE 0 END) AS goals,
       sum(CASE WHEN s.holdout = 1 THEN s.runs ELSE 0 END) AS holdouts,
       sum(CASE WHEN s.holdout = 1 AND s.marks & 4294967296 <> 0 THEN s.runs ELSE 0 END) AS holdout_goals,
       sum(CASE WHEN s.holdout = 0 AND s.marks & 137438953472 <> 0 THEN s.runs ELSE 0 END) AS goals_returned,
       w.currency,
       /* sqlite: sum(CASE WHEN s.holdout = 0 THEN s.value ELSE 0 END) * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(sum(CASE WHEN s.holdout = 0 THEN s.value ELSE 0 END) AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS revenue,
       /* sqlite: sum(CASE WHEN s.holdout = 0 THEN s.returned ELSE 0 END) * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(sum(CASE WHEN s.holdout = 0 THEN s.returned ELSE 0 END) AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS returned
  FROM (SELECT k.version_id, k.hour, k.runs, k.value, k.returned, p.holdout, p.outcome, p.marks, p.levels
          FROM course_counts k JOIN parts p ON p.id = k.part_id
         WHERE k.hours = 24) AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
  JOIN version_worth w ON w.version_id = s.version_id
 GROUP BY s.hour, c.slug, v.number, w.currency;

/* sqlite: DROP VIEW bi_costs; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_costs AS
WITH parts AS MATERIALIZED (          -- read once, not with each of their counts
    SELECT id,
           /* sqlite: CAST(detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 1 AS bigint) */ AS step,
           /* sqlite: CAST(detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 2 AS bigint) */ AS channel,
           /* sqlite: CAST(detail ->> '$[3]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 3 AS bigint) */ AS state,
           /* sqlite: CAST(detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 5 AS bigint) */ AS account_id,
           /* sqlite: CAST(detail ->> '$[8]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 8 AS bigint) */ AS price,
           /* sqlite: CAST(detail ->> '$[9]' AS INTEGER) */ /* postgresql: CAST(CAST(detail AS json) ->> 9 AS bigint) */ AS cost
      FROM course_parts WHERE detail LIKE '["leg",%'
), payers AS MATERIALIZED (
    SELECT a.id, a.name, /* sqlite: a.prices ->> 'currency' */ /* postgresql: CAST(a.prices AS json) ->> 'currency' */ AS currency
      FROM accounts a
)
SELECT /* sqlite: date(s.hour * 3600, 'unixepoch') */ /* postgresql: CAST(to_timestamp(s.hour * 3600.0) AT TIME ZONE 'UTC' AS date) */ AS day, c.slug AS cascade, v.number AS version, s.step, n.id AS step_id,
       CASE s.channel WHEN 1 THEN 'email' WHEN 2 THEN 'telegram' WHEN 3 THEN 'whatsapp' WHEN 4 THEN 'viber' WHEN 5 THEN 'vk' WHEN 6 THEN 'max' WHEN 7 THEN 'push' WHEN 8 THEN 'sms' WHEN 9 THEN 'robot_call' WHEN 10 THEN 'agent_call' WHEN 11 THEN 'facebook_messenger' WHEN 12 THEN 'instagram' END AS channel, s.account, s.currency, sum(s.messages) AS messages,
       /* sqlite: sum(s.messages * s.price) * 1.0 / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(sum(s.messages * s.price) AS numeric) / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS price,
       /* sqlite: sum(s.messages * s.cost) * 1.0 / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: round(CAST(sum(s.messages * s.cost) AS numeric) / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END), 3) */ AS cost
  FROM (SELECT k.version_id, k.hour, k.messages, a.name AS account, a.currency, p.step, p.channel, p.state, p.price, p.cost
          FROM leg_counts k JOIN parts p ON p.id = k.part_id
          JOIN payers a ON a.id = p.account_id
         WHERE k.hours = 24) AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
  LEFT JOIN step_names n ON n.version_id = s.version_id AND n.step = s.step
 WHERE s.state IN (3, 4, 5, 7, 8, 9, 10) OR s.cost <> 0
 GROUP BY s.hour, c.slug, v.number, s.step, n.id, s.channel, s.account, s.currency;
