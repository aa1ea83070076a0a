"""What a cascade could do better, as a page: looked at, wished for, made the draft."""

import re

from support.came import CART, accounts, came, peopled_by

PATH = "/cascades/cart/optimize"
# Words of the curves that stand beyond the edge of their picture, or one on top of another.
CUT = """() => [...document.querySelectorAll('[id^="wait-"] svg')].flatMap((svg) => {
  const edge = svg.getBoundingClientRect();
  const words = [...svg.querySelectorAll('text')].filter((one) => / (h|ч)$/.test(one.textContent));
  const boxes = words.map((one) => one.getBoundingClientRect());
  const beyond = (box) => box.left < edge.left || box.right > edge.right || box.top < edge.top;
  const meet = (one, other) => one !== other && one.left < other.right && other.left < one.right
    && one.top < other.bottom - 1 && other.top < one.bottom - 1;
  return words.filter((_, n) => beyond(boxes[n]) || boxes.some((box) => meet(box, boxes[n])))
    .map((one) => one.textContent);
})"""


def test_a_marketer_looks_wishes_and_makes_a_proposal_the_draft(visit, site):
    api = site.api
    api.put("/cascades/cart", content=CART)
    accounts(api)
    api.post("/cascades/cart/activate", {})
    came(api, "cart")
    wrong = []
    wish = f"{PATH}?who=typical&value=500 KZT&fades=24h&reach=70"
    for language, theme, width in (
        ("ru", "light", "wide"),
        ("en", "dark", "phone"),
        ("ru", "dark", "tablet"),
        ("ru", "light", "phone"),
    ):
        eyes = visit("marketer", language=language, theme=theme, width=width)
        page = eyes.goto(wish)
        page.wait_for_selector("#frontier svg")
        page.wait_for_selector("#wait-0 svg")
        eyes.shoot(f"optimize {width} {language} {theme}")
        wrong += eyes.axe() if width != "tablet" else []
        wrong += [f"too wide for a {width}"] if eyes.overflows() else []
        cut = page.evaluate(CUT)
        wrong += [f"{language}, {width}: {word} is cut" for word in cut]
    assert not wrong, "\n".join(wrong)

    page = visit("marketer").goto(wish)
    page.wait_for_selector("#p-order")
    said = page.locator("#better").inner_text()
    assert (
        "from place 3 to place 2" in said and " h instead of 24 h" in said and "h instead of 24h" not in said
    )
    page.get_by_role("button", name="Make it the draft").first.press("Enter")
    page.wait_for_url(re.compile("versions"))
    page.wait_for_selector("text=The proposal is the draft now.")
    assert page.locator(".diff-column").is_visible()
    assert page.locator(".acts a").get_attribute("href") == "/cascades/cart/edit"
    draft = api.get("/cascades/cart")["draft"]
    assert draft["source"].index("id: chat") < draft["source"].index("id: robot")
    assert draft["saved_by"] == "marketer@example.org"


def test_segments_with_ways_of_their_own_become_one_draft(visit, site):
    api = site.api
    peopled_by(api, "parts")
    wish = "/cascades/parts/optimize?who=everybody&by=parts-vip, parts-few"
    wrong = []
    for language, width in (("ru", "phone"), ("ru", "wide"), ("en", "wide")):
        eyes = visit("marketer", language=language, width=width)
        page = eyes.goto(wish)
        page.wait_for_selector("#parts")
        eyes.shoot(f"optimize segments {width} {language}")
        wrong += eyes.axe()
        wrong += [f"too wide for a {width}"] if eyes.overflows() else []
        cut = "[...document.querySelectorAll('#parts *')].some(e => e.scrollWidth > e.clientWidth + 1"
        cut += " && getComputedStyle(e).overflowX !== 'visible')"
        wrong += [f"the table of parts is cut, {width}"] if width == "wide" and page.evaluate(cut) else []
    assert not wrong, "\n".join(wrong)
    assert "at least 30 of them" in page.locator("#parts").inner_text()
    page.get_by_role("button", name="Make it the draft").first.press("Enter")
    page.wait_for_url(re.compile("versions"))
    draft = api.get("/cascades/parts")["draft"]["source"]
    assert "id: robot_2" in draft and 'segment("parts-vip") and not steps.robot.sent' in draft
    with site.client("marketer") as client:
        told = client.get("/cascades/parts/optimize?look_now=yes&who=everybody&by=nowhere").text
        assert "There is no segment" in told


def test_what_is_wrong_stands_beside_its_field_and_nothing_known_is_said(site):
    with site.client("viewer") as client:
        assert "being compared" in client.get("/cascades/news/optimize").text
        told = client.get("/cascades/news/optimize?look_now=yes&who=typical").text
        assert "messages are counted" in told or "figures of the field" in told
        assert "Make it the draft" not in told
        told = client.get("/cascades/news/optimize?value=five&reach=400&fades=q")
        assert told.status_code == 422 and "is not an amount" in told.text and "1 to 100" in told.text
    with site.client("marketer") as client:
        token = re.search(r'name="csrf" value="([^"]+)"', client.get("/cascades").text)[1]
        told = {"csrf": token, "order": "nobody", "revision": site.api.get("/cascades/draft")["revision"]}
        answer = client.post("/cascades/draft/optimize/draft", data=told)
        assert answer.status_code == 422 and "There is no step nobody" in answer.text
        page = client.get("/cascades/draft/optimize?look_now=yes&who=typical")
        assert page.status_code == 200
