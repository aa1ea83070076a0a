"""Several segments optimised at once: one version in which each goes its way, and keeps what it promises."""

import json

import pytest
from msgspec.structs import replace

from kaskad.actions.audience import Audience
from kaskad.actions.optimize import optimize
from kaskad.actions.optimized import Target
from kaskad.actions.simulate import Asked, prepared
from kaskad.cli.root import run
from kaskad.domain.cascade import Money
from kaskad.domain.definition import to_cascade
from kaskad.planning.orders import Freedom
from kaskad.planning.scene import staged
from support.came import CART, RATES, peopled_by


@pytest.fixture(scope="module")
def peopled(api):
    """Return an installation in which people of three kinds have come."""
    peopled_by(api, "cart")
    return api


def played(office, text, segment, kind):
    """Return what people of a kind do in a simulation, as they react, for each who enters."""
    rates = {
        name: f"{100 * rate:g}%"
        for step, rate in zip(("letter", "robot", "chat"), RATES[kind], strict=True)
        for name in (step, f"{step}_2") if f"{name}," in text
    }  # fmt: skip
    asked = Asked(
        text=text, whom=Audience(segment=segment), people=5_000, seed=5,
        file=json.dumps({"world": {"rates": rates}}),
    )  # fmt: skip
    told = staged(prepared(office, "cart", asked).scene).told
    return {
        "reach": told.reached / 5_000, "cost": told.cost["KZT"] / 5_000, "messages": told.messages / 5_000
    }  # fmt: skip


def test_segments_go_their_ways_in_one_version_that_keeps_what_it_promises(peopled, tmp_path, capsys):
    api = peopled
    asked = {
        "definition": CART,
        "everybody": True,
        "segments": ["cart-vip", "cart-few", "cart-nobody", "cart-vip-too"],
    }
    told = api.post("/cascades/cart/optimize", asked)
    parts = {one["segment"]: one for one in told["parts"]}
    assert [one["size"] for one in told["parts"]] == [300, 12, 0, 0, 500]
    assert parts["cart-vip"]["own"] and parts["cart-vip"]["seen"] == 300 and parts[""]["seen"] == 500
    assert parts["cart-vip"]["today"]["steps"] == ["letter", "robot", "chat"]
    assert parts["cart-vip"]["proposed"]["steps"] == ["letter", "chat", "robot"]
    # Who is in two of them is in the first; of twelve people nothing can be told.
    assert (
        not parts["cart-few"]["own"]
        and "at least 30 of them must have got the step" in parts["cart-few"]["why"]
    )
    for name in ("cart-nobody", "cart-vip-too"):
        assert not parts[name]["own"] and "all of these are in one before it" in parts[name]["why"]
    (order,) = told["proposals"]
    assert order["ready"] and order["changes"] == [] and order["order"] == []
    assert "the first of them" in order["cautions"][0] and "asked before each step" in order["cautions"][1]
    theirs, text = {one["segment"]: one for one in order["parts"]}, order["definition"]
    assert theirs["cart-vip"]["order"] == ["letter", "chat", "robot"]
    assert all(
        theirs[name]["order"] == ["letter", "robot", "chat"] for name in ("cart-few", "cart-nobody", "")
    )
    assert "# a letter, since it costs nothing" in text and text.count("segment(") == 2
    assert theirs["cart-vip"]["figures"]["cost"]["change"]["high"] < -1_000
    assert theirs[""]["figures"]["cost"]["change"] == {"low": 0, "high": 0}
    # Played, each part and all together do what is promised, within the ranges.
    found = {
        "cart-vip": played(api.service.office, text, "cart-vip", "vip"),
        "": played(api.service.office, text, "cart-others", "plain"),
    }
    for name in ("reach", "cost", "messages"):
        whole = (300 * found["cart-vip"][name] + 512 * found[""][name]) / 812
        for segment, value in (("cart-vip", found["cart-vip"][name]), ("", found[""][name]), ("all", whole)):
            figures = (order if segment == "all" else theirs[segment])["figures"]
            between = figures[name]["proposed_between"]
            assert between["low"] <= value <= between["high"], (segment, name, value, between)
    # What stands twice knows the past of the step that it was, and a forecast asks who is in which segment.
    steps = {one["step"]: one for one in api.post("/cascades/cart/forecast", {
        "definition": text, "everybody": True,
    })["steps"]}  # fmt: skip
    assert [steps[name]["passed"] for name in ("robot", "robot_2")] == [
        {"condition_false": 300}, {"condition_false": 512},
    ]  # fmt: skip
    again = api.post("/cascades/cart/optimize", {**asked, "definition": text})
    assert [one["seen"] for one in again["steps"]] == [812, 629, 374, 629] and again["proposals"] == []


