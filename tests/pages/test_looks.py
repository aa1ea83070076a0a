"""Every page of the shell at three widths, in both languages and colours: accessible, within the window."""

import re

import pytest

PAGES = {
    "/": "owner", "/cascades/news": "owner", "/cascades/draft": "owner",
    "/cascades/news/forecasts": "viewer", "/cascades/draft/forecasts": "owner", "/settings": "owner",
    "/cascades/draft/simulate": "viewer",
    "/settings/people": "owner", "/settings/audit": "owner", "/account": "owner",
    "/calls": "owner", "/inbox": "owner", "/channels": "owner", "/channels/accounts/telegram": "owner",
    "/settings/brand": "owner", "/settings/health?look=now": "owner",
    "/settings/hours": "owner", "/settings/caps": "owner", "/settings/law": "owner",
    "/settings/keys": "owner", "/settings/retention": "owner", "/settings/suppressions": "owner",
    "/settings/webhooks": "owner", "/settings/rates": "owner",
    "/channels/complaints?look_now=yes": "viewer",
    "/channels/providers": "owner", "/channels/providers/smtp": "owner",
    "/start/brand": "owner", "/start/launch": "owner", "/phones": "owner",
    "/contacts": "viewer", "/contacts/con_2": "owner", "/account?code=new": "viewer",
    "/segments": "owner", "/segments/of/inactive-90": "viewer", "/segments/lists": "viewer",
    "/templates": "owner", "/approvals": "owner",
    "/ui": "owner", "/sign-in": "", "/settings/exports": "viewer",
}  # fmt: skip


IN_BOTH = {"/", "/contacts", "/contacts/con_2", "/cascades/news", "/ui"}  # the others' turns alternate
LOOKS = (("ru", "light", "wide"), ("en", "dark", "phone"))


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_pages_are_accessible_and_fit_every_window(visit, site, look):
    language, theme, looked_at = look
    with site.client("owner") as client:
        sprite = re.findall(r'href="([^"]+icons\.svg)#', client.get("/ui").text)[0]
        symbols = set(re.findall(r'symbol id="([a-z0-9-]+)"', client.get(sprite).text))
    wrong = []
    turns = [path for number, path in enumerate(PAGES) if number % 2 == LOOKS.index(look)]
    for role in ("owner", "viewer", ""):
        opened = visit(role, language=language, theme=theme)
        for path in (path for path, whose in PAGES.items() if whose == role):
            opened.goto(path)
            used = set(re.findall(r"icons\.svg#([a-z0-9-]+)", opened.page.content()))
            wrong += [f"{path}: no icon {name}" for name in used - symbols]
            for width in ("wide", "tablet", "phone"):
                opened.resize(width)
                opened.shoot(f"{path} {width} {language} {theme}")
                if opened.overflows():
                    wrong.append(f"{path} is too wide for a {width}")
                if width == looked_at and (path in IN_BOTH or path in turns):
                    wrong += [f"{path} {width} {theme}: {each}" for each in opened.axe()]
    assert wrong == []
