"""What people see fits its place: long names wrap, axes keep their ends, buttons stay in the window."""

import re

VERSIONED = """cascade: versioned
title: Versioned
class: service
trigger: {{broadcast: all}}
steps:
  - {{id: chat, channel: telegram, text: "{text}", wait: 1h}}
"""
LONG = "a-name-that-goes-on-and-on-and-does-not-end"
TOO_WIDE = "each => each.scrollWidth > each.clientWidth"


def test_versions_fit_a_phone_with_the_buttons_that_make_one_the_draft(visit, site):
    for text in ("One", "Two"):
        site.api.put("/cascades/versioned", content=VERSIONED.format(text=text))
        site.api.post("/cascades/versioned/activate")
    opened = visit("owner", language="ru", width="phone")
    page = opened.goto("/cascades/versioned/versions")
    assert page.get_by_role("button", name="Сделать черновиком").count()
    opened.shoot("versions phone ru")
    assert opened.axe() == [] and not opened.overflows()


def test_a_long_address_and_a_long_id_wrap_in_the_list_of_contacts(visit, site):
    site.api.post("/contacts", {"external_id": LONG * 2, "addresses": [
        {"channel": "email", "value": f"{LONG}@{LONG}.example.org"}]})  # fmt: skip
    opened = visit("viewer", language="ru", width="phone")
    page = opened.goto("/contacts")
    opened.shoot("contacts long phone ru")
    assert not page.locator(".table-wrap").evaluate(TOO_WIDE)
    right = page.locator(".table-wrap").bounding_box()
    inside = right["x"] + right["width"]
    for place in page.locator(".table-wrap .clip, .table-wrap .ident").all():
        box = place.bounding_box()
        assert box is None or box["x"] + box["width"] <= inside
        assert not place.evaluate(TOO_WIDE), "it is told whole"


def test_an_address_breaks_before_its_at_on_a_phone(visit, site):
    site.api.post("/contacts", {"external_id": "mara", "email": "mara.orlova@shop.example.org"})
    page = visit("viewer", language="ru", width="phone").goto("/contacts?q=mara")
    page.set_viewport_size({"width": 375, "height": 812})
    (told,) = page.locator(".clip", has_text="mara").all()
    lines = told.evaluate("""each => [...each.childNodes].filter(one => one.nodeType === 3).map(one => {
      const range = document.createRange(); range.selectNodeContents(one);
      return range.getClientRects().length;
    })""")
    assert lines == [1, 1], "each half stands on a line of its own"


SAID = """each => {
  const drawn = document.createElement("canvas").getContext("2d"), looks = getComputedStyle(each);
  drawn.font = looks.font;
  const beside = parseFloat(looks.paddingLeft) + parseFloat(looks.paddingRight) + 16; // the arrow too
  const room = each.clientWidth - beside;
  return drawn.measureText(each.selectedOptions[0].text).width <= room;
}"""


def test_what_is_chosen_for_the_optimiser_is_told_whole_on_a_phone(visit, site):
    opened = visit("owner", language="en", width="phone")
    opened.page.set_viewport_size({"width": 375, "height": 812})
    page = opened.goto("/cascades/draft/optimize")
    opened.shoot("optimise phone en")
    chosen = page.locator(".filters select")
    assert chosen.count() == 2 and all(each.evaluate(SAID) for each in chosen.all())
    assert not opened.overflows()


def test_the_ends_of_the_axis_of_hours_stand_at_its_ends_on_a_phone(visit, site):
    page = visit("owner", language="ru", width="phone").goto("/")
    ends = page.locator(".hours + .key > span:not(.row)")
    begins, now = (ends.nth(each).bounding_box() for each in (0, 1))
    drawn = page.locator(".hours").bounding_box()
    assert abs(begins["y"] - now["y"]) < 2
    assert abs(now["x"] + now["width"] - drawn["x"] - drawn["width"]) < 2


def test_the_share_of_failures_is_of_all_that_was_tried(site):
    with site.client("viewer") as client:
        told = client.get("/?lang=en").text
    assert "failures: 1 (33%)" in told, "two have left, one was refused"


