from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid import Environment, StrictUndefined

from kaskad.domain import sms
from kaskad.domain.template import MAX_SOURCE, BadTemplate, MissingVariable, RenderError, compile_text
from kaskad.domain.template.filters import HERE, Here

SCOPE = {
    "contact": {"name": "Иван", "vip": True, "age": 40, "nick": "", "nothing": None},
    "trigger": {
        "total": 12500.5,
        "cart_url": "https://shop.example/c?a=1&b=2",
        "lines": [{"title": "A"}, {"title": "B"}],
    },
    "steps": {"letter": {"sent": True}, "chat": {"sent": False}},
}


def render(source: str, *, autoescape: bool = False, **more: object) -> str:
    return compile_text(source, name="test", autoescape=autoescape).render({**SCOPE, **more})


# -- the same as python-liquid

ROOTS = ("contact", "trigger")
KEYS = ("name", "sent", "size", "x-y")
words = st.sampled_from(["", "Иван", " a b ", "ß", "<b>&'\"", "7", "друг"])
leaves = words | st.sampled_from(
    [None, True, False, 0, 7, -1, 2.5, 12500.5, [], ["a", "<"], {"name": "deep"}]
)
scopes = st.fixed_dictionaries(
    {root: st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, leaves)) for root in ROOTS},
    optional={"sent": leaves},
)
paths = st.sampled_from(
    [f"{root}.{key}" for root in ROOTS for key in KEYS]
    + [
        "contact.name.name",
        "contact.sent.first",
        "contact",
        "sent",
        "nobody",
        "contact['name']",
        "contact.name.size",
    ]
)
literals = st.sampled_from(['"друг"', "'<b>'", '""', "0", "7", "-1", "2.5", "true", "false", "nil", "empty"])
plain_filters = ["upcase", "downcase", "capitalize", "escape", "strip", 'append: "!"', 'default: "x"']
other_filters = [
    *(
        "size",
        "url_encode",
        "newline_to_br",
        "strip_html",
        "round",
        "first",
        "last",
        "default",
        "truncate: 3",
    ),
    *('money: "KZT"', 'money: "RUB", "en"', 'default: "x", allow_false: true', "number", "date: '%d'"),
    *("date: 'd MMMM'", "date: 'd MMMM y HH:mm', 'kk'", 'plural: "товар", "товара", "товаров"', "first_name"),
    "translit",
]
operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "contains"])


@st.composite
def expressions(draw):
    text = draw(paths | literals)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*plain_filters, *other_filters, *["default:"] * 5, "append:", "plus:"]))
        text += f" | {name}" + (f" {draw(paths | literals)}" if name.endswith(":") else "")
    return text


@st.composite
def conditions(draw):
    tests = []
    for _ in range(draw(st.integers(1, 3))):
        compared = draw(st.integers(0, 3))
        tests.append(f"{draw(paths)} {draw(operators)} {draw(literals | paths)}" if compared else draw(paths))
    return "".join(f"{test} {draw(st.sampled_from(['and', 'or']))} " for test in tests[1:]) + tests[0]


@st.composite
def pieces(draw, depth=2):
    text = ""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.integers(0, 10 if depth else 4))
        if kind <= 1:
            text += draw(
                st.sampled_from(["", " ", "a", "Ж\n", "<b>", "{", "}}", "&amp;", "https://a.b/?c&amp;d"])
            )
        elif kind == 2:
            text += f"{{{{ {draw(expressions())} }}}}"
        elif kind == 3:
            text += f"{{{{- link({draw(expressions())}) -}}}}"
        elif kind == 4:
            text += (
                f"{{% assign {draw(st.sampled_from(ROOTS))} = {draw(expressions())} %}}" if depth < 1 else ""
            )
        else:
            text += draw(blocks(kind, depth - 1))
    return text


@st.composite
def blocks(draw, kind, depth):
    one, two = draw(pieces(depth)), draw(pieces(depth))
    if kind <= 6:
        return f"{{% if {draw(conditions())} %}}{one}{{% endif %}}{two}"
    if kind == 7:
        return f"{{% if {draw(conditions())} %}}{one}{{% else %}}{two}{{% endif %}}"
    if kind == 8:
        return f"{{% if {draw(conditions())} %}}{one}{{% elsif {draw(conditions())} %}}{two}{{% endif %}}"
    if kind == 9:
        return f"{{% for i in {draw(paths)} %}}{one}{{% endfor %}}{two}"
    return f"{{% link %}}{one}{{% endlink %}}{two}"


