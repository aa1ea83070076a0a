"""All figures of a cascade on their page: chosen by step, explained in the reader's language, as a file."""

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
