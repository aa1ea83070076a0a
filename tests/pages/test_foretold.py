"""What pages say that a forecast does not count."""

import time

DATED = """cascade: %s
class: service
trigger: {%s}
steps:
  - {id: letter, channel: email, subject: Soon, text: t, at: {before: %s, by: 24h}}
"""
WORDS = ("en", "for whom they come too late"), ("ru", "придутся слишком поздно")


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


def _says(client, path, does=True):
    for language, words in WORDS:
        for _ in range(200):
            page = client.get(f"/cascades/{path}", headers={"Accept-Language": language})
            if page.status_code != 202:
                break
            time.sleep(0.05)
        assert page.status_code == 200 and (words in page.text) == does, (path, language, page.status_code)
