"""Accounts are seen with how they do, added from a gallery, tried out, priced, changed, paused, removed."""

import re

from playwright.sync_api import expect

from kaskad.actions import accounts
from kaskad.store import alarms
from support.faults import free_port, until
from support.shop import taking

NAMED = """cascade: named
class: service
goal: {event: purchase}
trigger: {broadcast: all}
steps:
  - {id: letter, channel: email, account: email, subject: News, text: "Hello", wait: 1h}
"""


def token_in(text: str) -> str:
    return re.findall(r'name="csrf" value="([0-9a-f]+)"', text)[0]


def post(client, path, **fields):
    return client.post(path, data={"csrf": token_in(client.get("/account").text), **fields})


def test_an_account_is_added_by_mouse_tried_out_paused_and_removed(visit, site):
    opened = visit("owner", language="ru")
    page = opened.goto("/channels")
    assert "неверный адрес: HTTP 422" in page.locator("tr", has_text="telegram").inner_text()
    opened.shoot("channels ru")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_role("link", name="Добавить аккаунт").click()
    page.get_by_role("link", name="SMS", exact=True).click()
    opened.shoot("providers ru")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_role("link", name="Webhook", exact=True).click()
    page.get_by_label("Имя аккаунта").fill("Main SMS")
    page.get_by_label("Адрес", exact=True).fill("sms.example.org")
    page.get_by_role("button", name="Добавить аккаунт").click()
    problems = page.locator(".problem:not(:empty)")
    expect(problems.nth(1)).to_contain_text("https://api.example.org")
    wrong = problems.all_inner_texts()
    assert "строчных латинских" in wrong[0] and "https://api.example.org" in wrong[1] and len(wrong) >= 2
    opened.shoot("account form ru")
    assert opened.axe() == [] and not opened.overflows()
    with taking() as taker:
        page.get_by_label("Имя аккаунта").fill("sms-main")
        page.get_by_label("Адрес", exact=True).fill(taker.url)
        page.get_by_label("Секрет", exact=True).fill("hidden-and-quite-long")
        page.get_by_label("Цена").fill("14.50 KZT")
        page.get_by_role("button", name="Добавить аккаунт").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^sms-main"))
        page.get_by_label("Кому").fill("+77000000001")
        page.get_by_role("button", name="Отправить проверку").click()
        expect(page.locator("#test .note")).to_contain_text("Webhook принял сообщение за")
        taker.refusing.add("+77000000002")
        page.get_by_label("Кому").fill("+77000000002")
        page.get_by_role("button", name="Отправить проверку").click()
        expect(page.locator("#test .note")).to_contain_text(re.compile("отказал: неверный адрес.*E404", re.S))
    assert [message["to"] for message in taker.messages] == ["+77000000001", "+77000000002"]
    assert "hidden-and-quite-long" not in page.content() and "/hooks/sms-main" in page.content()
    page.get_by_label("CSV").set_input_files(
        {"name": "p.csv", "mimeType": "text/csv", "buffer": b"country,price\nKZ,14.5\nKazakhstan,1\n"}
    )
    page.get_by_role("button", name="Загрузить").click()
    expect(page.locator("#prices")).to_contain_text("строка\u00a03")
    rows = b"country,price,valid_from,valid_until\nKZ,14.5,2026-01-01,2090-12-31\n*,20,2089-01-01,\n"
    page.get_by_label("CSV").set_input_files({"name": "p.csv", "mimeType": "text/csv", "buffer": rows})
    page.get_by_role("button", name="Загрузить").click()
    for word in ("сейчас", "позже", "14,50\u00a0₸", " с 1\u00a0янв."):
        expect(page.locator("#prices")).to_contain_text(word)
    page.wait_for_load_state()  # before, clicks are nobody's
    opened.wrong[:] = [each for each in opened.wrong if "422" not in each]  # what was wrong on purpose
    opened.shoot("channel ru")
    assert opened.axe() == [] and not opened.overflows()
    page.get_by_role("button", name="Пауза").click()
    page.get_by_role("dialog").get_by_role("button", name="Пауза").click()
    expect(page.locator(".strip")).to_contain_text("на паузе")
    assert not accounts.get(site.service.office, "sms-main").account.enabled
    page.get_by_role("button", name="Продолжить").click()
    expect(page.locator(".strip")).not_to_contain_text("на паузе")
    assert accounts.get(site.service.office, "sms-main").account.enabled
    page.wait_for_load_state()
    page.get_by_role("button", name="Удалить").click()
    page.get_by_role("dialog").get_by_role("button", name="Удалить").click()
    page.wait_for_url("**/channels")
    assert "sms-main" not in [each.account.name for each in accounts.listing(site.service.office)]


