"""What the measures of a cascade say: one table for reports, pages, the API and docs/figures.md.

A sentence says what is counted, of what; `wary` what to be careful about. All are shares of pooled counts,
never means of shares. What machines did is in `_raw` only; what came more than seven days after its message
was submitted counts nowhere; test and seed contacts are in nothing.
"""

from __future__ import annotations

from msgspec import Struct

from kaskad.domain.worded import worded


class Measure(Struct, frozen=True):
    """One measure: how it is called, what it says, and what to be wary of; worded for pages."""

    called: str
    says: str
    wary: str = ""


OF_MESSAGES = {  # of a step, a channel, a variant, or all of them; in messages
    "delivery_rate": Measure(
        worded("Delivery rate"),
        worded("Delivered messages by sent ones, of the services that tell of deliveries."),
        worded(
            "A text that was delivered and a mail that was opened are different events: do not "
            "compare them."
        ),
    ),
    "open_rate": Measure(
        worded("Open rate"),
        worded(
            "Mails that a person opened within seven days, by those that arrived and could be "
            "seen opened."
        ),
        worded(
            "Not seen opened can be: text without HTML, who does not let openings be noted, and "
            "mails that only a machine has opened."
        ),
    ),
    "open_rate_raw": Measure(
        worded("Opened, with machines"),
        worded(
            "The same with machines: mails opened by whomever, by those that arrived and could be "
            "seen opened."
        ),
        worded("Mail programs that load all pictures raise it."),
    ),
    "observable_share": Measure(
        worded("Can be seen opened"),
        worded("Messages that can be seen opened or read, by all that arrived."),
        worded("Where it is low, open and read rates are of few."),
    ),
    "read_rate": Measure(
        worded("Read rate"),
        worded(
            "Messages in a messenger that a person read within seven days, or did more with, by "
            "those that arrived over a service that tells of reading."
        ),
    ),
    "ctr": Measure(
        worded("Clicked (CTR)"),
        worded("Messages in which a person clicked within seven days, by those that arrived."),
        worded("Of two launches together it is all of these by all of those, not the mean of both shares."),
    ),
    "ctr_raw": Measure(
        worded("Clicked, with machines"),
        worded("The same with machines and with clicks of whom nobody knows who made them."),
        worded("Scanners of mail click all links."),
    ),
    "ctor": Measure(
        worded("Clicked of opened (CTOR)"),
        worded(
            "Mails in which a person clicked, by mails that a person opened; not known where none "
            "is seen opened."
        ),
        worded("Machines that open lower it where they are not told apart."),
    ),
    "goal_rate": Measure(
        worded("Goal rate"),
        worded("Messages that arrived whose person came to the goal, by those that arrived."),
        worded(
            "A later step is sent to the silent only: its rate is not to be compared with that of "
            "the first step, and is no proof of what the step brings."
        ),
    ),
    "unsubscribe_rate": Measure(
        worded("Opt-out rate"),
        worded(
            "People who opted out within seven days of this message, the last one before it, by "
            "messages that arrived."
        ),
    ),
    "complaint_rate": Measure(
        worded("Spam complaints"),
        worded("Messages that a person reported as spam within seven days, by those that arrived."),
        worded("As the services tell; Gmail tells nobody, and has a figure of its own."),
    ),
}  # fmt: skip


OF_RUNS = {  # of the whole cascade; in runs: who enters again counts again. The control group is aside.
    "reach_delivered": Measure(
        worded("Reached: delivered"),
        worded("Runs with a message that was delivered, by runs that entered."),
        worded("Receipts come late: the figure of yesterday is another one today."),
    ),
    "reach_seen": Measure(
        worded("Reached: seen"),
        worded(
            "Runs with a message that a person opened, read, answered, or did more with, by runs "
            "that entered."
        ),
        worded("A target of 80 per cent means this one."),
    ),
    "reach_seen_or_sms_delivered": Measure(
        worded("Reached: seen, or an SMS delivered"),
        worded("The same, an SMS that was delivered taken for seen, by runs that entered."),
        worded("Nobody can see that an SMS was read."),
    ),
    "reach_reacted": Measure(
        worded("Reached: reacted"),
        worded("Runs in which a person clicked, replied or pressed a key, by runs that entered."),
    ),
    "cascade_conversion": Measure(
        worded("Cascade conversion"),
        worded(
            "Runs in which the first message that the person saw was of a later step, by runs that entered."
        ),
        worded("Without the later steps some of them would have seen the first one, later."),
    ),
    "rescue_rate": Measure(
        worded("Rescue rate"),
        worded("The same, by runs that went beyond the first step."),
    ),
    "cr_entered": Measure(
        worded("Goals, of those who entered"),
        worded("Runs whose goal came within its time, by runs that entered."),
        worded(
            "It came with the cascade, not because of it: that is told by the control group only. What is "
            "the goal of two cascades counts in both."
        ),
    ),
    "cr_delivered": Measure(
        worded("Goals, of those delivered to"),
        worded("Of the runs with a delivered message, those whose goal came within its time."),
    ),
    "cr_click": Measure(
        worded("Goals, of those who clicked"),
        worded("Of the runs in which a person clicked, those whose goal came within its time."),
    ),
    "cr_kept": Measure(
        worded("Goals that were kept"),
        worded(
            "Runs whose goal came within its time and did not come back whole, by runs that entered: of "
            "a cascade for abandoned carts, the carts that were bought and kept."
        ),
        worded("Returns come late: the last weeks look better than they will."),
    ),
    "goals_returned": Measure(
        worded("Goals that came back"),
        worded("Goals of which something came back, in part or whole, by goals."),
        worded("Where the cascade names no event for returns (goal.returned), none is known."),
    ),
    "cr_holdout": Measure(
        worded("Goal in the control group"),
        worded("Runs of the control group whose goal came within its time, by all of the control group."),
        worded("Whoever is in it may have got messages of another cascade."),
    ),
    "cr_holdout_kept": Measure(
        worded("Goals kept in the control group"),
        worded(
            "Runs of the control group whose goal came within its time and did not come back whole, by "
            "all of the control group."
        ),
        worded("Hold goals that were kept against this: what is above it was brought and stayed."),
    ),
    "goal_gain": Measure(
        worded("Gain in goals"),
        worded(
            "Goals by runs that entered, less goals by runs held out: of a cascade for abandoned "
            "carts, the carts that returned because of it."
        ),
        worded(
            "Whether that could be chance is told by the tab “Does it work?”, also to who looks every day: "
            "one day it seems to be there by chance. The 20 per cent of carts that shops speak of are gross."
        ),
    ),
    "run_unsubscribe_rate": Measure(
        worded("Opted out, by runs"),
        worded("People who opted out within seven days of a message of their run, by runs that entered."),
        worded("Counted by people: counted by messages, a long cascade would hide them."),
    ),
}  # fmt: skip