def test_what_is_wished_holds_for_all_together_and_waits_are_those_of_each(peopled, tmp_path, capsys):
    api = peopled
    asked = {"definition": CART, "everybody": True, "segments": ["cart-vip", "cart-few"]}
    # A reach of 60 % of all: who can be reached for less is reached more.
    told = api.post("/cascades/cart/optimize", {**asked, "target_reach": 0.6})
    (order,) = told["proposals"]
    reach, cost = (order["figures"][name] for name in ("reach", "cost"))
    alone = api.post("/cascades/cart/optimize", {**asked, "segments": [], "target_reach": 0.6})["proposals"][
        0
    ]
    assert reach["proposed"] >= 0.6 and cost["proposed"] < 0.9 * alone["figures"]["cost"]["proposed"]
    theirs = {one["segment"]: one for one in order["parts"]}
    assert theirs["cart-vip"]["order"] == ["letter", "chat"] and theirs[""]["order"] == ["letter", "robot"]
    told = api.post("/cascades/cart/optimize", {**asked, "value": "500 KZT", "fades": "60d"})
    (order, waits) = told["proposals"]
    assert "not played" in waits["cautions"][-1] and "not played" not in str(order["cautions"])
    theirs = {one["segment"]: one for one in waits["parts"]}
    assert theirs["cart-vip"]["waits"] == {"letter": "4h", "robot": "1h"}
    assert theirs["cart-few"]["waits"] == theirs[""]["waits"] == {"robot": "1h"}
    assert (
        theirs["cart-vip"]["figures"]["hours"]["proposed"]
        < 5
        < 16
        < theirs[""]["figures"]["hours"]["proposed"]
    )
    whole = (
        300 * theirs["cart-vip"]["figures"]["cost"]["proposed"] + 512 * theirs[""]["figures"]["cost"]["now"]
    ) / 812
    assert waits["figures"]["cost"]["proposed"] == pytest.approx(whole, rel=0.01)
    steps = {step.id: step for step in to_cascade(waits["definition"], name="cart").steps}
    assert list(steps) == ["letter", "letter_2", "robot", "chat"] and not steps["letter"].wait
    assert steps["letter_2"].condition.text == 'segment("cart-vip") and not steps.letter.sent'
    # The command tells the same, and makes it the draft.
    api.put("/cascades/cart", content=CART)
    file, db = tmp_path / "better.yaml", ["--db", api.service.db.name]
    by = ["--everybody", "--by", "cart-vip", "--by", "cart-few", "--write", str(file), "--draft"]
    assert run(["optimize", "cart", *by, *db]) == 0
    shown = capsys.readouterr().out
    assert "cart-vip, 37%: letter > chat > robot" in shown and "everybody else: cost each" in shown
    assert "at least 30 of them must have got the step" in shown
    assert api.get("/cascades/cart")["draft"]["source"] == file.read_text()
    assert api.post("/cascades/cart/plan")["ok"]
    # Where everybody is in a segment there is nobody else; a reach that no choice keeps is said.
    whole = ["cart-vip", "cart-few", "cart-others"]
    told = api.post("/cascades/cart/optimize", {"definition": CART, "everybody": True, "segments": whole})
    assert [(one["segment"], one["own"]) for one in told["parts"]] == [
        ("cart-vip", True), ("cart-few", False), ("cart-others", True), ("", False),
    ] and told["proposals"][0]["ready"]  # fmt: skip
    told = api.post("/cascades/cart/optimize", {**asked, "target_reach": 0.99})
    assert told["proposals"] == [] and told["notes"] == ["No order of these steps keeps all limits."]
    # What nobody can tell is refused.
    for asked, said in (
        ({"typical": True, "segments": ["cart-vip"]}, "Typical people are in no segment"),
        ({"everybody": True, "segments": ["cart-vip", "cart-vip"]}, "each once"),
        ({"everybody": True, "segments": ["lost-one"]}, "There is no segment"),
        ({"everybody": True, "segments": list("abcdef")}, "at most 5"),
    ):
        wrong = api.call("POST", "/cascades/cart/optimize", asked)
        assert wrong.status_code in (404, 422) and said in wrong.text, wrong.text