def test_an_account_by_which_nothing_has_left_does_not_say_that_it_works(site):
    told = {"url": "https://sms.example.org/", "secret": "only-for-trying-it-out"}
    site.api.put("/accounts/fresh", {"provider": "generic_webhook", "channel": "sms", "settings": told})
    with site.client("owner") as client:
        said = {
            path: re.sub(r"<[^>]+>|\s+", " ", client.get(f"{path}?lang=en").text)
            for path in ("/", "/channels", "/channels/accounts/fresh", "/channels/accounts/email")
        }
    assert "not used yet" not in said.pop("/channels/accounts/email")
    assert all("not used yet" in text for text in said.values()), said
    site.api.call("DELETE", "/accounts/fresh")


def test_what_an_account_signs_in_by_is_asked_for_before_the_rest(site):
    with site.client("owner") as client:
        for provider, names in (
            ("smtp", ("user", "password")),
            ("smsc_ru", ("login", "password", "api_key")),
        ):
            asked, _, rest = client.get(f"/channels/providers/{provider}").text.partition(
                '<details class="more"'
            )
            assert rest and all(f'name="set-{name}"' in asked for name in names), provider


def test_a_test_by_a_mail_server_that_is_not_there_says_so_in_the_readers_language(site):
    port = free_port()
    told = {"host": "127.0.0.1", "port": str(port), "security": "none", "sender": "shop@example.org"}
    site.api.put("/accounts/nobody", {"provider": "smtp", "settings": told})
    where = f"127.0.0.1:{port}"
    with site.client("owner") as client:
        for language, words in (
            ("en", f"has not gone out: could not connect to the mail server at {where}: Connection refused."),
            ("ru", f"не ушло: не удалось подключиться к почтовому серверу {where}: там никто не отвечает"),
        ):
            client.headers["Accept-Language"] = language
            page = post(client, "/channels/accounts/nobody/test", to="you@example.org").text
            assert words in page, re.findall('class="note.*', page)
        card, form = (client.get(f"/channels/accounts/nobody{more}").text for more in ("", "/edit"))
        assert "<dt>Шифрование</dt><dd>нет</dd>" in card
        assert '<option value="none" selected>нет</option>' in form
    site.api.call("DELETE", "/accounts/nobody")