def test_a_preview_of_which_nothing_is_said_is_of_the_first_step_and_somebody(site):
    with site.client("marketer") as client:
        for slug in ("draft", "wrong"):
            told = VERSIONED.format(text="Hello").replace("versioned", slug)
            site.api.put(f"/cascades/{slug}", content=told if slug == "draft" else told.replace("1h}", "1q}"))
            page = client.get(f"/cascades/{slug}/preview?lang=en").text
            assert 'class="bubble">Hello' in page and 'class="note bad"' not in page, slug


def test_the_preview_names_the_first_step_to_whatever_it_asks(site):
    """Nothing else takes a step without a name for the first one."""
    told = VERSIONED.format(text="Hello").replace("versioned", "letters")
    site.api.put(
        "/cascades/letters", content=told.replace("telegram,", "email, subject: News, html: <p>Hello</p>,")
    )
    with site.client("marketer") as client:
        assert "preview/letter?step=chat&amp;who=" in client.get("/cascades/letters/preview").text
        assert client.get("/cascades/letters/preview/letter?step=chat&who=ann").status_code == 200
        assert client.get("/cascades/letters/preview/letter?who=ann").status_code == 404


LARGE = """
const much = "123\u00a0456", share = "<small class=quiet>45\u00a0%</small>";
for (const row of document.querySelectorAll(".by-step .table:has(.chip) tbody tr"))
  [...row.querySelectorAll("td.number")].forEach((cell, place) => {
    cell.textContent = place < 6 ? much : "1\u00a0234\u00a0567\u00a0₸";
    if ([2, 3].includes(place))
      cell.innerHTML = `<span>${much} ${share}<span class="quiet"> / ${much} ${share}</span></span>`;
  });
"""


TABLES = (
    "/contacts", "/cascades", "/channels", "/segments", "/segments/lists", "/settings/people",
    "/settings/audit", "/settings/law", "/settings/hours", "/settings/caps", "/cascades/news",
    "/cascades/news/figures", "/cascades/news/money", "/channels/complaints",
)  # fmt: skip


def test_a_cell_is_called_on_a_phone_as_its_column_is_on_a_screen(site):
    apart = {}
    with site.client("owner") as client:
        for path in TABLES:
            page = client.get(f"{path}?lang=en").text
            heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
            named = {re.sub("<[^>]+>", "", one).strip() for one in heads}
            apart[path] = set(re.findall('data-label="([^"]+)"', page)) - named
    assert {path: names for path, names in apart.items() if names} == {}


def test_a_report_of_large_figures_fits_its_table_in_russian(visit, site):
    page = visit("viewer", language="ru").goto("/cascades/news")
    steps = page.locator(".by-step .table-wrap:has(.chip)")
    steps.wait_for()
    page.evaluate(LARGE)
    assert "123\u00a0456" in steps.inner_text()
    assert not steps.evaluate(TOO_WIDE)


def test_names_on_an_axis_are_broken_where_words_end_or_are_joined(visit, site):
    page = visit("viewer", width="phone").goto("/cascades/news")
    script = (
        page.locator("script[src*='/js/report.js']").get_attribute("src").replace("report.js", "charts.js")
    )
    told = "the list spring-sale-of-garden-chairs\nSunday, 29 November"
    lines = page.evaluate("async ([from, name]) => (await import(from)).folded(name, 104)", [script, told])
    assert "".join(lines).replace(" ", "") == told.replace(" ", "").replace("\n", ""), "nothing is lost"
    assert all(line.split()[-1][-1] == "-" or f"{line} " in f"{told} ".replace("\n", " ") for line in lines)
    assert len(lines) > 3


def test_a_form_of_alarms_stands_in_one_column_on_a_phone(visit, site):
    page = visit("owner", language="ru", width="phone").goto("/settings/alarms")
    through, to = (page.locator(f"[name={name}]").bounding_box() for name in ("account", "to"))
    assert to["y"] > through["y"] + through["height"] and to["width"] > 250
