-- What goals were worth and what came back of it, for BI tools: in the currency of the version's budget, else of the brand.

CREATE TABLE version_currencies (               -- of budgets, as SQL cannot read definitions
    version_id BIGINT PRIMARY KEY,
    currency   TEXT NOT NULL                    -- '': the brand's
);

CREATE VIEW version_worth AS
SELECT v.id AS version_id,
       coalesce(nullif(c.currency, ''), nullif((SELECT /* sqlite: value ->> 'currency' */ /* postgresql: CAST(value AS json) ->> 'currency' */ FROM settings WHERE name = 'brand'), '')) AS currency
  FROM versions v LEFT JOIN version_currencies c ON c.version_id = v.id;

/* sqlite: DROP VIEW bi_runs; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_runs AS
SELECT concat('run_', r.contact_id, '_', r.id) AS run, concat('con_', r.contact_id) AS contact, c.slug AS cascade,
       v.number AS version, CASE r.state WHEN 0 THEN 'pending' WHEN 1 THEN 'active' WHEN 2 THEN 'paused' WHEN 3 THEN 'finished' END AS state,
       CASE r.outcome WHEN 1 THEN 'converted' WHEN 2 THEN 'responded' WHEN 3 THEN 'exhausted' WHEN 4 THEN 'unreachable' WHEN 5 THEN 'opted_out' WHEN 6 THEN 'complained' WHEN 7 THEN 'expired' WHEN 8 THEN 'superseded' WHEN 9 THEN 'cancelled' WHEN 10 THEN 'failed' END AS outcome,
       r.outcome_step, n.id AS outcome_step_id, r.late <> 0 AS late, r.holdout <> 0 AS holdout,
       r.contact_id IN (SELECT id FROM contacts WHERE seed = 1) AS seed,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', r.entered_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(r.entered_at / 1000.0) */ AS entered_at,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', r.finished_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(r.finished_at / 1000.0) */ AS finished_at,
       w.currency,
       /* sqlite: r.value * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(r.value AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS value,
       /* sqlite: r.returned * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(r.returned AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS returned
  FROM runs r
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  JOIN version_worth w ON w.version_id = r.version_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = r.outcome_step;

/* sqlite: DROP VIEW bi_reactions; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_reactions AS
SELECT concat('run_', f.contact_id, '_', f.run_id) AS run, concat('con_', f.contact_id) AS contact, c.slug AS cascade,
       v.number AS version, f.step, n.id AS step_id, CASE f.kind WHEN 1 THEN 'sent' WHEN 2 THEN 'delivered' WHEN 3 THEN 'opened' WHEN 4 THEN 'read' WHEN 5 THEN 'answered' WHEN 6 THEN 'clicked' WHEN 7 THEN 'replied' WHEN 8 THEN 'rejected' WHEN 9 THEN 'failed' WHEN 10 THEN 'bounced' WHEN 11 THEN 'expired' WHEN 12 THEN 'unknown' WHEN 13 THEN 'unsubscribed' WHEN 14 THEN 'complained' WHEN 15 THEN 'machine_opened' WHEN 16 THEN 'machine_clicked' WHEN 17 THEN 'suspected_clicked' WHEN 18 THEN 'machine_answered' WHEN 19 THEN 'soft_bounced' WHEN 20 THEN 'keypress' WHEN 21 THEN 'asked_agent' WHEN 22 THEN 'in_doubt' WHEN 23 THEN 'no_answer' WHEN 24 THEN 'call_back' WHEN 32 THEN 'goal' WHEN 33 THEN 'cancelled' WHEN 34 THEN 'superseded' WHEN 35 THEN 'erased' WHEN 36 THEN 'anchor_cancelled' WHEN 37 THEN 'returned' END AS kind,
       f.kind IN (3, 4, 5, 6, 7, 20, 21) AS person,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', f.at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(f.at / 1000.0) */ AS at
  FROM facts f
  JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = f.step;

/* sqlite: DROP VIEW bi_daily; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_daily AS
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
       /* sqlite: sum(CASE WHEN s.holdout = 0 THEN s.value ELSE 0 END) * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(sum(CASE WHEN s.holdout = 0 THEN s.value ELSE 0 END) AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS revenue,
       /* sqlite: sum(CASE WHEN s.holdout = 0 THEN s.returned ELSE 0 END) * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(sum(CASE WHEN s.holdout = 0 THEN s.returned ELSE 0 END) AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS returned
  FROM (SELECT k.version_id, k.hour, k.runs, k.value, k.returned,
               /* sqlite: CAST(p.detail ->> '$[1]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 1 AS bigint) */ AS holdout,
               /* sqlite: CAST(p.detail ->> '$[2]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 2 AS bigint) */ AS outcome,
               /* sqlite: CAST(p.detail ->> '$[5]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 5 AS bigint) */ AS marks,
               /* sqlite: CAST(p.detail ->> '$[7]' AS INTEGER) */ /* postgresql: CAST(CAST(p.detail AS json) ->> 7 AS bigint) */ AS levels
          FROM course_counts k JOIN course_parts p ON p.id = k.part_id
         WHERE k.hours = 24 AND p.detail LIKE '["run",%') AS s
  JOIN versions v ON v.id = s.version_id
  JOIN cascades c ON c.id = v.cascade_id
  JOIN version_worth w ON w.version_id = s.version_id
 GROUP BY s.hour, c.slug, v.number, w.currency;
