"""docs/law.md lists the rules that the code has, and every key of the policy."""

from pathlib import Path

from kaskad.domain.law import EU, LAWS
from kaskad.domain.policy import Policy
from kaskad.providers.reference import BEGIN

PAGE = Path(__file__).parents[2] / "docs/law.md"


def rules():
    lines = [
        "| rule | countries | channels | classes | answer | article | since | says |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in LAWS:
        countries = "EU" if one.countries == EU else ", ".join(one.countries)
        says = one.says if one.settled else f"{one.says} *Opinions differ.*"
        flag = f" Only with `tenant: [{one.flag}]`." if one.flag else ""
        cells = (f"`{one.id}`", countries, ", ".join(one.channels) or "all", ", ".join(one.classes) or "all",
                 one.verdict.value, one.article, str(one.since), says + flag)  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    checked = max(one.checked for one in LAWS)
    return "\n".join(lines) + f"\n\nLast looked at on {checked}.\n"


def test_the_rules_are_those_of_the_code(request):
    written = PAGE.read_text("utf-8")
    head, found, rest = written.partition(BEGIN + "\n\n")
    if request.config.getoption("--update-pages", default=False):
        PAGE.write_text(head + found + rules(), "utf-8")
        return
    assert found and rest == rules(), "run pytest tests/docs --update-pages"


def test_every_key_of_the_policy_is_explained():
    text = PAGE.read_text("utf-8")
    assert [name for name in Policy.__struct_fields__ if f"`{name}`" not in text] == []
