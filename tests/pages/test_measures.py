"""All figures of a cascade on their page: chosen by step, explained in the reader's language, as a file."""

from kaskad.cli import customers, figures
from kaskad.domain.measures import OF_MONEY, OF_RUNS


def test_every_figure_is_there_with_what_it_counts(visit, site):
    with site.client("viewer") as client:
        text = client.get("/cascades/news/figures?lang=en").text
        for one in (*OF_RUNS.values(), *OF_MONEY.values()):
            assert one.says.split(",")[0].replace("’", "&#39;") in text, one.called
        assert "No figures yet" not in text
        chosen = client.get("/cascades/news/figures?lang=en&step=letter&channel=nothing").text
        assert "figures.csv?step=letter" in chosen
        file = client.get("/cascades/news/figures.csv?step=letter")
        assert file.status_code == 200 and "reach_seen" in file.text
    for theme, width in (("light", "wide"), ("dark", "phone")):
        looked = visit("viewer", language="ru", theme=theme, width=width)
        looked.goto("/cascades/news/figures")
        looked.shoot(f"figures {width}")
        assert looked.axe() == [] and not looked.overflows()


def test_the_terminal_tells_what_the_api_does(site, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    told = site.api.get("/cascades/news/figures?step=letter")
    assert {row["step"] for row in told["rows"]} <= {"letter"} and told["entered"] >= 2
    figures._print(told)
    shown = capsys.readouterr().out
    assert (
        "Cost for each who entered" in shown and "…" not in shown and max(map(len, shown.split("\n"))) <= 100
    )
    told["rates"]["cr_entered"] = {"part": 53, "whole": 176, "share": 0.3}
    told["rates"]["cr_holdout"] = {"part": 0, "whole": 4, "share": 0.0}
    figures._print({**told, "goal_gain": 0.3})
    assert "not shown" in capsys.readouterr().out  # four people held out prove nothing
    refused = site.api.call("GET", "/cascades/news/figures?step=nothing")
    assert refused.status_code == 422 and "There is no step" in refused.text
    refused = site.api.call("GET", "/cascades/news/figures?since=tomorrow")
    assert refused.status_code == 422 and "such as 2026-11-26T00:00:00Z" in refused.text
    assert all(one["complaints"]["part"] == 0 for one in site.api.get("/complaints")["items"])
    found = site.api.get("/customers?event=bought_here&margin=0.3")
    assert (found["customers"], found["retention"], found["ltv"]) == (0, None, None)
    month = {"begins_at": "2026-10-01", "at_start": 4, "kept": 1, "new": 2, "won_back": 0, "buyers": 3,
             "amount": 9.5, "retention": 0.25}  # fmt: skip
    told = {
        "customers": 5,
        "revenue": 500.0,
        "ltv": 30.0,
        "churn": 0.75,
        "retention": 0.25,
        "periods": [month],
    }
    customers._print({**found, **told})
    assert "Worth of a customer to date 30.00" in capsys.readouterr().out
