"""What pages say that a forecast does not count."""

import time

from msgspec import structs

from kaskad.actions.hindsight import Compared, Hindsight
from kaskad.planning.forecast import Range
from kaskad.web.pages.figures import Figures

DATED = """cascade: %s
class: service
trigger: {%s}
steps:
  - {id: letter, channel: email, subject: Soon, text: t, at: {before: %s, by: 24h}}
"""
LATE = ("en", "for whom they come too late"), ("ru", "придутся слишком поздно")
AGAIN = ("en", "Made again, as the first to enter had told"), ("ru", "Сделан ещё раз: вошедшие первыми")
NOBODY = ("en", "nobody has entered since"), ("ru", "с тех пор никто не вошёл")


def test_of_steps_due_by_a_date_it_is_said_that_lateness_is_not_counted(site):
    """In the editor, before anything is sent, and beside what happened; not where the dates are known."""
    site.api.put("/cascades/webinar", content=DATED % ("webinar", "event: signed", "trigger.starts_at"))
    site.api.put("/cascades/ending", content=DATED % ("ending", "broadcast: all", "contact.ends"))
    site.api.put("/cascades/named", content=DATED % ("named", "broadcast: all", "trigger.starts_at"))
    for slug in ("ending", "named"):
        site.api.post(f"/cascades/{slug}/activate", {})
    with site.client("marketer") as client:
        for path in ("webinar/edit", "named/launch?audience=everybody"):
            _says(client, path)
        _says(client, "ending/launch?audience=everybody", False)
        for slug in ("ending", "named"):
            site.api.post(f"/cascades/{slug}/launch", {"everybody": True})
        _says(client, "named/forecasts")
        _says(client, "ending/forecasts", False)


def test_a_week_forecast_again_says_why(site, monkeypatch):
    """Nor is it said of the first one that nobody has entered since, where all came soon after it."""
    site.api.put("/cascades/webinar", content=DATED % ("webinar", "event: signed", "trigger.starts_at"))
    site.api.post("/cascades/webinar/activate", {})
    figures = (Compared("messages", "", 90, Range(80, 99), 90),)
    again = Hindsight("webinar", 0, 1, "trigger signed", 1, "prior", True, 0, figures, again=True)
    first = structs.replace(again, figures=(), uncounted=("dates",), again=False)
    monkeypatch.setattr(Figures, "hindsight_everywhere", lambda figures, office: [again, first])
    with site.client("marketer") as client:
        _says(client, "webinar/forecasts", words=AGAIN)
        _says(client, "webinar/forecasts", False, NOBODY)


def _says(client, path, does=True, words=LATE):
    for language, said in words:
        for _ in range(200):
            page = client.get(f"/cascades/{path}", headers={"Accept-Language": language})
            if page.status_code != 202:
                break
            time.sleep(0.05)
        assert page.status_code == 200 and (said in page.text) == does, (path, language, page.status_code)
