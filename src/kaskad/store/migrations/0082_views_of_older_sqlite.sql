-- Views that SQLite before 3.44 reads too, that of Python on Debian 12 among others: it knows no concat().

/* sqlite: DROP VIEW bi_contacts; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_contacts AS
SELECT 'con_' || c.id AS contact, /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', c.created_at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(c.created_at / 1000.0) */ AS created_at, c.language, c.country, c.zone,
       c.tracking <> 0 AS tracking, c.seed <> 0 AS seed, c.erased_at IS NOT NULL AS erased
  FROM contacts c;

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
       /* sqlite: r.value * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(r.value AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS value,
       /* sqlite: r.returned * 1.0 / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(r.returned AS numeric) / (CASE WHEN w.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN w.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS returned
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
       /* sqlite: m.price * 1.0 / (CASE WHEN (a.prices ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (a.prices ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST(m.price AS numeric) / (CASE WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS price,
       /* sqlite: (coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)) * 1.0 / (CASE WHEN (a.prices ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (a.prices ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ /* postgresql: CAST((coalesce(m.spent, 0) + coalesce(m.cost, CASE WHEN m.state IN (3, 4, 5, 7, 8, 9, 10) THEN m.price ELSE 0 END)) AS numeric) / (CASE WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 1 WHEN (CAST(a.prices AS json) ->> 'currency') IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 1000 ELSE 100 END) */ AS cost
  FROM messages m
  JOIN runs r ON r.contact_id = m.contact_id AND r.id = m.run_id
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN accounts a ON a.id = m.account_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = m.step;

/* sqlite: DROP VIEW bi_reactions; */
CREATE /* postgresql: OR REPLACE */ VIEW bi_reactions AS
SELECT 'run_' || f.contact_id || '_' || f.run_id AS run, 'con_' || f.contact_id AS contact, c.slug AS cascade,
       v.number AS version, f.step, n.id AS step_id, CASE f.kind WHEN 1 THEN 'sent' WHEN 2 THEN 'delivered' WHEN 3 THEN 'opened' WHEN 4 THEN 'read' WHEN 5 THEN 'answered' WHEN 6 THEN 'clicked' WHEN 7 THEN 'replied' WHEN 8 THEN 'rejected' WHEN 9 THEN 'failed' WHEN 10 THEN 'bounced' WHEN 11 THEN 'expired' WHEN 12 THEN 'unknown' WHEN 13 THEN 'unsubscribed' WHEN 14 THEN 'complained' WHEN 15 THEN 'machine_opened' WHEN 16 THEN 'machine_clicked' WHEN 17 THEN 'suspected_clicked' WHEN 18 THEN 'machine_answered' WHEN 19 THEN 'soft_bounced' WHEN 20 THEN 'keypress' WHEN 21 THEN 'asked_agent' WHEN 22 THEN 'in_doubt' WHEN 23 THEN 'no_answer' WHEN 24 THEN 'call_back' WHEN 32 THEN 'goal' WHEN 33 THEN 'cancelled' WHEN 34 THEN 'superseded' WHEN 35 THEN 'erased' WHEN 36 THEN 'anchor_cancelled' WHEN 37 THEN 'returned' END AS kind,
       f.kind IN (3, 4, 5, 6, 7, 20, 21) AS person,
       /* sqlite: strftime('%Y-%m-%dT%H:%M:%fZ', f.at / 1000.0, 'unixepoch') */ /* postgresql: to_timestamp(f.at / 1000.0) */ AS at
  FROM facts f
  JOIN runs r ON r.contact_id = f.contact_id AND r.id = f.run_id
  JOIN cascades c ON c.id = r.cascade_id
  JOIN versions v ON v.id = r.version_id
  LEFT JOIN step_names n ON n.version_id = r.version_id AND n.step = f.step;
