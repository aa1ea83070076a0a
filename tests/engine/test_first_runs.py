"""First runs, whose rows are made once for all who are alike, are those that are made one by one."""

from msgspec.structs import replace

from kaskad.domain.policy import ControlGroup, Policy
from kaskad.domain.trials import shared_out
from kaskad.engine import enrol
from kaskad.store import cascades, trials
from support.databases import migrated
from support.one_count import rows
from support.stage import Stage

TEXT = """
cascade: {name}
title: T
class: {kind}
trigger: {{{trigger}}}
{more}
steps:
  - {{id: one, channel: sms, text: t, wait: 2h}}
"""
CASCADES = {  # name: class, trigger, what else
    "plain": ("service", "event: plain, delay: 90m", ""),
    "daily": ("service", "event: daily, delay: 1d", "reentry: restart"),
    "keyed": ("service", "event: keyed, key: cart", "reentry: once_ever"),
    "slots": ("service", "event: slots, key: cart", "reentry: parallel_by_key"),
    "held": ("service", "event: held", "holdout: 30%"),
    "asked": ("service", """event: asked, if: "trigger.cart == 1\"""", ""),
    "offer": ("advertising", "event: offer", "topic: offers"),  # of which the control group gets nothing
}
ALL = list(CASCADES)
LEFT = (
    "* FROM runs", "* FROM run_data", "contact_id, run_id, step, state, submitted_at FROM messages",
)  # fmt: skip


def text_of(like, **changes):
    kind, trigger, more = CASCADES[like]
    return TEXT.format(**{"name": like, "kind": kind, "trigger": trigger, "more": more} | changes)


def put_on_trial(stage, name, text):
    """Let half of those who enter the cascade enter this text of it."""
    with stage.db.write() as tx:
        row = cascades.by_slug(tx, name)
        made = cascades.freeze_version(tx, row.id, text, stage.clock.now())
        number = trials.begin(tx, row.id, row.version_id, None, "ann", stage.clock.now())
        trials.put_arms(tx, number, shared_out((), {made.id: 5_000}), stage.clock.now())
    stage.engine._load()


def played(path):
    """Return all runs, their data, messages and refusals of three rounds in which people enter at once."""
    db = migrated(path)
    stage = Stage(db, policy=replace(Policy.unlimited(), control=ControlGroup(share=3_000)))
    for name in CASCADES:
        stage.cascade(text_of(name))
    put_on_trial(stage, "plain", text_of("plain", trigger="event: plain, delay: 20m"))
    people = []
    for turn in range(3):
        people += [stage.person(f"p{turn}-{n}") for n in range(28)]
        with db.write() as tx:
            tx.script(f"UPDATE contacts SET seed = 1 WHERE id IN ({people[-1]}, {people[-3]}, {people[-5]})")
        stage.engine._load()
        events = [
            stage.told(who, ALL[(n + turn % 2) % 7], cart=n // 7 % 2, ago=("0s", "5m")[n // 14 % 2])
            for n, who in enumerate(people)
        ]
        if turn == 1:  # none is made for all where somebody asks twice: here one who is new, by "plain"
            events.append(stage.told(people[48], ALL[49 % 7]))
        stage.deliver(events=events).result(0)  # none is refused
        stage.passes("45m")
    everybody = stage.cascade(text_of("keyed", name="news", trigger="broadcast: all"))
    people.append(stage.person("last"))
    with db.write() as tx:
        cascades.launch(tx, cascades.cascade(tx, everybody).version_id, None, 0, stage.clock.now())
    stage.passes("P2D")
    found = [rows(db, f"SELECT {columns} ORDER BY 1, 2, 3") for columns in LEFT]
    found.append(dict(stage.world.work.refusals))
    db.close()
    return found


def test_rows_made_for_all_who_are_alike_are_those_made_one_by_one(tmp_path, monkeypatch):
    of, alike = enrol._Firsts.of, []

    def noted(self, request):
        found = of(self, request)
        alike.extend([request.version.cascade.id] if found else [])
        return found

    monkeypatch.setattr(enrol._Firsts, "of", noted)
    together = played(tmp_path / "together.db")
    monkeypatch.setattr(enrol._Firsts, "of", lambda self, request: None)
    one_by_one = played(tmp_path / "one_by_one.db")
    for these, those in zip(together, one_by_one, strict=True):
        assert these == those
    assert set(alike) == {"plain", "daily", "keyed", "news"}, "the others are looked at one by one"
