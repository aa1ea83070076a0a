"""The benchmark of segments runs, and finds whom it must."""

from kaskad.bench.segments import run


def test_a_small_benchmark_finds_whom_it_must() -> None:
    report = run(200, 2_000, "", lambda text: None)
    found = {each.name: each.contacts for each in report.timed}
    assert found["unreachable"] == 20 and 0 < found["events of 90 days"] < found["last event"] + 200
    assert found["sum"] == found["events of 90 days"], "every purchase is of 100"
    assert 0 < report.days <= 2_000