OF_MONEY = {  # of the whole cascade, by currency
    "cost_entered": Measure(
        worded("Cost for each who entered"),
        worded("What all messages cost, failed ones too, by runs that entered."),
    ),
    "cost_delivered": Measure(
        worded("Cost for each reached: delivered"),
        worded("The same by runs with a delivered message."),
    ),
    "cost_seen": Measure(
        worded("Cost for each reached: seen"),
        worded("The same by runs with a message that a person saw."),
    ),
    "cost_seen_or_sms_delivered": Measure(
        worded("Cost for each reached: seen, or an SMS delivered"),
        worded("The same, an SMS that was delivered taken for seen."),
    ),
    "cost_reacted": Measure(
        worded("Cost for each reached: reacted"),
        worded("The same by runs in which a person reacted."),
    ),
    "cost_goal": Measure(
        worded("Cost for each goal"),
        worded("The same by goals."),
    ),
    "revenue": Measure(
        worded("Revenue of goals"),
        worded("What the goals were worth by their events, less what came back of it."),
        worded(
            "Returns are deducted whenever they come, so that past periods change; only those whose "
            "event the cascade names (goal.returned)."
        ),
    ),
    "returned": Measure(
        worded("Came back"),
        worded("What came back of the worth of goals: it is in no revenue."),
    ),
    "revenue_each": Measure(
        worded("Revenue for each who entered"),
        worded("Revenue by runs that entered."),
    ),
    "revenue_gain": Measure(
        worded("Gain in revenue for each who entered"),
        worded(
            "Revenue by people who entered, by their first runs, those who brought nothing too, less the "
            "same by people held out."
        ),
        worded(
            "Not shown where its 95 per cent interval (bootstrap over people) holds zero, or where fewer "
            "than five of either have come to the goal: a few large orders make it."
        ),
    ),
}  # fmt: skip


OF_CUSTOMERS = {  # across cascades, by the events of a name
    "retention": Measure(
        worded("Retention"),
        worded(
            "Customers at the end of a period who were customers at its start, by customers at "
            "its start; a purchase makes a customer for so many periods."
        ),
        worded(
            "New customers and those won back are left out. It hangs on the period: take the time "
            "in which people of your trade usually buy again."
        ),
    ),
    "cohort": Measure(
        worded("Cohort"),
        worded("Of those who first bought in a period, those who bought in the period so many after it."),
        worded("The period under way is not over, and is in none."),
    ),
    "ltv": Measure(
        worded("Worth to date (LTV)"),
        worded(
            "The margin of what customers have bought to date, less returns where their events "
            "are named, by customers."
        ),
        worded("Profit, not revenue: without a margin it is not known."),
    ),
    "ltv_predicted": Measure(
        worded("Predicted worth (LTV)"),
        worded(
            "The margin of a customer in a period, by the churn of periods and the discount: "
            "margin × (1 + d) / (d + churn)."
        ),
        worded("It takes for granted that churn and margin stay as they were."),
    ),
}  # fmt: skip


OF_ACCOUNTS = {
    "complaints_by_day": Measure(
        worded("Complaints by day"),
        worded(
            "Messages of a day that were reported as spam, by messages of that day that arrived, "
            "for each account."
        ),
        worded("By the day of the message, not of the complaint, so that a quiet day shows no wave."),
    ),
    "complaints_by_mailbox": Measure(
        worded("Complaints by mailbox service"),
        worded(
            "Mails of a day that were reported as spam within seven days, by mails of that day that arrived "
            "with the same mailbox service."
        ),
        worded(
            "Whose mailbox it is, is told by the domain of the contact's address as it is now. Gmail and "
            "iCloud pass no complaint on; Gmail's own figure is of its inbox only, and another one."
        ),
    ),
}  # fmt: skip

ALL = {**OF_MESSAGES, **OF_RUNS, **OF_MONEY, **OF_CUSTOMERS, **OF_ACCOUNTS}
