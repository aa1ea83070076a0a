"""`kaskad bench pages` asks for the pages that there are, and says which it cannot ask for."""

import pytest

from kaskad.bench.pages import run


@pytest.mark.long
def test_every_page_answers_over_people_made_up():
    report = run(200, 1, "", lambda text: None)
    assert report.contacts == 200 and report.runs > 50
    asked = {each.path for each in report.timed}
    assert {"/", "/contacts", "/cascades/sale", "/inbox", "/segments", "/contacts?list=staff"} <= asked
    assert any(each.startswith("/contacts/con_") for each in asked)
    assert all(each.there_cpu_ms > 0 and each.server_ms == 0 for each in report.timed)
    assert all(each.cpu_ms > 0 and each.kib > 0 for each in report.timed if each.path != "/find")
    assert 0 < report.first_page_kib <= 300
    furnished = {"/cascades/sale/trials", "/cascades/sale/forecasts", "/api/v1/complaints/mailboxes"}
    assert furnished | {"/api/v1/control", "/metrics"} <= asked
    assert any(each.startswith("/inbox/con_") for each in report.not_asked)  # nobody has written
