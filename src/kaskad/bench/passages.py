"""Passages through two cascades, made up by the database: money, goals, hold-outs, versions, reactions."""

from __future__ import annotations

from kaskad.domain.terms import Channel

CASCADE = """cascade: {slug}
title: {slug}
class: service
trigger: {{event: {slug}_begins}}
goal: {{event: purchase, within: 7d, value: amount}}
budget: {{total: 9000000000 KZT}}
holdout: 10%
steps:
  - id: letter
    channel: email
    success: clicked
    wait: {wait}
    variants:
      - {{id: plain, subject: News, text: "Hello {{{{ link('https://example.org') }}}}"}}
      - {{id: long, subject: News of the week, text: "Good day {{{{ link('https://example.org') }}}}"}}
  - {{id: chat, channel: telegram, text: Hello, wait: 1h}}
  - {{id: sms, channel: sms, text: Hello, wait: 1h}}
  - {{id: call, channel: robot_call, say: Hello, wait: 1h}}
"""
# The accounts that carried it, by id: channel, and the price of a message in minor units.
ACCOUNTS = {
    1: (Channel.EMAIL, 5), 2: (Channel.TELEGRAM, 20), 3: (Channel.SMS, 1400), 4: (Channel.ROBOT_CALL, 3000),
}  # fmt: skip

