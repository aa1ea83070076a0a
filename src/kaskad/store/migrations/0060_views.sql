-- Views for other people's eyes: names of the glossary, instants as timestamps, codes as words, money as decimals, and nobody
-- who could be named. docs/views.md describes every column. They cost nothing but what is asked of them.

CREATE TABLE step_names (                       -- what definitions call their steps, as SQL cannot read these
    version_id BIGINT NOT NULL,
    step       INTEGER NOT NULL,
    id         TEXT NOT NULL,
    PRIMARY KEY (version_id, step)
);

CREATE VIEW bi_cascades AS
SELECT c.slug AS cascade, c.state, v.number AS version, /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', c.changed_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(c.changed_at / 1000.0) */ AS changed_at
  FROM cascades c LEFT JOIN versions v ON v.id = c.version_id;

CREATE VIEW bi_contacts AS
SELECT concat('con_', c.id) AS contact, /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', c.created_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(c.created_at / 1000.0) */ AS created_at, c.language, c.country, c.zone,
       c.tracking <> 0 AS tracking, c.seed <> 0 AS seed, c.erased_at IS NOT NULL AS erased
  FROM contacts c;

CREATE VIEW bi_runs AS
SELECT concat('run_', r.contact_id, '_', r.id) AS run, concat('con_', r.contact_id) AS contact, c.slug AS cascade,
       v.number AS version, CASE r.state WHEN 0 THEN 'pending' WHEN 1 THEN 'active' WHEN 2 THEN 'paused' WHEN 3 THEN 'finished' END AS state,
       CASE r.outcome WHEN 1 THEN 'converted' WHEN 2 THEN 'responded' WHEN 3 THEN 'exhausted' WHEN 4 THEN 'unreachable' WHEN 5 THEN 'opted_out' WHEN 6 THEN 'complained' WHEN 7 THEN 'expired' WHEN 8 THEN 'superseded' WHEN 9 THEN 'cancelled' WHEN 10 THEN 'failed' END AS outcome,
       r.outcome_step, n.id AS outcome_step_id, r.late <> 0 AS late, r.holdout <> 0 AS holdout,
       r.contact_id IN (SELECT id FROM contacts WHERE seed = 1) AS seed,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', r.entered_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(r.entered_at / 1000.0) */ AS entered_at,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(r.finished_at / 1000.0) */ AS finished_at
  FROM runs r
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = r.outcome_step;

