"""`kaskad run` and `kaskad explain` on the terminal: what is said before anything is sent, and in trouble."""

from pathlib import Path

import pytest

from kaskad.cli import root
from kaskad.cli.explain import _decision_words
from kaskad.cli.screens.run import time_words
from kaskad.engine import receive

CASCADE = """
cascade: notice
title: A notice
class: advertising
topic: news
holdout: 0%
trigger: {broadcast: all}
goal: {event: purchase}
steps:
  - {id: letter, channel: email, subject: News, text: "News {{ unsubscribe_url }}", wait: 1h}
  - {id: chat, channel: [telegram, whatsapp], text: "News {{ unsubscribe_url }}", wait: 1h}
"""
ACCOUNTS = """
accounts:
  - {name: mail, provider: smtp, settings: {host: 127.0.0.1, port: 9, security: none, sender: s@example.org}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KASKAD_DATABASE", raising=False)
    (tmp_path / "notice.yaml").write_text(CASCADE)
    (tmp_path / "people.csv").write_text("id,email,city\n1,ann@example.org,Almaty\n2,,Aktau\n,,Oral\n")
    (tmp_path / "accounts.yaml").write_text(ACCOUNTS)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    given = ["run", "notice.yaml", "--people", "people.csv", "--listen", "127.0.0.1:0", *arguments]
    assert root.run(given) == code
    shown = capsys.readouterr()
    return " ".join((shown.err + shown.out).split())


def test_a_step_without_account_is_refused_before_anything_is_imported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, code=1)
    assert "Step 2 (chat) of 'notice' uses telegram or whatsapp, which has no account: add one to " in told
    assert "accounts.yaml" in told
    assert root.run(["explain", "1"]) == 1
    assert "There is no contact '1'" in capsys.readouterr().err


def test_a_price_in_another_currency_than_the_budget_is_refused_before_anything_is_imported(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = "budget: {total: 100 KZT}\nsteps:"
    (folder / "notice.yaml").write_text(CASCADE[: CASCADE.index("  - {id: chat")].replace("steps:", budget))
    (folder / "accounts.yaml").write_text(ACCOUNTS.replace("provider: smtp", "provider: smtp, price: 1 RUB"))
    told = said(capsys, code=1)
    assert (
        "Step 1 (letter) of 'notice' can be sent by account 'mail', whose price is in RUB, and the budget is "
        "in KZT: give both in one currency, or disable the account in accounts.yaml."
    ) in told
    assert root.run(["explain", "1"]) == 1
    assert "There is no contact '1'" in capsys.readouterr().err


def test_an_account_without_a_price_is_named_since_no_budget_holds_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notice.yaml").write_text(CASCADE.replace("[telegram, whatsapp]", "email, subject: More"))
    assert "prices mail has no price: what goes by it counts as free people" in said(capsys, code=0)
    (folder / "notice.yaml").write_text(
        CASCADE.replace("[telegram, whatsapp]", "email, subject: More").replace(
            "steps:", "budget: {total: 1 KZT}\nsteps:"
        )
    )
    assert "counts as free, also against the budget" in said(capsys, "--db", "other.db", code=0)
    (folder / "accounts.yaml").write_text(ACCOUNTS.replace("}}", "}, price: 0 KZT}"))
    assert "has no price" not in said(capsys, "--db", "priced.db", code=0)


def test_a_provider_that_is_misspelt_is_guessed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "accounts.yaml").write_text(ACCOUNTS.replace("smtp", "smtpp"))
    assert "There is no provider 'smtpp'; did you mean 'smtp'? There are: amazon_ses" in said(capsys, code=1)


def test_without_consent_advertising_is_skipped_and_the_report_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notice.yaml").write_text(CASCADE[: CASCADE.index("  - {id: chat")])
    told = said(capsys, "--time-factor", "3600", code=0)
    assert "people 2 in people.csv (UTF-8, commas), 2 of them new, 1 row left out" in told
    assert "row 4: nothing in it names or reaches a person; the row is left out" in told
    assert "the file has no column consent, so none is assumed. This cascade is advertising:" in told
    assert "runs 3600 times as fast as the world's: for trying out" in told
    assert "Entered 2 · 2 unreachable" in told
    assert "Skipped: letter 1 no consent, 1 no address" in told or "1 no address, 1 no consent" in told
    assert "no address: the person has no address" in told and "exhausted:" not in told
    assert root.run(["explain", "ann@example.org"]) == 0
    explained = capsys.readouterr().out
    assert " UTC  letter (email) skipped: no consent" in explained and "unreachable" in explained
    assert root.run(["explain", "1", "--json"]) == 0
    assert '"reason": "no_consent"' in capsys.readouterr().out


def test_whose_event_was_refused_is_told_and_not_counted_as_entered(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begins = CASCADE.replace("{broadcast: all}", "{event: asked}").replace("advertising", "service")
    (folder / "notice.yaml").write_text(begins[: begins.index("  - {id: chat")])
    find = receive.find_contact
    monkeypatch.setattr(receive, "find_contact", lambda tx, ref: None if ref.id == 2 else find(tx, ref))
    told = said(capsys, "--time-factor", "36000", code=0)
    assert "entered 1 now 1 was refused: no such contact 'con_2'" in told


def test_what_is_wrong_is_said_in_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nobody.csv: No such file or directory" in said(capsys, "--people", "nobody.csv", code=2)
    assert "--listen: '8000' must be an address and a port" in said(capsys, "--listen", "8000", code=1)
    assert "--db: must be a file or begin with postgresql:" in said(capsys, "--db", "mysql://x", code=1)
    assert "--country 'KAZ' is no code of two letters" in said(capsys, "--country", "kaz", code=1)
    (folder / "accounts.yaml").write_text("accounts: [{name: x}]")
    told = said(capsys, code=1)
    assert "account 1 (x): name its provider: " in told and " generic_webhook, " in told
    (folder / "people.csv").write_text("id,email\n")
    assert "people.csv: nobody in the file" in said(capsys, code=1)
    (folder / "people.csv").write_text("id,email\n,\n,nonsense\n")
    assert "people.csv: nobody in the file kaskad: people.csv, row 3: " in said(capsys, code=1)
    (folder / "people.csv").write_text("city\nAktau\n")
    told = said(capsys, code=1)
    assert "people.csv: no column names or reaches a person" in told and "`kaskad import`" in told
    (folder / "notice.yaml").write_text("cascade: 1\n")
    assert "notice.yaml:" in said(capsys, code=1)
    assert not (folder / "kaskad.db").exists()


def test_whoever_waits_for_real_time_is_told_how_to_try_it_out_faster() -> None:
    assert time_words(1.0, 0) == (
        "the world's; with --time-factor 3600 an hour passes in a second, to try it out"
    )
    assert "120 min ahead" not in time_words(1.0, 59_000) and "2 h ahead" in time_words(1.0, 7_200_000)


def test_explain_says_each_thing_once() -> None:
    send = {"channel": "email", "account": "mail"}
    handed = {"reason": "handed over", "phase": "handed over", "step": "letter", "send": send}
    assert list(_decision_words(handed)) == ["letter (email by mail) handed over"]
    window = {"reason": "window 09:00-21:00", "phase": "waits for its hour", "step": "letter"}
    once = ["letter waits for its hour: window 09:00-21:00"]
    assert list(_decision_words(window)) == once
    assert list(_decision_words({**window, "detail": "window 09:00-21:00"})) == once
    more = {**window, "detail": "a cap of 1 in P1D"}
    assert list(_decision_words(more)) == [f"{once[0]}, a cap of 1 in P1D"]


def test_explain_without_a_database_says_so_and_makes_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert root.run(["explain", "1"]) == 1
    told = capsys.readouterr().err
    assert "There is no database kaskad.db: `kaskad init` makes an installation" in told
    assert "--db and KASKAD_DATABASE name another database." in told
    assert not (folder / "kaskad.db").exists()
