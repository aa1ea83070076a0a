"""What was typed wrongly is told by the option or argument as it was typed, with what to write instead."""

import shlex

import pytest

from kaskad.cli import root
from kaskad.cli.root import run
from kaskad.cli.screens.typed import named

BASKET = """
cascade: basket
class: service
trigger: {broadcast: all}
steps:
  - {id: letter, channel: email, subject: One, text: two}
"""
MAIL = {
    "provider": "smtp",
    "channel": "email",
    "settings": {"host": "127.0.0.1", "port": "9", "security": "none", "sender": "Shop <shop@example.org>"},
}
ENDS_FIRST = "--until: The period ends before it begins: choose a later end."


@pytest.fixture(scope="module")
def typed(api):
    """Return what gives a command to the installation, and its exit code."""
    api.put("/accounts/mail", MAIL)
    api.call("PUT", "/cascades/basket", content=BASKET.encode(), headers={"Content-Type": "application/yaml"})
    api.post("/cascades/basket/activate")
    api.post("/contacts", {"external_id": "c1", "email": "anna@example.org"})
    where = str(api.service.office.db.name)
    return lambda *words: run([*words, "--db", where])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        # what the terminal reads itself
        ("webhook test -1", "Invalid value for 'ID': Input should be greater than or equal to 1"),
        ("webhook test 1 -2", "Got unexpected extra argument(s) (-2)"),
        ("webhook test -x", "No such option: -x"),
        ("audit --since gestern", "Invalid value for --since: 'gestern' is neither a day such as"),
        ("report basket --until=gestern", "Invalid value for --until: 'gestern' is neither"),
        ("webhook replay 1 --since gestern", "Invalid value for --since: 'gestern' is neither"),
        ("trial start basket --share 200%", "Invalid value for --share: '200%' is no share"),
        (
            "trial start basket --share 20% --by goal --opt-out x",
            "Invalid value for --opt-out: 'x' is no share",
        ),
        ("optimize basket --target-reach 101%", "Invalid value for --target-reach: '101%' is no share"),
        ("optimize basket --order wild", "Invalid value for --order: 'wild' is none of gentle, free"),
        ("guard set basket rumours=5%", "Invalid value for FIGURE=SHARE: 'rumours' is none of complaints"),
        ("guard set basket bounces=120%", "Invalid value for FIGURE=SHARE: '120%' is no share of a whole"),
        ("policy set --file none.yaml", "Invalid value for --file: none.yaml: No such file"),
        # what the API finds, which calls it otherwise
        ("rates set usd kzt -5", "rate '-5' is not one: it is more than 0"),
        ("rates set usd kzt -,5", "rate '-,5' is not one: it is more than 0"),
        ("rates set usd kzt -5 --shar x", "Got unexpected extra argument(s) (--shar x)"),
        ("launch cart --share -5", "No such option: --share"),
        ("customers --event buy --unit day --margin 3", "--unit: Periods are month or week"),
        ("customers --event buy --unit day --margin 3", "--margin: A margin is a share above 0"),
        ("import FILE --country Kasachstan", "--country: Write the two letters of a country, such as KZ"),
        ("import FILE --consent-source x --consent-date gestern", "--consent-date: Write an instant"),
        ("suppress a@example.org --reason dislike", "--reason: It is one of 'opt_out'"),
        ("suppress --domain no.domain/", "--domain: 'no.domain/' is no mail domain"),
        ("contact send c1 owl text", "CHANNEL: It is one of 'email'"),
        ("contact send c1 email text", "--subject: A letter needs a subject"),
        ("contact address add c1 email nonsense", "VALUE: 'nonsense' is no e-mail address"),
        ("list add vips nobody", "There is no list 'vips'"),
        ("rates set USD KZT 5 --day gestern", "--day: Write a day such as 2026-11-26."),
        (
            "account prices show mail --for a@example.org --at x",
            "--at: Write a day such as 2026-11-26, or an instant",
        ),
        (
            "account add other --provider smtp --set host=x --set sender=a@example.org --price much",
            "--price: 'much' is not an amount: write a number and a currency",
        ),
        ("event send buy --contact c1 --at gestern", "--at: Write an instant with its zone, such as"),
        ("webhook add https://example.org/ --event rumours", "--event: It is one of 'run.entered'"),
        ("form add x --text ru:Ja --for fun", "--for: It is one of 'advertising'"),
        ("task close task_1_1_1_1 callback_at", "--at: Give `call_back_at` with callback_at"),
        ("task close task_1_1_1_1 maybe", "RESULT: It is one of 'reached_agreed'"),
        ("launch basket --everybody --canary x", "--canary: A canary is a share of the people"),
        ("launch basket --everybody --canary 1% --canary-after x", "--canary-after: The time of a canary is"),
        ("launch basket --everybody --pace 5", "--pace: The pace is contacts in a time: write 1000/h"),
        ("policy set rumours=1", "There is no 'rumours': the policy that is shown names all there is."),
        ("policy set holdout=5", "holdout: Expected `object`, got `int`"),
        # what quotes the value only
        ("explain c1 --cascade none", "--cascade: There is no cascade 'none'"),
        ("figures basket --step none", "--step: There is no step 'none': choose one of letter."),
        ("figures basket --variant none", "--variant: There is no variant 'none': no step has variants."),
        ("figures basket --channel owl", "--channel: There is no channel 'owl': choose one of email, tel"),
        ("figures none --step none", "There is no cascade 'none'"),  # which of the two, nobody can say
        ("template step basket letter --as c1 --variant b", "--variant: There is no variant 'b': this step"),
        ("event send buy --contact nobody", "--contact: no such contact 'nobody': create it first"),
        ("optimize basket --typical --budget '10 XXQ'", "--budget: '10 XXQ': XXQ is not a currency"),
        ("optimize basket --typical --fades x", "--fades: 'x' is not a duration: write 24h"),
        # a time that is none
        ("report basket --since 2026-12-01 --until 2026-11-01", ENDS_FIRST),
        ("uplift basket --since 2026-12-01 --until 2026-11-01", ENDS_FIRST),
        ("money --since 2026-12-01 --until 2026-11-01", ENDS_FIRST),
        ("money --since 9999-12-01", ENDS_FIRST),
        ("attribution --since 2026-12-01 --until 2026-11-01", ENDS_FIRST),
        ("export events --out FILE --since 2026-12-01 --until 2026-11-01", ENDS_FIRST),
        # a name that would lead elsewhere
        ("account remove mail/prices", "Nothing has the name 'mail/prices': names have no / in them"),
        ("report ''", "Nothing has the name '': names have no / in them, and are not empty."),
        ("list delete ..", "Nothing has the name '..'"),
        ("report a?b", "CASCADE: Write small Latin letters"),
    ],
)
def test_a_wrong_word_is_told_as_it_was_typed(typed, capsys, tmp_path, words, told):
    file = tmp_path / "people.csv"
    file.write_text("id,name\nc1,Anna\n")
    assert typed(*shlex.split(words.replace("FILE", str(file)))) in (1, 2)
    said = capsys.readouterr().err
    assert any(line.startswith(f"kaskad: {told}") for line in said.splitlines()), said
    assert "Traceback" not in said


def test_a_place_of_which_nothing_was_typed_is_told_once():
    assert named("price: price: 'x' is none", root._command(), ["phones", "open"]) == "price: 'x' is none"
    assert named("steps/0/channel: x", root._command(), ["cascade", "test"]) == "steps/0/channel: x"
    assert named("rows: x", root._command(), []) == "rows: x"
