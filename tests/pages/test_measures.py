"""All figures of a cascade on their page: chosen by step, explained in the reader's language, as a file."""

from datetime import UTC, datetime, timedelta

from rich.console import Console

from kaskad.cli import customers, figures
from kaskad.domain.measures import OF_MONEY, OF_RUNS
from support.counted import counting_held
from support.faults import until


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


def test_a_file_that_takes_long_is_offered_once_it_is_there(visit, monkeypatch):
    eyes = visit("viewer", language="en")
    with counting_held(monkeypatch) as there:
        page = eyes.goto("/cascades/news/figures.csv?step=letter")
        page.wait_for_selector("text=Being counted")
        there.set()
        page.wait_for_selector("text=The file is there")  # by itself
        assert not eyes.axe()
        with page.expect_download() as told:
            page.get_by_role("link", name="Download").click()
    assert told.value.suggested_filename == "news-figures.csv"
    assert "reach_seen" in told.value.path().read_text()


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
    told = site.api.get("/complaints/mailboxes")
    assert [(one["service"], one["sent"], one["tells"]) for one in told["services"]] == [("others", 1, True)]
    assert [one["domain"] for one in told["domains"]] == ["email.example.org"]
    figures._by_mailbox(told, Console())
    assert "example.org" in (shown := capsys.readouterr().out) and "postmaster.google.com" in shown
    with site.client("viewer") as client:
        assert "are being counted" in client.get("/channels/complaints?lang=en").text
        page = client.get("/channels/complaints?lang=en&look_now=yes").text
        assert "example.org" in page and "By mailbox service" in page
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


def test_customers_are_told_of_by_period_cohort_segment_and_score(visit, site):
    with site.client("viewer") as client:
        empty = client.get("/customers?lang=en").text
        assert (
            "Nobody has bought yet" in empty and "POST /api/v1/events" in empty and "purchase, order" in empty
        )
    now = datetime.fromtimestamp(site.service.office.now() / 1000, UTC)
    month = now.replace(day=15, hour=12)
    bought = [("ann", 3, 100), ("ann", 2, 50), ("ann", 1, 70), ("bob", 3, 40), ("bob", 1, 1000)]
    site.api.post("/events", [
        {"id": f"o{place}", "name": "purchase", "contact": {"external_id": who},
         "at": at(month, ago).isoformat(), "properties": {"amount": amount}}
        for place, (who, ago, amount) in enumerate(bought)
    ])  # fmt: skip
    until(lambda: site.api.get("/customers")["revenue"] == 1260, 30)  # they are durable at once
    site.api.put("/rfm", {"events": ["purchase"]})  # all of them are in the scores
    told = site.api.get("/customers?margin=0.5&segment=champions&segment=lost")
    assert (told["customers"], told["revenue"], told["ltv"]) == (2, 1260, 315)
    assert [(one["after"], one["active"], one["of"]) for one in told["curve"]] == [(1, 1, 2), (2, 2, 2)]
    assert [one["segment"] for one in told["segments"]] == ["champions", "lost"]
    assert sum(one["customers"] for one in told["rfm"]) == 2
    assert sum(one["amount"] for one in told["rfm"]) == 1260
    since = at(month, 2).replace(day=1).date()
    few = site.api.get(f"/customers?since={since}")
    assert len(few["periods"]) == 2 and few["cohorts"] == [] and few["revenue"] == 1260
    refused = site.api.call("GET", "/customers?margin=3&since=2026-05-01&until=2026-04-01")
    assert refused.status_code == 422 and "ends before it begins" in refused.text
    with site.client("viewer") as client:
        page = client.get("/customers?lang=en&margin=50&segment=lost").text
        assert "RUB" not in page and 'value="lost" checked' in page.replace("  ", " ")
        assert "Write a percentage" in client.get("/customers?lang=en&margin=much").text
        assert "315" in page  # what a customer has brought, of half of it
    for theme, width, language in (("light", "wide", "ru"), ("dark", "phone", "en")):
        looked = visit("viewer", language=language, theme=theme, width=width)
        page = looked.goto("/customers?margin=50")
        page.wait_for_selector("#grid svg")
        looked.shoot(f"customers {width}")
        assert looked.axe() == [] and not looked.overflows()


def at(month: datetime, ago: int) -> datetime:
    """Return the middle of the month so many months before."""
    for _ in range(ago):
        month = (month.replace(day=1) - timedelta(days=1)).replace(day=15)
    return month