def attempt(render, scope):
    followed: list[str] = []

    def link(destination: str) -> str:
        followed.append(destination)
        return f"<{destination}>"

    try:
        return render({**scope, "link": link}), list(dict.fromkeys(followed))
    except RenderError as problem:
        return type(problem), str(problem)


def assert_same(source, scope, autoescape):
    try:
        template = compile_text(source, name="test", autoescape=autoescape)
    except BadTemplate:
        return
    assert attempt(template.render, scope) == attempt(template.render_slowly, scope)


@settings(max_examples=300)
@given(expressions(), scopes, st.booleans(), st.sampled_from(["{{{{ {} }}}}", "{{{{ link({}) }}}}"]))
def test_a_value_is_shown_as_python_liquid_shows_it(expression, scope, autoescape, how):
    assert_same(how.format(expression), scope, autoescape)


@settings(max_examples=300)
@given(conditions(), scopes)
def test_a_condition_holds_when_it_does_for_python_liquid(condition, scope):
    assert_same(f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}", scope, False)


@settings(max_examples=150)
@given(pieces(), scopes, st.booleans())
def test_a_text_of_many_pieces_is_what_python_liquid_makes_of_it(source, scope, autoescape):
    assert_same(source, scope, autoescape)


plain_pieces = st.lists(
    st.one_of(
        st.text("ab Ж\n", max_size=5),
        st.builds("{{{{ {} }}}}".format, paths),
        st.builds("{{{{ {} | {} }}}}".format, paths, st.sampled_from(plain_filters)),
        st.builds("{{% if {} %}}да{{% else %}}нет{{% endif %}}".format, paths),
    ),
    max_size=6,
).map("".join)


@settings(max_examples=200)
@given(plain_pieces, scopes, st.booleans())
def test_what_is_rendered_is_what_bare_python_liquid_renders(source, scope, autoescape):
    try:
        ours = compile_text(source, name="test", autoescape=autoescape).render(scope)
    except RenderError:
        return
    assert ours == Environment(autoescape=autoescape).from_string(source).render(scope)


@given(st.builds("{{{{ {} }}}}".format, paths), scopes)
def test_a_variable_is_missing_for_us_when_it_is_for_strict_python_liquid(source, scope):
    template = Environment(undefined=StrictUndefined).from_string(source)
    try:
        template.render(scope)
    except Exception:
        with pytest.raises(MissingVariable):
            compile_text(source, name="test").render(scope)
    else:
        compile_text(source, name="test").render(scope)


# -- what marketers write


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ contact.name }}, корзина ждёт", "Иван, корзина ждёт"),
        ("{{ contact.surname | default: 'друг' }}", "друг"),
        ("{{ contact.surname | capitalize | default: 'друг' }}", "друг"),
        ("{{ contact.nick | default: contact.name }}", "Иван"),
        ("{{ contact.nothing }}", ""),
        ("{% if contact.vip %} \n{% endif %}x", "x"),
        ("{{ contact.name | upcase }} {{ contact.name | downcase | capitalize }}", "ИВАН Иван"),
        ("{% if steps.letter.sent %}попало в спам{% else %}привет{% endif %}", "попало в спам"),
        ("{% if steps.chat.sent %}а{% elsif contact.age >= 18 %}б{% endif %}", "б"),
        ("{% if steps.sms.sent %}а{% endif %}б", "б"),
        ("{% if contact.vip and trigger.total > 1000 or contact.none %}а{% endif %}", "а"),
        ('{{ trigger.total | money: "KZT" }}', "12\u00a0500,50\u00a0₸"),
        ('{{ trigger.total | money: "KZT", "en" }}', "₸12,500.50"),
        ("{{ trigger.total | number }}", "12\u00a0500,5"),
        ("{{ link(trigger.cart_url) }}", "https://shop.example/c?a=1&b=2"),
    ],
)
def test_common_texts_take_the_fast_road(source, expected):
    template = compile_text(source, name="test")
    assert template.is_fast
    assert template.render(SCOPE) == expected


def test_a_loop_takes_the_slow_road_and_arrives():
    template = compile_text("{% for line in trigger.lines %}{{ line.title }};{% endfor %}", name="test")
    assert not template.is_fast
    assert template.render(SCOPE) == "A;B;"


