"""Pictures in the terminal: bars, whiskers, sparklines, as wide as the terminal is."""

from types import SimpleNamespace

import pytest
import typer

from kaskad.analytics.reach import Line
from kaskad.cli import report, root
from kaskad.cli.screens.funnel import UNTOLD, funnel, over_days
from kaskad.cli.screens.plots import Bar, around_zero, chart, columns, filled, sparkline
from kaskad.cli.screens.scatter import scatter

STEPS = [
    Bar("arrive", 1_000, "1,000", "letter", (1_000, 1_000)),
    Bar("react", 200, "200", "", (100, 400)),
    Bar("arrive", 0, "0", "a-step-with-a-very-long-name", (0, 0)),
    Bar("react", 1, "1"),
]


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_chart_is_as_wide_as_the_terminal_and_tells_each_bar_to_one_scale(width):
    lines = chart(STEPS, width=width)
    assert max(map(len, lines)) == width, "the longest bar reaches to its number"
    assert all(len(line) <= width for line in lines)
    begins = lines[0].index("█")
    room = lines[0].rindex("█") + 1 - begins
    assert lines[0].startswith("letter") and lines[0][begins : begins + room] == "█" * room
    low, at, high = (lines[1].index(sign) - begins for sign in "├┼┤")
    assert [round((room - 1) * share) for share in (0.1, 0.2, 0.4)] == [low, at, high]
    assert lines[1][begins : begins + low] == "█" * low, "what is sure is filled"
    assert ("…" in lines[2]) == (width < 100) and lines[2].endswith("0")
    assert "▏" in lines[3], "one of a thousand can be seen"


def test_the_scale_may_end_beyond_the_largest_bar_and_instants_are_not_filled():
    half = chart([Bar("", 500, "500")], top=1_000, width=40)[0]
    assert half.count("█") == round((40 - 3 - 3) / 2) and chart([Bar("", 0, "0")], width=40)
    when = chart([Bar("all", 60, "60 s", between=(50, 100), filled=False)], width=40)[0]
    assert "█" not in when and "├─" in when and chart([]) == []


def test_texts_without_room_behind_their_bars_stand_below_them():
    bars = [Bar(what, 60, "3 d 06:45 (1 d 09:17 to 3 d 17:04)") for what in ("half", "nine of ten")]
    lines = chart(bars, width=40)
    assert [line.strip() for line in lines[1::2]] == [bars[0].text] * 2
    assert max(map(len, lines)) == 40 and lines[0].endswith("█") and len(chart(bars, width=60)) == 2


def test_bars_fill_to_an_eighth_of_a_cell():
    assert [filled(share, 2) for share in (0, 0.001, 1 / 16, 0.5, 0.75, 1, 9)] == [
        "  ", "▏ ", "▏ ", "█ ", "█▌", "██", "██",
    ]  # fmt: skip


def test_a_sparkline_adds_up_what_has_no_column_of_its_own():
    assert sparkline([0, 1, 4, 8], 10) == (" ▁▄█", 1, 8)
    assert sparkline([0, 0, 1, 1000, 0], 2) == ("▁█", 3, 1000)
    assert sparkline([], 10) == ("", 1, 0) and sparkline([0, 0], 10) == ("  ", 1, 0)


def test_a_line_is_never_wider_than_can_be_read(monkeypatch):
    for told, wide in (("20", 40), ("66", 66), ("300", 100)):
        monkeypatch.setenv("COLUMNS", told)
        assert columns() == wide


def test_an_interval_around_zero_keeps_zero_in_the_middle():
    assert around_zero(-1, 1, 1, 5) == "├─┼─┤" and around_zero(0.5, 1, 1, 5) == "  │├┤"


def reported(*lines):
    return SimpleNamespace(entered=2_000, lines=list(lines))