def test_what_one_text_must_say_for_all_is_written_or_nothing_is(peopled, tmp_path, capsys):
    file, better = tmp_path / "cart.yaml", tmp_path / "better.yaml"
    looks = CART.replace("say: t", "say: t, if: steps.letter.sent")  # so the call stands once, for all
    file.write_text(looks)
    told = peopled.post("/cascades/cart/optimize", {"definition": looks, "everybody": True})
    stays = {step["step"]: step["fixed"] for step in told["steps"]}
    assert stays == {"letter": "looked_at", "robot": "condition", "chat": ""}
    assert all("letter" in spot["steps"] for spot in told["spots"]), "without it the call would say nothing"
    wished = ["--everybody", "--value", "500 KZT", "--fades", "60d", "--db", peopled.service.db.name]
    # A wait of the call, which is that of all parts, is in the text.
    assert run(["optimize", str(file), "--by", "cart-few", "--write", str(better), *wished]) == 0
    steps = {step.id: step for step in to_cascade(better.read_text(), name="cart").steps}
    assert steps["robot"].wait[-1].span.ms == 3_600_000
    # The letter would stand twice, and the call looks at it: no text says that, and the file stays as it is.
    assert run(["optimize", str(file), "--by", "cart-vip", "--write", str(file), *wished]) == 1
    told = capsys.readouterr()
    assert "robot looks at letter, which would stand twice" in told.out
    assert f"What is proposed cannot be written, so {file} is not written." in told.err
    assert file.read_text() == looks


def test_who_goes_as_everybody_else_is_told_so_and_limits_that_no_parts_keep(peopled, monkeypatch):
    # As it is now there is one order: a segment differs by its waits, or not at all.
    office, as_is = peopled.service.office, Target(value=Money(10_000_000, "KZT"), freedom=Freedom.AS_IS)
    by = {"whom": Audience(everybody=True), "segments": ["cart-vip"]}
    vip, others = optimize(office, "cart", CART, as_is, **by).parts
    assert not vip.own and vip.why == "the same does best for them" and others.own and not others.why
    fades = replace(as_is, fades_ms=12_000 * 86_400_000)
    told = optimize(office, "cart", CART, fades, **by)
    assert told.parts[0].own and not told.parts[0].why
    (waits,) = told.proposals
    assert waits.name == "waits" and waits.parts[0].waits != waits.parts[1].waits
    assert waits.parts[0].order == waits.parts[1].order
    # Where parts cannot keep a limit that the whole seems to, that is said beside all other notes.
    monkeypatch.setattr("kaskad.actions.optimize.settled", lambda _: None)
    push = CART + "  - {id: push, channel: push, title: s, text: t}\n"
    told = optimize(office, "cart", push, Target(reach=0.6), **by)
    assert told.notes[0] == "No order of these steps keeps all limits." and len(told.notes) > 1
    assert told.proposals == () and told.parts == ()
