"""`kaskad bench ingest` on a small load: every receipt that was answered is found again."""

from pathlib import Path

import pytest

from kaskad.bench import ingest
from kaskad.bench.ingest import Work, run
from kaskad.bench.table import ingest_table, show


@pytest.mark.long
def test_300_webhooks_and_their_batches_are_answered_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "ingest.db"
    report = run(Work(webhooks=300, batch=20, connections=8, db=str(file)))
    assert (report.lost, report.refused) == (0, 0)
    assert report.webhooks_per_s > 0
    assert report.receipts_per_s > 0
    assert 0 < report.p50_ms <= report.p99_ms
    assert "webhooks/s" in show(ingest_table(report))


def test_what_was_answered_and_is_not_in_the_database_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ingest._lost
    invented = (1, 1, 2, "an event that nobody kept")
    monkeypatch.setattr(ingest, "_lost", lambda place, answered: real(place, [*answered, invented]))
    assert run(Work(webhooks=100, connections=4, db=str(tmp_path / "ingest.db"))).lost == 1
