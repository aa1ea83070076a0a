"""What a robot says: figures in words of three languages, marks of SSML for who takes them, its length."""

import pytest

from kaskad.domain.cascade import Content
from kaskad.domain.content import LinkMaker, compile_content
from kaskad.domain.definition import load
from kaskad.domain.speech import is_marked, marked, plain, seconds
from kaskad.domain.template import RenderError, compile_text
from kaskad.domain.template.filters import HERE, Here
from kaskad.domain.terms import Channel
from kaskad.domain.tokens import Signer

SPOKEN = {
    '12500.5 | say_money: "KZT"': {
        "ru": "двенадцать тысяч пятьсот тенге, пятьдесят тиынов", "kk": "он екі мың бес жүз теңге, елу тиын",
        "en": "twelve thousand, five hundred tenge, fifty tiyn", "de": "₸12,500.50",
    },
    '22.01 | say_money: "rub"': {
        "ru": "двадцать два рубля, одна копейка", "en": "twenty-two rubles, one kopeck",
    },
    '-1 | say_money: "USD"': {"ru": "минус один доллар", "kk": "минус бір доллар", "en": "minus one dollar"},
    '2 | say_money: "UAH"': {"ru": "две гривны", "kk": "2\u00a0₴", "en": "₴2"},
    '1000000000000000 | say_money: "KZT"': {"ru": "1\u00a0000\u00a0000\u00a0000\u00a0000\u00a0000\u00a0₸"},
    "2001 | say_number": {
        "ru": "две тысячи один", "kk": "екі мың бір", "en": "two thousand and one", "de": "2,001",
    },
    '"2,5" | say_number': {"ru": "две целых пять десятых", "en": "two point five"},
    '"2026-03-09T08:01:00+05:00" | say_date': {
        "ru": "девятое марта, восемь часов одна минута", "kk": "тоғызыншы наурыз, сағат сегіз бір",
        "en": "March ninth, eight oh one AM",
    },
    '"2026-03-21" | say_date': {
        "ru": "двадцать первое марта", "kk": "жиырма бірінші наурыз", "en": "March twenty-first",
        "de": "21 März",
    },
    '"2026-10-30T19:00:00Z" | say_time': {"ru": "ноль часов", "kk": "сағат нөл", "en": "twelve AM"},
    '"4-81 0" | say_digits': {"ru": "четыре, восемь, один, ноль", "de": "4, 8, 1, 0"},
    '5 | say_number: "kk"': {"ru": "бес"},
}  # fmt: skip


def test_figures_become_words_in_three_languages():
    for expression, wanted in SPOKEN.items():
        template = compile_text(f"{{{{ {expression} }}}}", name="say")
        said = {language: template.render({HERE: Here(language, "Asia/Almaty")}) for language in wanted}
        assert said == wanted, expression
    for day in range(1, 32):
        words = compile_text(f'{{{{ "2026-01-{day:02}" | say_date }}}}', name="say")
        assert words.render({HERE: Here("kk")}).split()[-2].endswith(("інші", "ыншы"))


@pytest.mark.parametrize("expression", ['"x" | say_number', '"2026-03-21" | say_time', '"abc" | say_digits'])
def test_what_cannot_be_said_is_told(expression):
    with pytest.raises(RenderError):
        compile_text(f"{{{{ {expression} }}}}", name="say").render({HERE: Here("ru")})


def test_marks_go_to_who_takes_them_and_become_commas_elsewhere():
    say = 'Скидка <break time="1s"/> <emphasis>10 %</emphasis> &amp; <sub alias="всё">вс</sub>. <break/> Да'
    assert is_marked(say) and not is_marked("5 < 6, <b>x</b>")
    assert plain(say) == "Скидка, 10 % & всё. Да"
    assert plain("a < b") == "a < b"
    assert marked("plain", "ru") == "plain"
    assert marked(say, "kk-KZ") == f'<speak xml:lang="kk">{say}</speak>'
    assert marked("<speak>x</speak>", "ru") == "<speak>x</speak>"
    content = compile_content(Content(say='{{ contact.name }}<break time="1s"/>'), Channel.ROBOT_CALL)
    links = LinkMaker(Signer([(1, b"k" * 16)]), "", 1, 1, 0, 0)
    words = content.render({"contact": {"name": "<break/>A & B"}}, links)
    assert words.say == '&lt;break/&gt;A &amp; B<break time="1s"/>', "a value makes no mark"
    assert plain(words.say) == "<break/>A & B"


def test_a_text_takes_about_as_long_as_a_voice_takes():
    assert seconds("") == 0
    assert (
        8 <= seconds("Здравствуйте, это запись от магазина. Вас ждёт скидка 10 процентов. Нажмите 1.") <= 10
    )
    assert seconds('a<break time="3s"/><break time="500ms"/>') == 4


def test_the_check_tells_of_long_texts_and_of_marks_that_cannot_be_read():
    def found(say):
        text = (
            "cascade: c\nclass: transactional\ntrigger: {event: e}\nsteps:\n"
            f"  - {{id: call, channel: robot_call, say: '{say}', keys: {{9: opt_out}}}}\n"
        )
        return [(one.severity, one.path, one.message) for one in load(text, name="x").problems]

    assert found("Hello") == []
    ((severity, path, words),) = found("Hello there. " * 40)
    assert (severity, path) == ("warning", "steps[0].say") and "people hang up" in words
    assert "its SSML cannot be read" in found('a <break time="1s"> b')[0][2]
    assert [one[2] for one in found("a <b>b</b>")] == ["SSML has no <b>"]
    assert found('a <break time="1s"/> {% if contact.x < 3 %}b{% endif %}') == []
