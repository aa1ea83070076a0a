"""Tables in the terminal: columns where they fit, else rows that stand by themselves."""

import io

import pytest
from rich.console import Console

from kaskad.analytics.calibration import Held, calibration
from kaskad.cli import backtest, forecast, optimize, uplift
from kaskad.cli.screens.output import table
from kaskad.cli.screens.prose import tell
from kaskad.cli.screens.tables import Figures
from kaskad.web.api.forecasts import CalibrationView

HEAD = ("STEP", "ARRIVE", "MESSAGES", "COST", "PASSED OVER", "")
PLOT = "      ├─────●────┤      "
ROWS = [
    ("letter", 1_000, "1000 (980 to 1020)", "12 000 KZT", "no address 12, no consent 300", PLOT),
    ("chat", 80, "650 (600 to 700)", None, "", ""),
]


def test_a_table_that_fits_has_its_columns_and_numbers_stand_at_the_right():
    lines = table(HEAD, ROWS, 120).split("\n")
    assert len(lines) == 3 and lines == table(HEAD, ROWS, 1_000).split("\n")
    assert lines[2].index("80") + 2 == lines[1].index("1000") + 4


def test_what_goes_to_a_program_is_never_broken(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    long = [("x", "a b " * 500)]
    assert table(("A", "B"), long) == f"A  B\nx  {'a b ' * 500}".rstrip()
    monkeypatch.setenv("COLUMNS", "30")
    assert "\n" in table(("A", "B"), [("x", "a b " * 20)]).partition("x")[2]


def test_sentences_are_broken_between_words_and_long_words_stay_whole(monkeypatch, capsys):
    url = f"https://example.org/{'x' * 40}"
    text = f"Written to it, and what it changes can be seen at once:\n  at {url}, by two-edged words."
    monkeypatch.setenv("COLUMNS", "40")
    tell(text)
    shown = capsys.readouterr().out
    assert shown.split() == text.split()
    assert all(len(line) <= 40 or line.strip() == f"{url}," for line in shown.splitlines())
    assert [line[:2] for line in shown.splitlines()[2:]] == ["  "] * 3
    monkeypatch.delenv("COLUMNS")
    tell(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_columns_that_say_nothing_go_first():
    rows = [("letter", "950 (941 to 958)", "", None), ("chat", "760 (555 to 934)", "", None)]
    head = ("STEP", "ARRIVE", "COST", "PASSED OVER")
    assert "PASSED OVER" in table(head, rows, 60)
    assert table(head, rows, 30).split("\n")[0].split() == ["STEP", "ARRIVE"]


def test_texts_are_broken_between_words_and_neither_a_range_nor_a_picture_is():
    shown = table(HEAD, ROWS, 94)
    lines = shown.split("\n")
    assert max(map(len, lines)) <= 94 and len(lines) > 3 and lines[0].startswith("STEP")
    assert "(980 to 1020)" in shown and PLOT.rstrip() in shown
    assert "letter" in lines[1] and lines[1].split()[1] == "1000", "numbers stand whole"


@pytest.mark.parametrize("width", [40, 60])
def test_where_columns_cannot_fit_each_row_stands_by_itself(width):
    lines = table(HEAD, ROWS, width).split("\n")
    assert max(map(len, lines)) <= width
    assert [line for line in lines if not line.startswith(" ")] == ["letter", "chat"]
    assert [line.split() for line in lines[1:3]] == [
        ["ARRIVE", "1000"], ["MESSAGES", "1000", "(980", "to", "1020)"],
    ]  # fmt: skip
    assert any(line.strip() == PLOT.strip() for line in lines), "what has no name stands without one"
    ways = table(
        ("FROM", "TO", "PEOPLE"), [("letter", "end: responded", "190 (14 to 391), or more")], 30, names=2
    )
    assert ways.split("\n")[0] == "letter → end: responded"
    chat = lines[lines.index("chat") + 1 :]
    assert [line.split()[0] for line in chat] == ["ARRIVE", "MESSAGES"], "what is empty is not said"


def test_rows_that_are_compared_keep_their_columns_in_tables_below_one_another():
    head = ("Messages", "sent", "delivered", "seen", "reacted", "cost", "why")
    rows = [(f"step {n} (email)", n, 9, 5, 2, "₸120", "no consent 300, no address 12") for n in (7, 12, 100)]
    lines = table(head, rows, 46, compared=True).split("\n")
    assert max(map(len, lines)) <= 46 and [lines[at] for at in (4, 9)] == ["", ""]
    assert [lines[at].split() for at in (0, 5, 10)] == [
        [*head[:4]],
        [head[0], *head[4:6]],
        [head[0], head[6]],
    ]
    assert [lines[at].split()[3] for at in (1, 2, 3)] == ["7", "12", "100"], "each row where it was"
    assert lines[1].index("7  ") == lines[3].rindex("100") + 2, "numbers stand at the right"
    assert lines[11].startswith("step 7 (email)") and lines[12].strip() == "12", (
        "texts are broken as elsewhere"
    )
    assert table(head, rows[:2], 46, compared=True) == table(head, rows[:2], 46), "two are read one by one"
    assert table(head, rows, 24, compared=True) == table(head, rows, 24), "no room for a name and a column"


def test_amounts_and_shares_stand_at_the_right_as_numbers_do():
    rows = [("sms", "₸4,110", "18.5%", "14.5 KZT", "2026-12-01"), ("chat", "₸0", "", "-₸1,200.50", "3 d")]
    lines = table(("STEP", "COST", "REACT", "BY", "LAST"), rows, 100).split("\n")
    assert lines[0].index("COST") + 4 == lines[1].index("₸4,110") + 6 == lines[2].index("₸0") + 2
    assert lines[1].index("18.5%") == lines[0].index("REACT"), "a gap is no word"
    assert lines[1].index("14.5 KZT") + 8 == lines[2].index("-₸1,200.50") + 10
    assert lines[2].index("3 d") == lines[0].index("LAST"), "days and spans are texts"


def test_what_holds_for_several_waits_is_said_once(capsys):
    why = "say what a reached person is worth"
    waits = [{"step": f"step{n}", "wait_hours": 6, "proposed_hours": None, "people": 9, "reactions": n,
              "why": why if n < 3 else "nothing follows it"} for n in range(4)]  # fmt: skip
    optimize._print_waits({"waits": waits})
    told = capsys.readouterr().out
    assert told.count(why) == 1 and f"step0, step1, step2: {why}." in told
    assert "nothing follows it" in told.partition(why)[0], "what is of one step stands beside it"


def test_figures_that_rest_on_no_people_of_ones_own_are_called_alike(capsys):
    ranges = {key: {"low": 1, "high": 12} for key in ("arrived", "messages", "reacted")}
    step = {
        "step": "chat", "channel": "telegram", "open": 1.0, "rate": 0.2, "seen": 0, "price": None,
        "each_reached": None, "keeps": None, "fixed": "", "arrived": 10, "messages": 10, "reacted": 2,
        "cost": {}, "passed": {}, "ranges": ranges,
    }  # fmt: skip
    for printed in (optimize._print_steps, forecast._print_steps):
        printed({"steps": [step], "basis": "own", "currency": "KZT"})
        assert "others" in capsys.readouterr().out, (
            "of other cascades, and where they say little, of the field"
        )


def test_a_picture_without_room_is_left_out_and_a_long_word_still_ends_in_the_terminal():
    shown = table(("", "A"), [("x", "─" * 60), ("y", "w" * 100)], 30)
    assert "─" not in shown and shown.count("w") == 100
    assert all(len(line) <= 30 for line in shown.split("\n"))


def test_the_report_of_a_narrow_terminal_says_every_figure():
    head = ("Messages", "sent", "delivered", "seen", "reacted", "cost")
    figures = Figures(head, [("letter (email)", 12, 9, 5, 2, "₸120"), ("all", 12, 9, 5, 2, "₸120")], True)
    shown = {}
    for width in (40, 80):
        out = Console(file=io.StringIO(), width=width)
        out.print(figures)
        shown[width] = [line.rstrip() for line in out.file.getvalue().split("\n")]
    assert shown[40][:3] == ["letter (email)", "  sent       12", "  delivered  9"]
    assert shown[40][6] == "all"
    assert shown[80][1].split() == ["letter", "(email)", "12", "9", "5", "2", "₸120"]


def test_no_figure_is_cut_short_on_a_narrow_terminal():
    head = ("Messages", "sent", "delivered", "opened", "clicked", "of opened", "goal", "opted out", "spam")
    rows = [
        (f"step{n} (robot_call)", 79, "74.7 %", "-", "54.2 %", "-", "27.6 %", "0.4 %", "0.0 %") for n in "abc"
    ]
    for width in (50, 80):
        out = Console(file=io.StringIO(), width=width)
        out.print(Figures(head, rows, True, space=1))
        told = out.file.getvalue()
        assert "…" not in told and told.count("27.6 %") == 3 and max(map(len, told.split("\n"))) <= width


def test_what_an_interval_means_stands_above_it_where_there_is_no_room_beside(monkeypatch, capsys):
    group, interval = {"people": 265, "hits": 72, "rate": 0.27}, {"low": -0.1657, "high": 0.3282}
    told = {
        "treated": group,
        "control": group,
        "difference": 0.1,
        "between": interval,
        "at_any_look": interval,
    }
    for width, lines in ((80, 2), (140, 1)):
        monkeypatch.setenv("COLUMNS", str(width))
        uplift.print_effect(told, "treated", False)
        shown = capsys.readouterr().out.partition("Difference")[2].splitlines()[1:]
        assert len(shown) == 2 * lines and max(map(len, shown)) <= width
        assert "one look, fixed beforehand: not shown" in shown[0] and "+32.82" in shown[lines - 1]


def test_a_backtest_keeps_its_columns_and_its_pictures_at_80(monkeypatch, capsys):
    cost = {"figure": "cost", "currency": "KZT", "expected": 317_588, "happened": 216_615, "held": True,
            "between": {"low": 207_827, "high": 417_624}}  # fmt: skip
    told = {"cascade": "sale", "audience": "list all", "started_at": "2026-11-28T15:33:00", "over": True,
            "under_way": 0, "version": None, "versions": [], "figures": [cost],
            "uncounted": ["budgets", "dates"], "again": True}  # fmt: skip
    monkeypatch.setenv("COLUMNS", "80")
    backtest._print(told)
    _, head, first, second, *last = capsys.readouterr().out.rstrip().split("\n")
    assert head.split() == ["FIGURE", "EXPECTED", "8", "OF", "10", "HAPPENED"] and len(first) <= 80
    assert "├●──────────┤" in first and first.endswith("in the range") and second.strip() == "₸4,176.24"
    assert last[0].startswith("Made again, as the first to enter had told") and last[1].endswith("after it.")
    assert last[2] == "Budgets are not counted for these people, as they stand for others."
    assert "it is not counted for whom they come too late" in " ".join(last[1:])


def told_of(capsys, launches):
    """Return the lines that a backtest says of these launches."""
    whole = CalibrationView.model_validate(calibration(launches), from_attributes=True)
    backtest._print_calibration(whole.model_dump(mode="json"))
    return capsys.readouterr().out.rstrip().split("\n")


def test_a_backtest_tells_on_which_side_figures_miss(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    launch = [Held("reached", 90, 110, 80), Held("cost", 5, 6, 7), Held("silent", 5, 6, 7)]
    less, more, why = told_of(capsys, [launch] * 10)[-3:]
    assert less == "Reached: less came than expected, again and again; count with less."
    assert more == "Cost, silent: more came than expected, again and again; count with more."
    assert why.startswith("Older weeks count less in forecasts")


def test_a_backtest_tells_what_is_left_out_and_what_is_not(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    certain, missed = Held("entered", 9, 9, 9), Held("converted", 0, 0, 3)
    *_, share, _, out = told_of(capsys, [[certain, missed]])
    assert share.startswith("0 of 1 figures of 1 launch or week that is over lie in their range (0%")
    assert out.startswith(
        "Left out: 1 figure that came exactly as was certain beforehand. What was certain and"
    )
    assert told_of(capsys, [[certain]])[0].endswith("came so: nothing to tell yet.")
    assert "Left out" not in " ".join(told_of(capsys, [[missed]]))
