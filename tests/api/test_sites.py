"""A shop's pages over HTTP, lists of machines' addresses, and judging again."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from standardwebhooks import Webhook

from kaskad.domain.site import identity, read_origin, with_token

SHOP = "https://shop.example.org"


@pytest.fixture
def site(api):
    return api.put("/sites/shop", {"origins": [SHOP + "/"], "events": ["viewed"], "per_minute": 15})


def post(api, site, told, origin=SHOP, **more):
    headers = {"Origin": origin, "Content-Type": "text/plain", **more}
    return api.raw("POST", f"/site/{site['key']}/events", json=told, headers=headers)


def signed(api, who="ann"):
    return {"id": who, "signature": identity(api.get("/sites/shop/secret")["secret"], who)}


def track(name="viewed", number=1, **properties):
    return {"id": f"e{number}", "kind": "track", "name": name, "at": 1000, "properties": properties}


def test_a_signed_visitor_s_events_and_zone_are_kept_and_nobody_else_s(api, site):
    assert site["origins"] == [SHOP] and site["key"] in site["tag"] and "integrity" in site["tag"]
    api.put("/contacts/ann", {"email": "ann@example.org"})
    who = signed(api)
    told = {"sent": 5000, "who": who, "events": [track(sku="A-1")], "zone": "Asia/Almaty", "language": "kk"}
    answer = post(api, site, told)
    assert answer.status_code == 202 and answer.json() == {"accepted": 1, "refused": []}
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert post(api, site, told).json()["accepted"] == 1  # the same event again counts once
    (event,) = api.get("/contacts/ann/timeline")["items"][:1]
    assert (event["text"], event["details"]) == ("viewed", {"sku": "A-1"})
    kept = api.get("/contacts/ann")
    assert kept["attributes"] == {"site_language": "kk"} and kept["zones"]["zones"] == ["Asia/Almaty"]
    assert (kept["zones"]["source"], kept["zones"]["confidence"]) == ("site", "likely")

    forged = {"events": [track(number=2)], "who": {"id": "ann", "signature": "0" * 64}}
    assert "signature" in str(post(api, site, forged).json()["refused"])
    nobody = post(api, site, {"events": [track(number=3)]}).json()
    assert nobody["accepted"] == 0 and "identify" in nobody["refused"][0]
    other = post(api, site, {"events": [track("bought", 4)], "who": who}).json()
    assert other["accepted"] == 0 and "may not send" in other["refused"][0]
    stranger = post(api, site, {"events": [track(number=5)], "who": signed(api, "unknown")}).json()
    assert stranger["accepted"] == 0 and "no such contact" in stranger["refused"][0]
    assert len([one for one in api.get("/contacts/ann/timeline")["items"] if one["kind"] == "event"]) == 1


def test_a_key_opens_nothing_elsewhere_nor_for_ever(api):
    site = api.put("/sites/busy", {"origins": [SHOP], "events": ["viewed"], "per_minute": 15})
    told = {"events": []}
    assert post(api, site, told, origin="https://evil.example.org").status_code == 403
    assert post(api, {"key": "pk_none"}, told).status_code == 404
    assert post(api, site, {"events": [], "more": 1}).status_code == 422
    assert post(api, site, {"events": [track()] * 51}).status_code == 422
    codes = [post(api, site, told).status_code for _ in range(25)]
    assert set(codes) == {202, 429} and codes[0] == 202
    allowed = api.raw("OPTIONS", f"/site/{site['key']}/events", headers={"Origin": SHOP})
    assert allowed.status_code == 204 and allowed.headers["access-control-allow-methods"] == "POST"
    changed = api.put("/sites/busy", {"origins": [SHOP, "http://localhost:8000"]})
    assert changed["key"] == site["key"] and changed["events"] == []
    api.delete("/sites/busy")
    assert post(api, site, told).status_code == 404


def test_a_shop_signs_its_own_events(api, site):
    """The shop's side is the library of the standard."""
    api.put("/contacts/liz", {"email": "liz@example.org"})
    told = api.get("/sites/shop/secret")
    body = json.dumps(
        {"id": "o-1", "name": "bought", "contact": {"external_id": "liz"}, "properties": {"sum": 5}}
    )
    at = datetime.now(UTC)

    def send(body=body, at=at, secret=told["webhook_secret"], **headers):
        signature = Webhook(secret).sign("msg_1", at, body)
        own = {
            "webhook-id": "msg_1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        return api.raw("POST", urlsplit(told["webhook_url"]).path, content=body, headers={**own, **headers})

    assert send(
        **{"webhook-signature": f"v1,AAAA {Webhook(told['webhook_secret']).sign('msg_1', at, body)}"}
    ).json() == {"accepted": 1}
    assert send().status_code == 202  # again: the event counts once
    other = "whsec_" + "QUFB" * 8
    late = send(at=at - timedelta(minutes=6))
    bad = [send(secret=other), send(**{"webhook-id": "msg_2"}), late, send(**{"webhook-signature": ""}), send(
        **{"webhook-timestamp": "soon"})]  # fmt: skip
    assert [answer.status_code for answer in bad] == [401] * 5 and "clock" in late.text
    assert send(body="[]").json() == {"accepted": 0} and send(body="{").status_code == 400
    events = [one["details"] for one in api.get("/contacts/liz/timeline")["items"] if one["kind"] == "event"]
    assert events == [{"sum": 5}]


def test_the_script_is_small_and_kept_for_a_year(api):
    answer = api.raw("GET", "/site/1.js")
    assert answer.status_code == 200 and len(answer.content) < 3_000
    assert "immutable" in answer.headers["cache-control"]
    assert not {"eval", "cookie", "localStorage"} & set(answer.text.replace("(", " ").split())
    assert api.raw("GET", "/site/2.js").status_code == 404
    assert api.raw("GET", "/site/..%2Fpush-page.js").status_code == 404


def test_where_a_click_goes():
    assert with_token("https://shop.example.org/a?b=1", "t") == "https://shop.example.org/a?b=1#ksk=t"
    went = with_token("https://shop.example.org/a?b=%20#/cart", "t")
    assert urlsplit(went).fragment == "/cart" and parse_qs(urlsplit(went).query) == {"b": [" "], "ksk": ["t"]}
    assert read_origin("HTTPS://Shop.example.org:443/") == "https://shop.example.org"
    for wrong in ("shop.example.org", "https://shop.example.org/path", "ftp://shop.example.org", "https://*"):
        with pytest.raises(ValueError):
            read_origin(wrong)


APPLE = (
    "172.224.224.0/27,GB,GB-EN,London,\n172.224.224.32/27,GB,GB-EN,London,\n2a02:26f7:c000::/64,DE,,Berlin,\n"
)
AMAZON = '{"prefixes": [{"ip_prefix": "3.5.140.0/22"}], "ipv6_prefixes": [{"ipv6_prefix": "2600:1f::/36"}]}'
MICROSOFT = '{"values": [{"properties": {"addressPrefixes": ["13.66.60.119/32", "2603:1000::/47"]}}]}'


def bring(api, name, text, kind="relay", day="2026-11-20", status=200):
    query = {"kind": kind, "source": "https://example.org/list", "as_of": day}
    answer = api.call("PUT", f"/hits/ranges/{name}", content=text, params=query)
    assert answer.status_code == status
    return answer.json()


def test_lists_of_addresses_are_read_as_they_are_published(api):
    assert [one["name"] for one in api.get("/hits/ranges")["items"]] == ["apple-relay-starter"]
    assert bring(api, "apple", APPLE)["size"] == 2  # two neighbours are one network
    assert bring(api, "amazon", AMAZON, "cloud")["size"] == 2
    assert bring(api, "azure", MICROSOFT, "cloud")["size"] == 2
    assert bring(api, "own", "network\n# ours\n198.51.100.0/24  office\n", "scanner")["size"] == 1
    ranges = api.service.engine.world.ranges
    found = [
        ranges.kind(ip) for ip in ("172.224.224.40", "3.5.141.9", "2603:1000:1::1", "198.51.100.7", "8.8.8.8")
    ]
    assert found == ["relay", "cloud", "cloud", "scanner", None]
    refused = bring(
        api, "bad", "10.0.0.0/8\nnonsense\n0.0.0.0/0\n300.1.1.1\n", "moon", "tomorrow", status=422
    )
    assert "moon" in str(refused) and "tomorrow" in str(refused)
    refused = bring(api, "bad", "10.0.0.0/8\nnonsense\n0.0.0.0/0\n300.1.1.1\n", status=422)
    assert all(word in str(refused) for word in ("line 2", "line 3", "line 4"))
    names = ("own", "own", "apple-relay-starter")
    assert [api.call("DELETE", f"/hits/ranges/{name}").status_code for name in names] == [204, 404, 422]
    assert ranges is not api.service.engine.world.ranges


def test_judging_again_tells_what_it_would_change(api):
    assert api.post("/hits/reclassify", {"dry_run": True}) == {
        "messages": 0, "hits": 0, "changed": {}, "facts": 0, "outcomes": {}, "next": None,
    }  # fmt: skip
