"""The figures of /metrics can be read by Prometheus' own parser, are right, and name nobody."""

import time

from prometheus_client.parser import text_string_to_metric_families

from kaskad.engine import counting
from kaskad.store import cascades, contacts, courses
from kaskad.web import metrics as metrics_module

CASCADE = """
cascade: counted
title: Counted
class: service
trigger: {event: joined}
goal: {event: bought}
steps: [{id: one, channel: sms, text: Hello, wait: 1d}]
"""


def figures(api):
    answer = api.raw("GET", "/metrics", headers={"Authorization": f"Bearer {api.key}"})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_figures_need_a_key_of_their_scope(api):
    assert api.raw("GET", "/metrics").status_code == 401
    other = api.post("/keys", {"name": "other", "scopes": ["contacts:read"]})["key"]
    assert api.raw("GET", "/metrics", headers={"Authorization": f"Bearer {other}"}).status_code == 403
    own = api.post("/keys", {"name": "prometheus", "scopes": ["metrics:read"]})["key"]
    assert api.raw("GET", "/metrics", headers={"Authorization": f"Bearer {own}"}).status_code == 200


def test_messages_money_runs_and_webhooks_are_counted(api, monkeypatch):
    real = time.monotonic
    told = {"provider": "generic_webhook", "channel": "sms", "settings": {"url": "http://127.0.0.1:1/"},
            "secrets": {"secret": "x" * 16}, "price": "14.50 KZT"}  # fmt: skip
    api.put("/accounts/sms", told)
    office = api.service.office
    metrics = figures(api)
    assert metrics["kaskad_engine_up",] == 1
    assert metrics["kaskad_breaker_open", "sms"] == 0
    assert metrics["kaskad_timer_lag_seconds",] == 0

    def prepare(tx):
        row = cascades.save_version(tx, "counted", CASCADE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)
        (ann,) = contacts.upsert(tx, b"h" * 32, [contacts.Contact(external_id="Secret-Ann")], office.now())
        run = (ann, 1, row.cascade_id, row.id, 0, 0, -1, 9_999_999_999_999, 0, 0, 0)
        late_at = office.now() - 90_000
        lag = metrics_module.Metrics(office, None)._of_engine  # asked here, before the engine sees to the run
        tx.many("insert_runs", [(*run[:7], late_at - 60_000, *run[8:])])
        tx.many("submit_runs", [(ann, 1, 0, 0, late_at, late_at)])
        (late,) = [one for one in lag(tx) if one.name == "kaskad_timer_lag_seconds"]
        assert 90 <= late.samples[0].value < 120, "a guard that ran out is late, too"
        tx.many("update_runs", [(ann, 1, 1, 0, 0, -1, None, run[7], 0, None, None, 0, None)])
        sms = next(row[0] for row in tx.all("accounts") if row[1] == "sms")
        tx.many("put_messages", [(ann, 1, 0, 8, 2, None, None, sms, 2, None, 5, 1450, None, None)])
        tx.many("accept_messages", [(ann, 1, 0, 2, 5, None)])
        (held,) = contacts.upsert(tx, b"h" * 32, [contacts.Contact(external_id="Held")], office.now())
        tx.many("insert_runs", [(held, *run[1:10], 1)])
        courses.due(tx, {(ann, 1), (held, 1)})  # as whoever changes a run does

    office.write(prepare)
    office.reload()
    assert api.raw("POST", "/hooks/sms", content=b"{}").status_code == 401
    assert ("kaskad_messages", "sent", "sms") not in figures(api)  # counted a moment ago
    monkeypatch.setattr(metrics_module, "monotonic", lambda: real() + 61)
    metrics = figures(api)
    assert metrics["kaskad_messages", "sent", "sms"] == 1
    assert metrics["kaskad_money_spent", "KZT", "sms"] == 14.5
    assert metrics["kaskad_runs_live", "counted"] == 1
    monkeypatch.setattr(metrics_module, "monotonic", lambda: real() + 122)
    while office.write(lambda tx: counting.count(tx, 100)):
        pass
    assert figures(api)["kaskad_messages", "sent", "sms"] == 1, "counted by now"
    assert figures(api)["kaskad_money_spent", "KZT", "sms"] == 14.5
    assert metrics["kaskad_webhooks_refused_total", "sms"] == 1
    assert metrics["kaskad_tick_seconds_count",] >= 1
    assert "Secret-Ann" not in str(metrics)
