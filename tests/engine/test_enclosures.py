"""Files go with a mail where their condition holds, pictures stand in it, links to files expire."""

from kaskad.domain.terms import Channel
from kaskad.store import files
from support.stage import Stage

CASCADE = """
cascade: offer
class: transactional
trigger: {event: asked}
steps:
  - id: mail
    channel: email
    subject: s
    html: '<img src="cid:logo" alt="x"> <a href="{{ files.prices }}">prices</a>'
    attach:
      - {file: prices, name: "Для {{ contact.name }}.pdf", if: contact.vip == true}
      - {file: terms}
"""
SENDER = {"sender": "Shop <shop@example.org>"}


def keep(stage, *names):
    with stage.db.write() as tx:
        for name in names:
            files.put(tx, name, f"{name}.pdf", "application/pdf", name, name.encode(), 1, "t", scanned=False)


def sent(stage):
    (parcel,) = stage.parcels
    return parcel.outgoing


def test_what_goes_with_a_mail(either):
    stage = Stage(either)
    stage.account(Channel.EMAIL, "email", provider="smtp", settings=SENDER)
    keep(stage, "logo", "prices", "terms")
    stage.cascade(CASCADE)
    stage.event(stage.person("ann", attributes={"vip": True}), "asked")
    told = sent(stage)
    assert [(one.name, one.content, one.cid) for one in told.files] == [
        ("Для ann.pdf", b"prices", ""), ("terms.pdf", b"terms", ""), ("logo.pdf", b"logo", "logo")
    ]  # fmt: skip
    link = told.html.split('href="')[1].split('"')[0]
    token = link.removeprefix("https://go.example.org/d/")
    with stage.db.write() as tx:
        assert files.by_id(tx, stage.world.signer.read_file(token, stage.clock.at)).name == "prices"
    assert f"prices ({link})" in told.text, "the text part has the same link"

    stage.parcels.clear()
    stage.event(stage.person("bob"), "asked")
    assert [one.name for one in sent(stage).files] == ["terms.pdf", "logo.pdf"]

    stage.parcels.clear()
    with stage.db.write() as tx:
        files.drop(tx, "terms")
    cid = stage.person("cid")
    stage.event(cid, "asked")
    assert stage.states(cid) == {"mail": "no_template"} and not stage.parcels

    keep(stage, "terms")
    stage.account(Channel.EMAIL, "email")
    dan = stage.person("dan")
    stage.event(dan, "asked")
    assert stage.states(dan) == {"mail": "no_template"}, "a webhook of one's own carries no files"
