"""The benchmark of segments runs, and finds whom it must."""

from kaskad.bench.segments import ASKED, run


def test_a_small_benchmark_finds_whom_it_must() -> None:
    report = run(200, 2_000, "", lambda text: None)
    found = {each.name: each.contacts for each in report.timed}
    assert found.keys() == {name for name, _ in ASKED}
    assert found["attribute"] < found["attribute in a list"] < 200
    assert found["events of 90 days"] < found["events ever"]
    assert found["unreachable"] + found["reach"] < 200 and 0 < report.columns_bytes < report.bytes
