"""The page about templates: its files can be saved and its filters say what it promises."""

import re
from pathlib import Path

from kaskad.cli.root import run
from kaskad.domain.template import compile_text
from kaskad.domain.template.filters import HERE, Here

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| `(\{\{ .*?)` \| (.*) \|$", PAGE, re.MULTILINE)
SCOPE = {
    "trigger": {"total": 12500, "at": "2026-03-08T22:30:00Z", "n": 1, "starts_at": "2026-03-09T08:00:00"},
    "words": "plain quotes",
    "contact": {"name": "ИВАНОВА АННА ПЕТРОВНА"},
    HERE: Here("ru", "Asia/Almaty", 1_772_978_400_000),  # 8 March 2026, 19:00 there
}


def test_its_files_are_saved_and_its_letter_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    files = {kind: text for kind, text in reversed(BLOCKS) if kind in ("mjml", "yaml")}  # the first of each
    (tmp_path / "cart.ru.mjml").write_text(files["mjml"])
    (tmp_path / "brand.yaml").write_text(files["yaml"])
    assert run(["template", "put", "brand.yaml", "cart.ru.mjml"]) == 0
    (tmp_path / "people.csv").write_text("id,name,email\naigul,Айгүл,aigul@example.org\n")
    assert run(["import", "people.csv"]) == 0
    trigger = '{"count": 2, "total": 12500, "url": "https://example.org/"}'
    capsys.readouterr()
    asked = ["template", "preview", "cart", "--as", "aigul@example.org", "--trigger", trigger]
    assert run([*asked, "--channel", "email"]) == 0
    shown = capsys.readouterr().out
    assert "Айгүл, your cart waits" in shown and "2 товара" in shown and "12\u00a0500\u00a0₸" in shown
    assert run([*asked, "--channel", "sms"]) == 0
    assert "себетіңіз күтуде: https://example.org/" in capsys.readouterr().out


def test_its_filters_say_what_it_promises():
    assert len(ROWS) >= 9
    for written, promised in ROWS:
        said = compile_text(written.replace("\\|", "|"), name="page").render(SCOPE).replace("\u00a0", " ")
        if "translit" in written:
            assert said == "IVANOVA ANNA PETROVNA"
        elif "plural" in written or "default" not in written:
            assert said in promised, (written, said)
