"""The measures of a cascade, counted slowly from messages and facts as `test_reach` writes them."""

from collections import defaultdict
from typing import Any

from kaskad.domain.terms import Channel, Kind
from kaskad.providers import PROVIDERS

HOUR = 3_600_000
WEEK = 7 * 24 * HOUR


def submitted_at(step: int) -> int:
    """Return when a message was submitted: the first two in one day, the third on the next."""
    return step * 15 * HOUR


def at_of(contact: int, step: int, kind: Kind) -> int:
    """Return when a fact happened: some of later steps before those of earlier ones, some too late."""
    late = 8 * 24 * HOUR if (contact + kind) % 5 == 0 else 0
    return 40 * HOUR + 100 - step * 7 + kind.value + late


STEPS = ("letter", "chat", "sms")
RECEIPTS = PROVIDERS["generic_webhook"].capabilities.receipts  # of all channels but mail: that tells nothing
NOT_FAILED = {"sent", "delivered", "read", "unknown"}
REFUSED = {Kind.UNSUBSCRIBED, Kind.COMPLAINED}
SENT = {"sent", "delivered", "read", "failed", "bounced", "expired", "unknown"}
HUMAN = {Kind.OPENED, Kind.READ, Kind.ANSWERED, Kind.CLICKED, Kind.REPLIED, Kind.KEYPRESS, Kind.ASKED_AGENT}
Counted = tuple[int, int]


class Sent:
    """One message, with what was told of it within a week of its submission."""

    def __init__(self, row: dict[str, Any], person: Any) -> None:
        self.contact: int = row["contact"]
        self.number: int = row["step"]
        self.step, self.channel = STEPS[row["step"]], row["channel"].value
        self.state: str = row["state"].value
        self.submitted_at = submitted_at(row["step"])
        self.facts = {kind: at_of(row["contact"], row["step"], kind) for kind in row["facts"]}
        self.week = {kind for kind, at in self.facts.items() if at <= self.submitted_at + WEEK}
        self.holdout, self.goal = bool(person[0]), bool(person[4])
        self.tracked = self.contact == 1 or self.contact % 3 > 0
        self.left = False

    @property
    def tells(self) -> bool:
        return self.channel != Channel.EMAIL

    @property
    def delivered(self) -> bool:
        return self.state in ("delivered", "read")

    @property
    def arrived(self) -> bool:
        refused = self.state in SENT and REFUSED & self.facts.keys()
        return bool(refused) or (self.delivered if self.tells else self.state in NOT_FAILED)

    @property
    def reaches(self) -> bool:
        return bool(HUMAN & self.facts.keys()) or (self.channel == Channel.SMS and self.delivered)


def mark_left(messages: list[Sent]) -> None:
    """Note of each run the last that had arrived before its opt-out, if that came within a week."""
    runs: dict[int, list[Sent]] = defaultdict(list)
    for one in messages:
        runs[one.contact].append(one)
    for sent in runs.values():
        outs = [one.facts[Kind.UNSUBSCRIBED] for one in sent if Kind.UNSUBSCRIBED in one.facts]
        before = [one for one in sent if one.arrived
                  and outs and one.submitted_at <= min(outs) <= one.submitted_at + WEEK]  # fmt: skip
        if before:
            max(before, key=lambda one: one.submitted_at).left = True


def slow_rates(messages: list[Sent]) -> dict[str, Counted]:
    """Return the rates of messages, as the sentences of OF_MESSAGES say them."""
    reads = Kind.READ in RECEIPTS
    telling = [one for one in messages if one.state in SENT and one.tells]
    arrived = [one for one in messages if one.arrived]
    mails = [one for one in arrived if one.channel == Channel.EMAIL]
    opened = [one for one in mails if Kind.OPENED in one.week]
    prefetched = [one for one in mails if Kind.MACHINE_OPENED in one.week and one not in opened]
    unopened = [one for one in mails if one.tracked and one not in opened and one not in prefetched]
    chats = [one for one in arrived if one.channel in ("telegram", "whatsapp") and reads]
    clicked = [one for one in arrived if Kind.CLICKED in one.week]
    by_any = {Kind.CLICKED, Kind.MACHINE_CLICKED, Kind.SUSPECTED_CLICKED}

    def of(found: list[Sent], whole: list[Sent]) -> Counted:
        return len(found), len(whole)

    seen = opened + unopened
    return {
        "delivery_rate": of([one for one in telling if one.delivered], telling),
        "open_rate": of(opened, seen),
        "open_rate_raw": of(opened + prefetched, seen + prefetched),
        "observable_share": of(seen + chats, arrived),
        "read_rate": of([one for one in chats if HUMAN & one.week], chats),
        "ctr": of(clicked, arrived),
        "ctr_raw": of([one for one in arrived if by_any & one.week], arrived),
        "ctor": of([one for one in clicked if one.channel == Channel.EMAIL], opened),
        "goal_rate": of([one for one in arrived if one.goal], arrived),
        "unsubscribe_rate": of([one for one in arrived if one.left], arrived),
        "complaint_rate": of([one for one in arrived if Kind.COMPLAINED in one.week], arrived),
    }


def slow_runs(people: list[Any], messages: list[Sent], later: list[int]) -> dict[str, Counted]:
    """Return the rates of runs, as the sentences of OF_RUNS say them; `later` went beyond the first step."""
    entered = [number for number, person in enumerate(people, 1) if not person[0]]
    held = [number for number, person in enumerate(people, 1) if person[0]]
    goals = {number for number, person in enumerate(people, 1) if person[4]}
    acted = {Kind.CLICKED, Kind.REPLIED, Kind.KEYPRESS, Kind.ASKED_AGENT}

    def those(fits: Any) -> set[int]:
        return {one.contact for one in messages if fits(one)} & set(entered)

    delivered = those(lambda one: one.delivered)
    clicked = those(lambda one: Kind.CLICKED in one.facts)
    firsts: dict[int, tuple[int, int]] = {}
    for one in messages:
        for kind in HUMAN & one.facts.keys():
            at = (one.facts[kind], one.number)
            firsts[one.contact] = min(firsts.get(one.contact, at), at)
    rescued = {contact for contact, (_, step) in firsts.items() if step} & set(entered)
    n = len(entered)
    return {
        "reach_delivered": (len(delivered), n),
        "reach_seen": (len(those(lambda one: HUMAN & one.facts.keys())), n),
        "reach_seen_or_sms_delivered": (len(those(lambda one: one.reaches)), n),
        "reach_reacted": (len(those(lambda one: acted & one.facts.keys())), n),
        "cascade_conversion": (len(rescued), n),
        "rescue_rate": (len(rescued), len(set(later) & set(entered))),
        "cr_entered": (len(goals & set(entered)), n),
        "cr_delivered": (len(goals & delivered), len(delivered)),
        "cr_click": (len(goals & clicked), len(clicked)),
        "cr_kept": (len(goals & set(entered)) - len(came_back(people, 2)), n),
        "goals_returned": (len(came_back(people, 1)), len(goals & set(entered))),
        "cr_holdout": (len(goals & set(held)), len(held)),
        "cr_holdout_kept": (sum(bool(people[n - 1][4]) and people[n - 1][4][2] < 2 for n in held), len(held)),
        "run_unsubscribe_rate": (len(those(lambda one: one.left)), n),
    }


def came_back(people: list[Any], least: int) -> set[int]:
    """Return whose goal came back: 1 in part or whole, 2 whole; without the control group."""
    return {
        number for number, person in enumerate(people, 1)
        if person[4] and not person[0] and person[4][2] >= least
    }  # fmt: skip