CREATE VIEW bi_messages AS
SELECT concat('run_', m.contact_id, '_', m.run_id) AS run, concat('con_', m.contact_id) AS contact, c.slug AS cascade,
       v.number AS version, m.step, n.id AS step_id, CASE m.channel WHEN 1 THEN 'email' WHEN 2 THEN 'telegram' WHEN 3 THEN 'whatsapp' WHEN 4 THEN 'viber' WHEN 5 THEN 'vk' WHEN 6 THEN 'max' WHEN 7 THEN 'push' WHEN 8 THEN 'sms' WHEN 9 THEN 'robot_call' WHEN 10 THEN 'agent_call' WHEN 11 THEN 'facebook_messenger' WHEN 12 THEN 'instagram' END AS channel,
       a.name AS account, CASE m.state WHEN 0 THEN 'created' WHEN 1 THEN 'queued' WHEN 2 THEN 'submitted' WHEN 3 THEN 'sent' WHEN 4 THEN 'delivered' WHEN 5 THEN 'read' WHEN 6 THEN 'rejected' WHEN 7 THEN 'failed' WHEN 8 THEN 'bounced' WHEN 9 THEN 'expired' WHEN 10 THEN 'unknown' WHEN 11 THEN 'skipped' WHEN 12 THEN 'cancelled' END AS state,
       CASE WHEN m.state = 11 THEN CASE m.reason WHEN 1 THEN 'no_address' WHEN 2 THEN 'no_consent' WHEN 3 THEN 'suppressed' WHEN 4 THEN 'address_invalid' WHEN 5 THEN 'frequency_capped' WHEN 6 THEN 'policy_denied' WHEN 7 THEN 'no_template' WHEN 8 THEN 'window_impossible' WHEN 9 THEN 'too_late' WHEN 10 THEN 'duplicate_address' WHEN 11 THEN 'step_holdout' WHEN 12 THEN 'provider_disabled' WHEN 13 THEN 'condition_false' WHEN 14 THEN 'over_budget' END
            ELSE CASE m.reason WHEN 0 THEN 'other' WHEN 1 THEN 'invalid_address' WHEN 2 THEN 'opted_out' WHEN 3 THEN 'content' WHEN 4 THEN 'window' WHEN 5 THEN 'rate_limited' WHEN 6 THEN 'transient' WHEN 7 THEN 'auth' WHEN 8 THEN 'ambiguous' WHEN 9 THEN 'doubtful_address' WHEN 10 THEN 'busy' WHEN 11 THEN 'no_answer' WHEN 12 THEN 'unreachable' WHEN 13 THEN 'carrier_refused' END END AS reason,
       m.variant, m.attempt AS attempts,
       m.mask & 3145976 <> 0 AS seen, m.mask & 3145920 <> 0 AS reacted, m.mask & 8 <> 0 AS opened,
       m.mask & 64 <> 0 AS clicked, m.mask & 128 <> 0 AS replied,
       m.mask & 8192 <> 0 AS unsubscribed, m.mask & 16384 <> 0 AS complained,
       m.contact_id IN (SELECT id FROM contacts WHERE seed = 1) AS seed,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', m.submitted_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(m.submitted_at / 1000.0) */ AS submitted_at,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', m.sent_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(m.sent_at / 1000.0) */ AS sent_at,
       /* sqlite: a.prices ->> 'currency' */ /* postgresql: CAST(a.prices AS json) ->> 'currency' */ AS currency,
       /* sqlite: m.price * 1.0 / (CASE WHEN (a.prices ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (a.prices ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(m.price AS numeric) / (CASE WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS price,
       /* sqlite: coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) * 1.0 / (CASE WHEN (a.prices ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (a.prices ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END) AS numeric) / (CASE WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS cost
  FROM messages m
  JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN accounts a ON a.id = m.account_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = m.step;

CREATE VIEW bi_reactions AS
SELECT concat('run_', f.contact_id, '_', f.run_id) AS run, concat('con_', f.contact_id) AS contact, c.slug AS cascade,
       v.number AS version, f.step, n.id AS step_id, CASE f.kind WHEN 1 THEN 'sent' WHEN 2 THEN 'delivered' WHEN 3 THEN 'opened' WHEN 4 THEN 'read' WHEN 5 THEN 'answered' WHEN 6 THEN 'clicked' WHEN 7 THEN 'replied' WHEN 8 THEN 'rejected' WHEN 9 THEN 'failed' WHEN 10 THEN 'bounced' WHEN 11 THEN 'expired' WHEN 12 THEN 'unknown' WHEN 13 THEN 'unsubscribed' WHEN 14 THEN 'complained' WHEN 15 THEN 'machine_opened' WHEN 16 THEN 'machine_clicked' WHEN 17 THEN 'suspected_clicked' WHEN 18 THEN 'machine_answered' WHEN 19 THEN 'soft_bounced' WHEN 20 THEN 'keypress' WHEN 21 THEN 'asked_agent' WHEN 22 THEN 'in_doubt' WHEN 23 THEN 'no_answer' WHEN 24 THEN 'call_back' WHEN 32 THEN 'goal' WHEN 33 THEN 'cancelled' WHEN 34 THEN 'superseded' WHEN 35 THEN 'erased' WHEN 36 THEN 'anchor_cancelled' END AS kind,
       f.kind IN (3, 4, 5, 6, 7, 20, 21) AS person,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', f.at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(f.at / 1000.0) */ AS at
  FROM facts f
  JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = f.step;

CREATE VIEW bi_steps AS
SELECT c.slug AS cascade, v.number AS version, s.step, n.id AS step_id, CASE s.channel WHEN 1 THEN 'email' WHEN 2 THEN 'telegram' WHEN 3 THEN 'whatsapp' WHEN 4 THEN 'viber' WHEN 5 THEN 'vk' WHEN 6 THEN 'max' WHEN 7 THEN 'push' WHEN 8 THEN 'sms' WHEN 9 THEN 'robot_call' WHEN 10 THEN 'agent_call' WHEN 11 THEN 'facebook_messenger' WHEN 12 THEN 'instagram' END AS channel,
       sum(CASE WHEN s.state IN (3, 4, 5, 7, 8, 9, 10) THEN s.runs ELSE 0 END) AS sent,
       sum(CASE WHEN s.state IN (4, 5) THEN s.runs ELSE 0 END) AS delivered,
       sum(CASE WHEN s.state IN (3, 4, 5, 10) THEN s.runs ELSE 0 END) AS arrived,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.mask & 3145976 <> 0 THEN s.runs ELSE 0 END) AS seen,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.mask & 3145920 <> 0 THEN s.runs ELSE 0 END) AS reacted,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.mask & 8 <> 0 THEN s.runs ELSE 0 END) AS opened,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.mask & 64 <> 0 THEN s.runs ELSE 0 END) AS clicked,
       sum(CASE WHEN s.state IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10) AND s.mask & 360448 <> 0 THEN s.runs ELSE 0 END) AS machine,
       sum(CASE WHEN s.state IN (6, 7, 8, 9) THEN s.runs ELSE 0 END) AS failed,
       sum(CASE WHEN s.state IN (10) THEN s.runs ELSE 0 END) AS unknown,
       sum(CASE WHEN s.state IN (0, 1, 2) THEN s.runs ELSE 0 END) AS waiting,
       sum(CASE WHEN s.state IN (11) THEN s.runs ELSE 0 END) AS skipped
  FROM (SELECT k.version_id, k.runs,
               /* sqlite: CAST(p.detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 1 AS bigint) */ AS step,
               /* sqlite: CAST(p.detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 2 AS bigint) */ AS channel,
               /* sqlite: CAST(p.detail ->> '$[3]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 3 AS bigint) */ AS state,
               /* sqlite: CAST(p.detail ->> '$[4]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 4 AS bigint) */ AS mask
          FROM course_counts k JOIN course_parts p ON p.id = k.part_id
         WHERE k.hours = 0 AND p.detail LIKE '["leg",%') AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
  LEFT JOIN step_names n ON n.version_id = s.version_id AND n.step = s.step
 GROUP BY c.slug, v.number, s.step, n.id, s.channel;