def test_all_missing_variables_are_named_at_once():
    with pytest.raises(MissingVariable) as caught:
        render("{{ contact.surname }} {{ contact.name }} {{ trigger.city | upcase }} {{ contact.surname }}")
    assert caught.value.names == ("contact.surname", "trigger.city")


@pytest.mark.parametrize(
    "source",
    [
        "{{ x | plus: 1 }}",
        "{{ 1 | plus: x }}",
        "{{ x | date: '%d' }}",
        "{{ x | join }}",
        "{{ 1 | append: x | default: 2 }}",
    ],
)
def test_no_filter_hides_a_missing_variable(source):
    with pytest.raises(MissingVariable) as caught:
        render(source)
    assert caught.value.names == ("x",)


def test_a_person_never_sees_a_loop_over_nothing():
    with pytest.raises(MissingVariable):
        render("{% for line in trigger.products %}{{ line }}{% endfor %}")
    assert render("{% if trigger.products %}{% for l in trigger.products %}{% endfor %}{% endif %}ok") == "ok"


def test_values_are_made_safe_in_html_and_only_there():
    nasty = {"name": "<script>alert('x')</script>&"}
    assert render("<b>{{ contact.name }}</b>", autoescape=True, contact=nasty) == (
        "<b>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</b>"
    )
    assert render("{{ contact.name }}", contact=nasty) == nasty["name"]


@pytest.mark.parametrize("autoescape", [False, True])
@pytest.mark.parametrize(
    "source",
    ['{{ opt_in("max") }}', "{{- opt_in( 'max' ) -}}", "{% if contact.vip %}{{ opt_in('max') }}{% endif %}"],
)
def test_an_opt_in_link_is_asked_for_by_its_channel_and_escaped_where_html_is(source, autoescape):
    template = compile_text(source, name="test", autoescape=autoescape)
    assert template.is_fast and template.invites and template.variables <= {"contact.vip"}
    asked: list[str] = []
    scope = {**SCOPE, "opt_in": lambda channel: asked.append(channel) or "viber://pa?a=1&b=2"}
    shown = "viber://pa?a=1&amp;b=2" if autoescape else "viber://pa?a=1&b=2"
    assert [template.render(scope), template.render_slowly(scope)] == [shown] * 2
    assert asked == ["max", "max"]


def test_an_opt_in_link_is_nobodys_without_a_message():
    assert not compile_text("{{ contact.name }}", name="test").invites
    with pytest.raises(RenderError, match="only in a message to somebody"):
        render('{{ opt_in("telegram") }}')


@pytest.mark.parametrize(
    "source",
    [
        "{{ link(trigger.cart_url) }}",
        "{{ link( 'https://shop.example/c?a=1&b=2' ) }}",
        '{{- link("https://shop.example/c" | append: "?a=1&b=2") -}}',
        "{% link %}https://shop.example/c?a={{ 1 }}&amp;b=2{% endlink %}",
    ],
)
def test_links_reach_the_maker_bare_and_come_back_escaped(source):
    template = compile_text(source, name="test", autoescape=True)
    assert template.is_fast
    for fill in (template.render, template.render_slowly):
        followed: list[str] = []
        assert (
            fill({**SCOPE, "link": lambda url, to=followed: to.append(url) or "https://t/?x&y"})
            == "https://t/?x&amp;y"
        )
        assert followed == ["https://shop.example/c?a=1&b=2"]


def test_the_names_that_a_template_reads_are_known():
    source = "{% assign a = contact.name %}{{ a }}{{ link(trigger.url) }}{% if steps.x.sent %}{% endif %}"
    assert compile_text(source, name="test").variables == {"contact.name", "trigger.url", "steps.x.sent"}


# -- what is refused


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("один\nдва {{ contact.name", 2, "expected '}}'"),
        ("\n\n{% if x %}", 3, "expected tag endif"),
        ("\n{% if x %}\n{{ x | upcse }}{% endif %}", 3, "unknown filter 'upcse'"),
        ("{% include 'secret' %}", 1, "unexpected tag 'include'"),
        ("\n{% render 'secret' %}", 2, "unexpected tag 'render'"),
        ("{{ link(a) | upcase }}", 1, "must stand alone"),
        ("{{ link }}", 1, "link is not a variable"),
        ('{{ opt_in("telegram") | upcase }}', 1, "must stand alone"),
        ('{{ opt_in("sms") }}', 1, "knows no channel 'sms'"),
        ("{{ opt_in(trigger.channel) }}", 1, "must stand alone"),
        ("{{ opt_in }}", 1, "opt_in is not a variable"),
        ("a" * (MAX_SOURCE + 1), 1, "are over the"),
        ("{% if a %}" * 40 + "{% endif %}" * 40, 1, "nesting"),
    ],
)
def test_a_bad_template_says_where_what_and_what_to_do(source, line, problem):
    with pytest.raises(BadTemplate) as caught:
        compile_text(source, name="cart")
    assert caught.value.line == line
    assert problem in caught.value.problem
    assert caught.value.remedy
    assert str(caught.value).startswith(f"Template 'cart', line {line}: ")


