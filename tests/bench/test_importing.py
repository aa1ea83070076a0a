"""`kaskad bench import` on a small file: everybody in it is brought in, others get their turns meanwhile."""

from pathlib import Path

import pytest

from kaskad.actions import import_job
from kaskad.bench.importing import run
from kaskad.bench.table import import_table, show
from kaskad.domain.errors import Invalid, Unavailable


def test_everybody_of_the_file_is_brought_in_by_helpers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_job, "_LONG", 1_000)
    report = run(3_000, str(tmp_path / "bench.db"), False, lambda text: None)
    assert (report.new, report.rejected) == (3_000, 0)
    assert 0 < report.wait_p50_ms <= report.wait_p99_ms <= report.wait_max_ms
    assert "seconds for a million rows" in show(import_table(report))


def test_a_database_of_another_kind_is_refused_and_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid) as refused:
        run(10, "mysql://root@localhost/bench", False, lambda text: None)
    assert refused.value.problems[0].startswith("--db: must be a file or begin with postgresql:")
    assert not list(tmp_path.iterdir())


def test_people_who_are_not_brought_in_are_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kaskad.bench.importing.people", lambda rows: b"id\n1\n")
    with pytest.raises(Unavailable, match="1 of 100 people"):
        run(100, str(tmp_path / "bench.db"), True, lambda text: None)
