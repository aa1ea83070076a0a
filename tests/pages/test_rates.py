"""Currencies: rates from a bank's file, one by hand, and figures that are then told in one currency."""

import re

KZ = "Дата;Код;Количество;Курс\n01.01.2020;RUB;1;6,41\n01.01.2020;JPY;100;331,2\n"
PATH = "/settings/rates"


def test_rates_are_brought_in_and_figures_told_by_them(visit, site):
    account = next(one for one in site.api.get("/accounts")["items"] if one["channel"] == "email")["name"]
    with site.service.office.db.write() as tx:
        tx.script(f"""UPDATE accounts SET prices = '{{"minor": 10, "currency": "USD"}}'
                       WHERE name = '{account}';
                      UPDATE messages SET price = 10 WHERE channel = 1;
                      INSERT INTO due_runs (keys)
                      SELECT '[' || contact_id || ',' || run_id || ']' FROM messages WHERE channel = 1;""")
    site.service.office.reload()
    eyes = visit("owner", language="en")
    page = eyes.goto(PATH)
    assert "no rate: stands apart" in page.content()
    eyes.shoot("rates empty en")
    page.locator("select[name=currency]").select_option("KZT")
    page.locator("form[action$=reporting] button[type=submit]").click()
    page.wait_for_selector("text=Saved.")
    with site.client("owner") as client:
        token = re.search(r'name="csrf" value="([^"]+)', client.get(PATH).text)[1]
        wrong = client.post(
            f"{PATH}/file?lang=en", data={"csrf": token}, files={"file": ("x.csv", b"date,rate\n1,2\n")}
        )
        assert wrong.status_code == 422 and "there is no column" in wrong.text
        done = client.post(
            f"{PATH}/file", data={"csrf": token, "to": "KZT"}, files={"file": ("kz.csv", KZ.encode())}
        )
        assert done.status_code == 303 and len(site.api.get("/rates")["pairs"]) == 2
        one = {"csrf": token, "base": "usd", "quote": "KZT", "day": "2020-01-01"}
        bad = client.post(f"{PATH}?lang=en", data={**one, "rate": "cheap"})
        assert bad.status_code == 422 and "not a number" in bad.text and 'value="cheap"' in bad.text
        client.post(PATH, data={**one, "rate": "512,35"})
        client.post(
            f"{PATH}/remove", data={"csrf": token, "base": "JPY", "quote": "KZT", "day": "2020-01-01"}
        )
        assert {pair["base"] for pair in site.api.get("/rates")["pairs"]} == {"RUB", "USD"}
        assert client.get(f"{PATH}/rates.csv").text.startswith("date,from,to,rate\n2020-01-01,RUB,KZT,6.41\n")
    for language, theme, width in (("ru", "light", "wide"), ("en", "dark", "phone")):
        looked = visit("owner", language=language, theme=theme, width=width)
        for path in (PATH, "/cascades/news/money", "/cascades/news"):
            looked.goto(path)
            looked.shoot(f"{path} {language} {theme}")
            assert not looked.overflows() and looked.axe() == [], path
        said = looked.goto("/cascades/news/money").content()
        assert ("1 USD = 512,35" in said) if language == "ru" else ("1 USD = 512.35" in said)
    told = site.api.get("/cascades/news/money")
    assert set(told["cost"]) == {"KZT"} and told["own"]["USD"] == 10 and told["rates"] == {"USD": "512.35"}
    assert (
        told["cost"]["KZT"] == told["own"]["KZT"] + 5124
    )  # half a tiyn less than 51.235 tenge, to the even one