CREATE VIEW bi_daily AS
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
       sum(CASE WHEN s.holdout = 1 AND s.marks & 4294967296 <> 0 THEN s.runs ELSE 0 END) AS holdout_goals
  FROM (SELECT k.version_id, k.hour, k.runs,
               /* sqlite: CAST(p.detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 1 AS bigint) */ AS holdout,
               /* sqlite: CAST(p.detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 2 AS bigint) */ AS outcome,
               /* sqlite: CAST(p.detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 5 AS bigint) */ AS marks,
               /* sqlite: CAST(p.detail ->> '$[7]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 7 AS bigint) */ AS levels
          FROM course_counts k JOIN course_parts p ON p.id = k.part_id
         WHERE k.hours = 24 AND p.detail LIKE '["run",%') AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
 GROUP BY s.hour, c.slug, v.number;

CREATE VIEW bi_costs AS
SELECT /* sqlite: date(s.hour * 3600, 'unixepoch') */ /* postgresql: CAST(to_timestamp(s.hour * 3600.0) AT TIME ZONE 'UTC' AS date) */ AS day, c.slug AS cascade, v.number AS version, s.step, n.id AS step_id,
       CASE s.channel WHEN 1 THEN 'email' WHEN 2 THEN 'telegram' WHEN 3 THEN 'whatsapp' WHEN 4 THEN 'viber' WHEN 5 THEN 'vk' WHEN 6 THEN 'max' WHEN 7 THEN 'push' WHEN 8 THEN 'sms' WHEN 9 THEN 'robot_call' WHEN 10 THEN 'agent_call' WHEN 11 THEN 'facebook_messenger' WHEN 12 THEN 'instagram' END AS channel, s.account, s.currency, sum(s.messages) AS messages,
       /* sqlite: sum(s.messages * s.price) * 1.0 / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(sum(s.messages * s.price) AS numeric) / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS price,
       /* sqlite: sum(s.messages * s.cost) * 1.0 / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(sum(s.messages * s.cost) AS numeric) / (CASE WHEN s.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN s.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS cost
  FROM (SELECT k.version_id, k.hour, k.messages, a.name AS account, /* sqlite: a.prices ->> 'currency' */ /* postgresql: CAST(a.prices AS json) ->> 'currency' */ AS currency,
               /* sqlite: CAST(p.detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 1 AS bigint) */ AS step,
               /* sqlite: CAST(p.detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 2 AS bigint) */ AS channel,
               /* sqlite: CAST(p.detail ->> '$[3]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 3 AS bigint) */ AS state,
               /* sqlite: CAST(p.detail ->> '$[8]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 8 AS bigint) */ AS price,
               /* sqlite: CAST(p.detail ->> '$[9]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 9 AS bigint) */ AS cost
          FROM leg_counts k JOIN course_parts p ON p.id = k.part_id
          JOIN accounts a ON a.id = /* sqlite: CAST(p.detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 5 AS bigint) */
         WHERE k.hours = 24 AND p.detail LIKE '["leg",%') AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
  LEFT JOIN step_names n ON n.version_id = s.version_id AND n.step = s.step
 WHERE s.state IN (3, 4, 5, 7, 8, 9, 10) OR s.cost <> 0
 GROUP BY s.hour, c.slug, v.number, s.step, n.id, s.channel, s.account, s.currency;