def test_secrets_stay_unless_they_are_written_anew(site, monkeypatch):
    office = site.service.office
    with site.client("owner") as client:
        found = client.get("/channels/accounts/telegram/edit")
        assert "only-for-trying-it-out" not in found.text and "is kept" in found.text
        url = accounts.get(office, "telegram").account.settings["url"]
        saved = post(
            client, "/channels/accounts/telegram/edit", **{"set-url": url, "weight": "3", "per_second": "2,5"}
        )
        assert saved.status_code == 303
        kept = accounts.get(office, "telegram").account
        assert kept.secrets["secret"] == "only-for-trying-it-out"
        assert (kept.weight, kept.limits["per_second"]) == (3, 2.5)
        moved = post(client, "/channels/accounts/telegram/edit", **{"set-url": "https://other.example.org"})
        assert moved.status_code == 422 and "tell its secrets again" in moved.text
        wrong = post(client, "/channels/accounts/telegram/edit", **{"set-url": url, "weight": "lots"})
        assert (
            "weight is a whole number" in wrong.text and accounts.get(office, "telegram").account.weight == 3
        )
        site.api.put("/cascades/named", content=NAMED)
        site.api.post("/cascades/named/activate")
        needed = post(client, "/channels/accounts/email/remove")
        assert needed.status_code == 409 and "Remove all the same" in needed.text
        taken = post(client, "/channels/providers/generic_webhook", name="email", channel="email")
        assert taken.status_code == 422 and "of that name already" in taken.text
        assert client.get("/channels/accounts/nobody").status_code == 404
        lost = client.get("/nowhere", headers={"Accept": "text/html", "Accept-Language": "ru"})
        assert (lost.status_code, "Такой страницы нет" in lost.text) == (404, True)
        assert client.get("/api/v1/nowhere", headers={"Accept": "text/html"}).json()["status"] == 404
        with monkeypatch.context() as broken:
            broken.setattr(accounts, "listing", lambda office: 1 // 0)
            defect = client.get("/channels", headers={"Accept-Language": "ru"})
        assert (defect.status_code, "Дефект Kaskad" in defect.text) == (500, True)
    with site.client("viewer") as client:
        assert "Remove" not in client.get("/channels/accounts/email").text
        assert client.get("/channels/providers").status_code == 403
    assert site.times_ms("viewer", "/channels", 20)[10] < 100  # others use this machine too: not the slowest


def test_channels_show_what_another_process_sees_of_an_account(site, monkeypatch):
    """A worker sends, and the process that answers pages does not: only alarms tell it how accounts do."""
    office = site.service.office
    monkeypatch.setattr(office.engine.world, "shared", True)
    for kind, told, why in (
        ("account_silent", "takes nothing", ""),
        ("account_down", '"dot bad"></span> does not answer', ""),
        ("account_trouble", "in trouble", "No such server"),
    ):
        number = office.write(
            lambda tx, kind=kind, why=why: alarms.begin(tx, kind, "email", why, office.now())
        )
        with site.client("viewer") as client:
            for path in ("/channels", "/channels/accounts/email"):
                page = client.get(path).text
                assert told in page and why in page, path
        office.write(lambda tx, number=number: alarms.end(tx, number, office.now()))
    number = office.write(lambda tx: alarms.begin(tx, "engine", "", "The disk is full.", office.now()))
    with site.client("viewer") as client:
        assert "The disk is full." in client.get("/channels").text
    office.write(lambda tx: alarms.end(tx, number, office.now()))
    with site.client("viewer") as client:
        page = client.get("/channels").text
    assert "takes nothing" not in page and "The disk is full." not in page


def test_the_overview_shows_what_another_process_sees_of_an_account(site, monkeypatch):
    office = site.service.office
    monkeypatch.setattr(office.engine.world, "shared", True)

    def told_of_accounts() -> str:
        with site.client("viewer") as client:
            until(lambda: 'class="accounts"' in client.get("/?lang=en").text)
            return re.search(r'class="accounts">.*?</ul>', client.get("/?lang=en").text, re.S)[0]

    for kind, told in (
        ("account_silent", "takes nothing"),
        ("account_down", "does not answer"),
        ("account_trouble", "in trouble"),
    ):
        number = office.write(lambda tx, kind=kind: alarms.begin(tx, kind, "email", "7", office.now()))
        assert told in told_of_accounts(), kind
        office.write(lambda tx, number=number: alarms.end(tx, number, office.now()))
    assert "in trouble" not in told_of_accounts()


def test_the_page_of_alarms_shows_no_number_that_it_does_not_explain(site):
    office = site.service.office
    number = office.write(lambda tx: alarms.begin(tx, "account_down", "email", "7", office.now()))
    with site.client("owner") as client:
        page = client.get("/settings/alarms?lang=en").text
    assert "stands" in page and not re.search(r"plain-text\">\s*7\s*<", page)
    office.write(lambda tx: alarms.end(tx, number, office.now()))