@pytest.mark.parametrize(
    "source", ["{{ 'now' | date: '%Y' }}", "{{ 'Today ' | date: '%Y' }}", "{{ now }}", "{{ today }}"]
)
def test_there_is_no_clock_in_a_template(source):
    with pytest.raises(RenderError):
        render(source)


BOMB = "{% assign x = 'aaaaaaaaaa' %}"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "source",
    [
        BOMB + "{% assign x = x | append: x %}" * 40 + "{{ x }}",
        BOMB + "{% assign x = x | replace: 'a', x %}" * 8 + "{{ x }}",
        "{% assign x = 9 %}" + "{% assign x = x | times: x %}" * 40 + "{{ x }}",
        "{% for i in (1..1000000000) %}a{% endfor %}",
        "{% for i in (1..9000) %}{% for j in (1..9000) %}{% endfor %}{% endfor %}",
        "{{ (1..1000000000) | join: 'x' }}",
        BOMB + "{% for i in (1..9000) %}" + "{{ x }}" * 50 + "{% endfor %}",
        "{% assign x = 'a,b' | split: ',' %}" + "{% assign x = x | concat: x %}" * 40,
        "{% assign s = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' %}"
        + "{% assign s = s | append: s %}" * 9
        + "{% assign l = 'a,a,a,a,a,a,a,a,a,a,a' | split: ',' %}{{ l | join: s }}",
    ],
)
def test_a_bomb_fails_cleanly_and_soon(source):
    with pytest.raises(RenderError):
        render(source)


# -- money, dates, plurals and names


RUSSIAN, KAZAKH, ENGLISH = (
    Here("ru", "Asia/Almaty"), Here("kk-KZ", "Asia/Almaty"), Here("en", "Europe/London")
)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "here", "expected"),
    [
        ('{{ at | date: "d MMMM" }}', RUSSIAN, "9 марта"),
        ('{{ at | date: "d MMMM" }}', KAZAKH, "9 наурыз"),
        ('{{ at | date: "d MMMM" }}', ENGLISH, "8 March"),
        ('{{ at | date: "d MMMM, HH:mm", "en" }}', RUSSIAN, "9 March, 03:30"),
        ('{{ at | date: "%d.%m.%Y %H:%M" }}', RUSSIAN, "09.03.2026 03:30"),
        ('{{ day | date: "EEEE, d MMMM y" }}', RUSSIAN, "воскресенье, 8 марта 2026"),
        ('{{ seconds | date: "dd.MM HH:mm" }}', RUSSIAN, "09.03 03:30"),
        ('{{ ms | date: "dd.MM HH:mm" }}', RUSSIAN, "09.03 03:30"),
        ('{{ wall | date: "HH:mm" }}', RUSSIAN, "10:00"),
        ('{{ nothing | date: "d MMMM" | default: "скоро" }}', RUSSIAN, "скоро"),
        ('{{ total | money: "KZT" }}', KAZAKH, "12\u00a0500,50\u00a0₸"),
        ('{{ total | money: "KZT" }}', ENGLISH, "₸12,500.50"),
        ('{{ total | money: "KZT", "ru" }}', ENGLISH, "12\u00a0500,50\u00a0₸"),
        ("{{ total | number }}", ENGLISH, "12,500.5"),
        (
            '{{ total | translit }} {{ "Щука №1 — Әйгерім" | translit }}',
            RUSSIAN,
            "12500.5 Shchuka N1 - Aygerim",
        ),
    ],
)
def test_a_value_is_written_as_its_reader_would(source, here, expected):
    scope = {
        "at": "2026-03-08T22:30:00Z", "day": "2026-03-08", "seconds": 1_773_009_000, "ms": 1_773_009_000_000,
        "wall": "2026-03-08T10:00:00", "total": 12500.5, HERE: here,
    }  # fmt: skip
    template = compile_text(source, name="test")
    assert template.render(scope) == template.render_slowly(scope) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "товаров"), (1, "товар"), (2, "товара"), (5, "товаров"), (11, "товаров"), (21, "товар"),
     (112, "товаров"), (103, "товара"), ("1,5", "товара"), (-1, "товар")],
)  # fmt: skip
def test_a_plural_goes_with_its_number(count, expected):
    assert render('{{ n | plural: "товар", "товара", "товаров" }}', n=count) == expected
    assert render('{{ n | plural: "item", "items" }}', n=count) == ("item" if count in (1, -1) else "items")
    assert render('{{ n | plural: "тауар" }}', n=count) == "тауар"


