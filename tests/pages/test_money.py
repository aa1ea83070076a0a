"""The money of a cascade, and a provider's bill from its file until it is taken over."""

import json
import re

import pytest

from kaskad.cli.bill import report
from kaskad.cli.money import _cell, lines_of
from kaskad.cli.root import run


@pytest.fixture(scope="module")
def before(site):
    """Return what the pages of bills and of a draft's money say before any bill."""
    with site.client("viewer") as client:
        return [client.get(f"{path}?lang=en").text for path in ("/bills", "/cascades/draft/money")]


def bill_of(site):
    """Return a bill of the one mail that was sent, at twice its price, and of a message of nobody."""
    asked = {"first": 0, "last": 2**31 - 1, "run_id": 0, "step": -1, "limit": 9}
    with site.service.office.read() as tx:
        rows = [row for who in (1, 2) for row in tx.all("messages_of_contact", contact_id=who, **asked)]
    row = next(row for row in rows if row[3] == 1 and row[10])
    reference = site.service.office.signer.reference(row[0], row[1], row[2], row[6])
    return f"Reference;Amount\n{reference};0,20\nnobody;0,10\n"


def priced(site):
    """Give the account of mails a price, and its mail that price."""
    account = next(one for one in site.api.get("/accounts")["items"] if one["channel"] == "email")["name"]
    with site.service.office.db.write() as tx:
        tx.script(f"""UPDATE messages SET price = 10 WHERE channel = 1;
                      UPDATE accounts SET prices = '{{"minor": 10, "currency": "KZT"}}'
                       WHERE name = '{account}';""")
    site.service.office.reload()
    return account


def test_a_bill_is_brought_in_and_taken_over_and_the_money_follows(visit, site, before, tmp_path):
    assert "No bill yet" in before[0] and "Nothing was spent yet" in before[1]
    account, file = priced(site), tmp_path / "november.csv"
    file.write_text(bill_of(site), "utf-8")
    eyes = visit("owner", language="ru")
    page = eyes.goto("/bills")
    eyes.shoot("bills empty")
    page.locator("select[name=account]").select_option(account)
    page.locator("input[name=file]").set_input_files(str(file))
    page.locator("main form button[type=submit]").click()
    page.wait_for_selector("text=Что расходится")
    page.wait_for_load_state()  # before, keys and clicks are nobody's
    eyes.shoot("bill")
    assert eyes.axe() == [] and not eyes.overflows()
    page.locator("[data-open=take]").click()
    page.locator("dialog[open] .dialog-foot button[type=submit]").click()
    page.wait_for_selector("text=Исправлено 1 сообщение")
    for theme, width in (("light", "wide"), ("dark", "phone")):
        looked = visit("marketer", language="ru", theme=theme, width=width)
        looked.goto("/cascades/news/money")
        looked.shoot(f"money {width}")
        assert looked.axe() == [] and not looked.overflows()
        looked.goto("/bills")
        looked.shoot(f"bills {width}")
        assert looked.axe() == [] and not looked.overflows()
    told = site.api.get("/cascades/news/money")
    assert told["price"] == {"KZT": 1510} and told["cost"] == {"KZT": 1520}
    assert ("bill", 10) in [(one["reason"], one["minor"]) for one in told["changes"]]
    assert site.api.get("/money")["cost"] == {"KZT": 1520}
    (bill,) = [one for one in site.api.get("/bills")["items"] if one["source"] == file.name]
    assert (bill["taken"], bill["differing"], bill["unknown"]) == (1, 0, 1)
    with site.client("owner") as client:
        token = re.search(r'name="csrf" value="([^"]+)', client.get("/bills").text)[1]
        sent = {"csrf": token, "account": account}
        wrong = client.post("/bills?lang=en", data=sent, files={"file": ("x.csv", b"a,b\n1,2\n")})
        assert wrong.status_code == 422 and "no column says what a line costs" in wrong.text
        again = client.post("/bills", data=sent, files={"file": ("again.csv", file.read_bytes())})
        assert again.headers["location"].startswith(f"/bills/{bill['id']}"), "the same file is the same bill"
        strange = b"id,amount\nnobody-1,1.5\nnobody-2,much\nnobody-3,2\n"
        other = client.post("/bills?lang=en", data=sent, files={"file": ("other.csv", strange)}).headers[
            "location"
        ]
        told = client.get(f"{other}?lang=en").text
        assert "No line fits a message of" in told, "whose bill is it?"
        assert re.findall(r'<tr><th scope="row">(\d)</th>', told) == ["2", "3", "4"], "as the file has them"
    said = "\n".join(report(site.api.get(f"/bills/{bill['id']}")))
    assert "billed, not known to us" in said and "1 message was corrected" in said
    said = "\n".join(lines_of(site.api.get("/cascades/news/money"), "news"))
    assert re.search(r"email|letter", said) and "billed" in said


