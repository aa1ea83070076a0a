"""What figures look at besides runs: forecasts of launches, a trial, a control group, mails complained of."""

from __future__ import annotations

import msgspec
from msgspec import structs

from kaskad.actions.forecast import Expected
from kaskad.domain.policy import ControlGroup, Policy
from kaskad.domain.terms import Kind
from kaskad.domain.trials import Arm
from kaskad.planning.forecast import Range
from kaskad.store import held_shares, settings, trials
from kaskad.store.db import Database, Transaction

DAY_MS = 86_400_000
LAUNCHES = 20  # with a forecast, nine days apart: as many as are compared
BEGAN_DAYS = 150  # ago, the trial
SHARES = ((300, 200), (500, 50))  # of 10 000 in the control group, since so many days ago
_FIGURES = ("entered", "reached", "silent", "messages", "converted")
# One mail in a thousand is reported as spam, an hour after it was submitted.
_COMPLAINTS = f"""
INSERT INTO facts (contact_id, run_id, step, kind, at, event)
SELECT contact_id, run_id, step, {Kind.COMPLAINED}, submitted_at + 3600000, 'spam' FROM messages
 WHERE channel = 1 AND submitted_at IS NOT NULL AND contact_id % 1000 = 7
    ON CONFLICT DO NOTHING;
UPDATE messages SET mask = mask | {Kind.COMPLAINED.bit}
 WHERE channel = 1 AND submitted_at IS NOT NULL AND contact_id % 1000 = 7;
UPDATE runs SET marks = marks | {Kind.COMPLAINED.bit}
 WHERE contact_id % 1000 = 7
   AND EXISTS (SELECT 1 FROM messages m WHERE m.contact_id = runs.contact_id AND m.run_id = runs.id
                  AND m.channel = 1 AND m.submitted_at IS NOT NULL);
INSERT INTO due_runs (keys)
SELECT '[' || contact_id || ',' || id || ']' FROM runs WHERE contact_id % 1000 = 7;
"""


def furnish(db: Database, now: int) -> None:
    """Add all of it to a database that holds the passages; where it is there already, change nothing."""
    with db.write() as tx:
        _hold_out(tx, now)
        if trials.of_cascade(tx, 1):
            return
        _launches(tx, now)
        number = trials.begin(tx, 1, 1, None, "the benchmark", now - BEGAN_DAYS * DAY_MS)
        trials.put_arms(tx, number, [Arm(3, ((0, 3_000),))], now - BEGAN_DAYS * DAY_MS)
        tx.script(_COMPLAINTS)


def _hold_out(tx: Transaction, now: int) -> None:
    """Begin a control group of all advertising, whose share was another one before."""
    policy = settings.get(tx, held_shares.POLICY, Policy) or Policy()
    if policy.control.event:
        return
    for share, days in SHARES:
        group = ControlGroup(share=share, event="purchase", value="amount")
        held_shares.put_policy(tx, structs.replace(policy, control=group), now - days * DAY_MS)


def _launches(tx: Transaction, now: int) -> None:
    """Add launches that are over, each with the forecast of thirty thousand people."""
    told = dict.fromkeys(_FIGURES, Range(10_000.0, 40_000.0))
    expected = Expected(
        "everybody", 30_000, 1_000, 3_000, (), 23_000, 0.76, 7_000, 70_000, {"KZT": 40_000_000}, {}, {},
        3_500, told, {"KZT": Range(3e7, 5e7)}, (), "own",
    )  # fmt: skip
    forecast = msgspec.json.encode(expected).decode()
    for number in range(1, LAUNCHES + 1):
        began = now - (LAUNCHES + 1 - number) * 9 * DAY_MS
        tx.script(
            "INSERT INTO launches (id, version_id, started_at, enrolled, state, size, audience, forecast)"
            f" VALUES ({number}, 1, {began}, 30000, 'done', 30000, 'everybody', '{forecast}')"
        )