@pytest.mark.parametrize("count", ["many", "1e9999999"])
def test_a_plural_goes_with_no_word(count):
    with pytest.raises(RenderError, match="a plural could go with"):
        render('{{ n | plural: "item", "items" }}', n=count)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ИВАНОВА АННА ПЕТРОВНА", "Анна"),
        ("анна", "Анна"),
        ("Анна Иванова", "Анна"),
        ("Иванова Анна", "Анна"),
        ("Нұрлан Серікұлы Ахметов", "Нұрлан"),
        ("Ахметова Айгүл Серікқызы", "Айгүл"),
        ("John Smith", "John"),
        ("анна-мария", "Анна-Мария"),
        ("И. Анна", "Анна"),
        ("", ""),
    ],
)
def test_a_given_name_is_found_in_a_full_one(name, expected):
    assert render("{{ n | first_name }}", n=name) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{{ "soon" | date: "d MMMM" }}', "is no instant"),
        ('{{ "x" | plural: "a", "b" }}', "is not a number"),
        ("{{ 1 | plural }}", "up to three forms"),
    ],
)
def test_a_value_that_cannot_be_written_so_stops_the_message(source, words):
    with pytest.raises(RenderError, match=words):
        render(source)


def test_a_text_in_latin_letters_has_room_in_one_sms():
    text = "Иван, корзина с Nike удалится завтра. Оформить: https://s.kz/AbC123 Отказ: СТОП"
    latin = render("{{ t | translit }}", t=text)
    assert (sms.parts(text), sms.parts(latin), sms.units(latin)) == (2, 1, 79)


@pytest.mark.parametrize(
    ("language", "hours", "said"),
    [
        ("ru", 11, "завтра в 08:00"),
        ("kk", 11, "ертең, 08:00"),
        ("en", 11, "tomorrow at 8:00 AM"),
        ("ru", 35, "послезавтра в 08:00"),
        ("kk", 35, "бүрсігүні, 08:00"),
        ("en", 59, "March 11 at 8:00 AM"),
        ("kk", -12, "бүгін, 09:00"),
        ("ru", 59, "11 марта в 08:00"),
    ],
)
def test_a_day_is_told_as_one_says_it_when_it_is_sent(language, hours, said):
    now = 1_772_985_600_000  # 8 March 2026, 21:00 in Almaty
    scope = {
        "at": (now + hours * 3_600_000) // 1000,
        HERE: Here(language, "Asia/Almaty", now),
    }
    assert compile_text("{{ at | day_words }}", name="t").render(scope) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Dear\u00a0Ann — “sale”…", 'Dear Ann - "sale"...'),
        ("Анна — “скидка”", "Анна — “скидка”"),  # Cyrillic: nothing is gained, so nothing is changed
        ("№ 5 — now", "№ 5 — now"),
    ],
)
def test_signs_are_made_plain_only_where_all_of_it_then_fits_gsm_7(text, said):
    assert compile_text("{{ t | gsm }}", name="t").render({"t": text}) == said


def test_kazakh_is_that_of_cldr():
    from babel import Locale

    kazakh, scope = Locale("kk"), {HERE: Here("kk", "Asia/Almaty")}
    for month in range(1, 13):
        told = compile_text("{{ d | date: 'd MMMM, EEEE' }}", name="t").render(
            {"d": f"2026-{month:02}-09", **scope}
        )
        assert told.startswith(f"9 {kazakh.months['format']['wide'][month]}, ")
        assert told.split(", ")[1] in kazakh.days["format"]["wide"].values()
    assert set(kazakh.plural_form.rules) == {"one"}, (
        "two forms, and a noun after a number stays in the singular"
    )
    money = compile_text("{{ 12500 | money: 'KZT' }}", name="t").render(scope)
    assert money.replace("\u00a0", " ") == f"12 500 {kazakh.currency_symbols['KZT']}"
