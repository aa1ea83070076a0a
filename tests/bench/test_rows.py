"""The bare loop writes the rows that the engine's messages have."""

import pytest

from kaskad.bench import rows
from kaskad.bench.fates import Fates


@pytest.mark.parametrize("scattered", [False, True])
def test_everybody_goes_through_all_steps_until_they_react(monkeypatch, scattered):
    found = {}

    class Kept(rows.Rows):
        def run(self):
            report = super().run()
            with self._db.read() as tx:
                told = tx._connection.execute(
                    "SELECT outcome, count(*) FROM runs GROUP BY outcome"
                ).fetchall()
                steps = tx._connection.execute("SELECT step, count(*) FROM messages GROUP BY step").fetchall()
            found.update(runs=told, steps=dict(steps))
            return report

    monkeypatch.setattr(rows, "Rows", Kept)
    report = rows.run(300, "", 70, scattered)
    fates = Fates(300, 1, (20, 50))
    due, live = {}, list(range(1, 301))
    for step in range(4):
        due[step] = len(live)
        live = [one for one in live if fates.fails(one, step) or not fates.reacts(one, step)]
    assert found == {"runs": [(2, 300)], "steps": due} and report.messages == sum(due.values())
    assert report.cpu_us > 0 and set(report.statements) > {"submit_runs", "put_facts", "commit"}