def test_the_funnel_tells_of_each_step_how_far_its_messages_came():
    letter = Line(0, "letter", "email", sent=2_000, delivered=1_900, arrived=1_900, seen=600, reacted=150)
    for width in (40, 80):
        drawn = funnel(reported(letter, Line(1, "chat", "telegram"), Line(2, "sms", "sms", sent=9)), width)
        assert all(len(each) <= width for each in drawn) and len(drawn) == 9
        words = [each.replace("█", "").split() for each in drawn]
        assert [each[-1] for each in words[1:5]] == ["100%", "95%", "30%", "8%"]
        assert [each[-2] for each in words[1:5]] == ["2,000", "1,900", "600", "150"]
        bars = [each.count("█") for each in drawn]
        assert bars[0] == bars[1] > bars[2] > bars[3] > bars[4] >= bars[8] == 0
        assert not any("chat" in each for each in drawn), "nothing was sent there"
    assert funnel(reported(), 80) == [] and funnel(SimpleNamespace(entered=0, lines=[letter]), 80) == []


def test_the_funnel_says_what_has_arrived_where_deliveries_are_not_told():
    told = Line(0, "sms", "sms", sent=10, delivered=9, arrived=9)
    assert UNTOLD not in funnel(reported(told), 80)
    assert funnel(reported(told, Line(1, "letter", "email", sent=10, arrived=9)), 80)[-1] == UNTOLD


def day(number, sent=0, reacted=0, **cost):
    return {"day": f"2026-11-{number:02}", "sent": sent, "reacted": reacted, "failed": 0, "cost": cost}


def test_days_are_drawn_from_the_first_on_which_something_was_sent():
    told = [day(1), day(2, 100, 5, KZT=150_000), day(3), day(4, 50, 0, KZT=1), day(5)]
    head, *lines = over_days(told, 80)
    assert head == "All messages by the day of sending, 02 Nov to 05 Nov:"
    assert lines == [
        "sent    █ ▄", "        at most 100", "reacted █", "        at most 5", "cost    █ ▁",
        "        at most ₸1,500",
    ]  # fmt: skip
    assert over_days([day(1), day(2, 9)], 80) == [] == over_days([], 80)
    long = over_days([day(1, 3)] * 100, 40)
    assert long[0].endswith("4 days a bar:") and all(len(each) <= 40 for each in long[1:])


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("2026-11-25", None, 25, 27), ("20261125", None, 25, 27), ("2026-W48-3", None, 25, 27),
        (None, "2026-11-27", 20, 26), (None, "2026-11-27T15:00", 20, 27),
        ("2026-11-24T20:00:00+00:00", "2026-11-25T20:00:00+00:00", 25, 26),
    ],
)  # fmt: skip
def test_the_days_that_are_drawn_are_those_the_report_is_of(since, until, first, last):
    answers = {"/policy": {"zone": "Asia/Almaty"}, "/cascades/x/report/days": [day(n) for n in range(20, 28)]}
    client = SimpleNamespace(get=lambda path, **query: answers[path])
    among = {"segment": None, "version": None, "since": since, "until": until}
    found = report._days(client, {"cascade": "x", "as_of": "2026-11-27T16:00:00+00:00"}, among)
    assert [one["day"][-2:] for one in found] == [f"{n:02}" for n in range(first, last + 1)]


def test_points_lie_within_the_width_that_there_is():
    lines = scatter([(0, 0, "·"), (1, 1, "●")], "a to b", "reach", width=30)
    assert max(map(len, lines)) == 33 and lines[1].endswith("●") and lines[1].index("●") == 32
    assert len(lines) == 5 + 3, "few points need few lines"
    assert len(scatter([(at, at, "·") for at in range(40)], "a to b", "reach")) == 14 + 3


def test_who_wants_no_colour_gets_none(monkeypatch, capsys):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(root._root)
    app.command("say")(lambda: typer.secho("wrong", fg="red", color=None))
    monkeypatch.setattr(root, "_command", lambda: typer.main.get_command(app))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for wanted, said in (("", "\x1b[31mwrong\x1b[0m\n"), ("1", "wrong\n")):
        monkeypatch.setenv("NO_COLOR", wanted)
        assert root.run(["say"]) == 0
        assert capsys.readouterr().out == said