def test_whoever_brings_a_bill_says_what_its_columns_are(visit, site, before, tmp_path):
    account, file = priced(site), tmp_path / "december.csv"
    file.write_text(bill_of(site).replace("Reference;Amount", "Ключ;К оплате"), "utf-8")
    eyes = visit("owner", language="ru", width="phone")
    page = eyes.goto("/bills")
    page.locator("select[name=account]").select_option(account)
    page.locator("input[name=file]").set_input_files(str(file))
    page.locator("main form button[type=submit]").click()
    page.wait_for_selector("text=Что в столбцах")
    assert "ни один столбец не говорит, сколько стоит строка" in page.locator("#bill-columns").inner_text()
    assert "0,20" in page.locator("#bill-columns").inner_text(), "its first lines help to tell"
    page.get_by_label("Ключ").select_option("reference")
    page.get_by_label("К оплате").select_option("amount")
    eyes.wrong[:] = [each for each in eyes.wrong if "422" not in each]  # the browser logs that answer
    eyes.shoot("bill columns")
    assert eyes.axe() == [] and not eyes.overflows()
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/bills/bill_*")
    page.wait_for_selector("text=К оплате – сумма")
    assert "Lines that fit no message" not in page.inner_text("main")
    page.get_by_role("link", name="указать, что в столбцах").click()
    assert page.get_by_label("Сначала показать").is_checked()
    with site.client("owner") as client:  # a browser without scripts; another file than the columns are of
        token = re.search(r'name="csrf" value="([^"]+)', client.get("/bills").text)[1]
        sent = {"csrf": token, "account": account, "header": ["a", "b"], "meaning": ["id", "amount"]}
        files = {"file": ("x.csv", file.read_bytes())}
        found = client.post("/bills?lang=en", data=sent, files=files)
        assert found.status_code == 422 and "What its columns are" in found.text
        sent |= {"header": ["Ключ", "К оплате"], "meaning": ["reference", "amount"]}
        assert client.post("/bills", data=sent, files=files).headers["location"].startswith("/bills/bill_")
        sent |= {"header": [], "meaning": [], "choose": "yes"}
        asked = client.post("/bills?lang=en", data=sent, files={"file": ("y.csv", b"id,sum\n1,2\n")})
        assert asked.status_code == 200 and 'value="amount" selected' in asked.text
        alike, sent = (
            {"file": ("z.csv", b"id,sum,sum\n1,2,3\n")},
            sent | {"header": ["id", "sum", "sum"], "choose": ""},
        )
        both = client.post("/bills?lang=en", data=sent | {"meaning": ["id", "amount", "amount"]}, files=alike)
        assert both.status_code == 422 and both.text.count('value="amount" selected') == 2
        one = client.post("/bills", data=sent | {"meaning": ["id", "skip", "amount"]}, files=alike)
        told = site.api.get(one.headers["location"])
        assert (told["columns"], told["total_micros"]) == ({"id": "id", "sum": "amount"}, 3_000_000)


def test_a_time_that_is_none_is_said_to_be_none(site):
    """It was told as a time in which nothing was spent, from this hour to this hour."""
    with site.client("viewer") as client:
        for when in ("since=2026-12-01&until=2026-11-01", "since=9999-12-01"):
            told = client.get(f"/cascades/news/money?lang=en&{when}")
            assert told.status_code == 422 and "ends before it begins" in told.text


def test_the_commands_say_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.csv").write_text("id,amount\n1,14.5\n", "utf-8")
    told = ["--set", "url=http://127.0.0.1:1/", "--set", "secret=swordfish-swordfish", "--price", "14 KZT"]
    assert run(["init"]) == 0
    assert run(["account", "add", "sms", "--provider", "generic_webhook", "--channel", "sms", *told]) == 0
    capsys.readouterr()
    assert run(["bill", "sms", "b.csv", "--take"]) == 1
    said = capsys.readouterr().out
    assert "bill_1 of sms, b.csv: 1 lines" in said and "row 2: no message of ours" in said
    assert run(["bills"]) == 0 and "b.csv" in capsys.readouterr().out
    assert run(["money", "--json"]) == 0 and json.loads(capsys.readouterr().out)["messages"] == 0
    assert run(["money"]) == 0 and "Nothing was sent" in capsys.readouterr().out
    begins = ["--since", "2026-11-01T00:00:00+05:00"]
    assert run(["money", *begins]) == 0 and "from 2026-10-31" in capsys.readouterr().out
    assert run(["policy", "set", "zone=Asia/Almaty"]) == 0 and capsys.readouterr()
    assert run(["money", *begins]) == 0 and "from 2026-11-01" in capsys.readouterr().out
    assert run(["money", "--since", "2026-11-01", "--until", "2026-11-03", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)  # days by the installation's clock
    assert (told["since"], told["until"]) == ("2026-10-31T19:00:00Z", "2026-11-02T19:00:00Z")
    assert run(["money", "--since", "soon"]) == 2 and "'soon' is neither a day" in capsys.readouterr().err
    assert (_cell({"KZT": 0}), _cell({})) == ("₸0", "")  # free, and no price known