# One row a passage: nine of ten people enter the first cascade, one of ten the second, a third of those half
# an hour after the first; 20 % react at step 1, 40 % of the rest at 2, 50 % at 3. `d` and `e` are below 100.
_PASSAGES = """
{numbers}, p AS (
    SELECT i, h, g, 1 AS run, 1 AS cascade, CASE WHEN h % 197 > 60 THEN 1 ELSE 3 END AS version,
           {now} - (h % 197) * 86400000 - g % 86400 * 1000 AS entered FROM k WHERE h % 10 < 9
    UNION ALL
    SELECT i, h, g, 2, 2, 2,
           CASE WHEN i % 3 = 0 THEN {now} - (h % 197) * 86400000 - g % 86400 * 1000 + 1800000
           ELSE {now} - (g % 193) * 86400000 - h % 86400 * 1000 END FROM k WHERE g % 10 = 0
), q AS (
    SELECT i, h, g, run, cascade, version, entered, (h / 10 + g / 10) % 100 AS d, (h / 7 + g / 3) % 100 AS e,
           CASE WHEN (h + 3 * g) % 10 = 3 THEN 1 ELSE 0 END AS held FROM p
), r AS (
    SELECT i, h, g, run, cascade, version, entered, d, held,
           CASE WHEN held = 1 THEN -1 WHEN d < 20 THEN 0 WHEN d < 52 THEN 1 WHEN d < 76 THEN 2 ELSE 3 END
           AS far,
           CASE WHEN held = 0 AND d < 76 THEN 1 ELSE 0 END AS reacted,
           CASE WHEN held = 0 AND d BETWEEN 20 AND 22 THEN 1 ELSE 0 END AS late,
           CASE WHEN e < CASE WHEN held = 1 THEN 8 ELSE 12 END THEN 1 ELSE 0 END AS goal,
           CASE WHEN held = 0 AND g % 200 = 5 THEN 1 ELSE 0 END AS gone FROM q
), m AS (
    SELECT r.*, s.step, entered + s.step * 3600000 + 5000 AS at,
           CASE WHEN reacted = 1 AND s.step = CASE WHEN late = 1 THEN 0 ELSE far END THEN 1 ELSE 0 END
           AS here,
           CASE s.step WHEN 0 THEN 1 WHEN 1 THEN 2 WHEN 2 THEN 8 ELSE 9 END AS channel,
           CASE s.step WHEN 0 THEN 5 WHEN 1 THEN 20 WHEN 2 THEN 1400 ELSE 3000 END AS price,
           (g / 7 + s.step * 17) % 40 AS luck
      FROM r JOIN (SELECT 0 AS step UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) s
        ON s.step <= far
)
"""
RUNS = f"""
INSERT INTO runs (contact_id, id, seq, cascade_id, version_id, slot, due_at, entered_at, wake_at, finished_at,
                  outcome, outcome_step, phase, step, state, holdout, marks, value, late) {_PASSAGES}
SELECT i, run, 3, cascade, version, 0, entered, entered,
       CASE WHEN h % 197 = 0 THEN {{now}} + 86400000 END,
       CASE WHEN h % 197 > 0 THEN entered + (far + 1) * 3600000 END,
       CASE WHEN h % 197 = 0 THEN NULL WHEN goal = 1 THEN 1 WHEN gone = 1 THEN 5 WHEN reacted = 1 THEN 2
            WHEN held = 1 THEN 7 ELSE 3 END,
       CASE WHEN h % 197 > 0 AND (reacted = 1 OR gone = 1) THEN CASE WHEN late = 1 THEN 0 ELSE far END END,
       3, CASE WHEN far < 0 THEN 0 ELSE far END, CASE WHEN h % 197 = 0 THEN 1 ELSE 3 END, held,
       goal * 4294967296 + CASE WHEN gone = 1 THEN 8192 ELSE 0 END + reacted,
       CASE WHEN goal = 1 THEN 100000 + g % 900 * 100 END, late FROM r;
INSERT INTO messages (contact_id, run_id, step, channel, account_id, variant, price, cost, submitted_at,
                      sent_at, state, reason, mask) {_PASSAGES}
SELECT i, run, step, channel, step + 1, CASE WHEN step = 0 THEN g % 2 END, price,
       CASE WHEN step = 2 AND g % 50 = 0 THEN 1450 END, at, at + 900,
       CASE WHEN here = 1 THEN 5 WHEN luck = 0 THEN 7 WHEN luck = 1 THEN 10 WHEN step = 0 THEN 3 ELSE 4 END,
       CASE WHEN here = 0 AND luck = 0 THEN 1 END,
       2 + CASE WHEN here = 1 THEN CASE step WHEN 0 THEN 72 WHEN 1 THEN 20 WHEN 2 THEN 68 ELSE 1048612 END
                WHEN luck = 0 THEN 512 WHEN luck = 1 THEN 4096
                WHEN step = 0 THEN CASE WHEN luck < 8 THEN 8 ELSE 0 END
                ELSE 4 END + CASE WHEN gone = 1 AND step = far THEN 8192 ELSE 0 END FROM m;
INSERT INTO amounts (contact_id, run_id, step, at, kind, before, after) {_PASSAGES}
SELECT i, run, step, at + 60000, 2, 1400, 1450 FROM m WHERE step = 2 AND g % 50 = 0;
INSERT INTO message_bodies (contact_id, run_id, step, body) {_PASSAGES}
SELECT i, run, step, '{{{{"to":"+7900' || (1000000 + i) || '","text":"«Скидка» ' || (g % 90) ||
       ' % на всё до конца недели, ждём вас в наших магазинах: example.org"}}}}' FROM m
 WHERE step = 2 AND entered > {{now}} - 7776000000;  -- 90 days
INSERT INTO facts (contact_id, run_id, step, kind, at, event) {_PASSAGES}
SELECT i, run, step, CASE step WHEN 1 THEN 4 WHEN 3 THEN 5 ELSE 6 END, at + (60 + h % 3400) * 1000, 'r' FROM m
 WHERE here = 1;
INSERT INTO facts (contact_id, run_id, step, kind, at, event) {_PASSAGES}
SELECT i, run, step, 3, at + (30 + g % 3000) * 1000, 'o' FROM m
 WHERE step = 0 AND (here = 1 OR luck BETWEEN 2 AND 7);
INSERT INTO facts (contact_id, run_id, step, kind, at, event) {_PASSAGES}
SELECT i, run, step, 13, at + 3500000, 'u' FROM m WHERE gone = 1 AND step = far;
INSERT INTO facts (contact_id, run_id, step, kind, at, event) {_PASSAGES}
SELECT i, run, -1, 32, entered + (far + 1) * 3600000, 'g' FROM r WHERE goal = 1;
INSERT INTO addresses (contact_id, channel, value) {{numbers}}
SELECT i, 2, '' || (70000000 + i) FROM k WHERE h % 10 > 6;
UPDATE addresses SET changed_at = {{now}} - contact_id % 150 * 86400000
 WHERE health = 1 AND contact_id BETWEEN {{first}} AND {{last}};
"""
