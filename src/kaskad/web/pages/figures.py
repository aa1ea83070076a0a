"""The figures that several pages show, each counted no more often than it is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import Request

from kaskad.actions import cascades, hindsight, reports
from kaskad.actions.alarms import Alarm
from kaskad.actions.attribution import Attribution
from kaskad.actions.cascades import Overview
from kaskad.actions.control import Control
from kaskad.actions.crowds import Sampled
from kaskad.actions.customers import Told as Customers
from kaskad.actions.hindsight import Hindsight
from kaskad.actions.mailboxes import Told as Mailboxes
from kaskad.actions.measures import Told as Measured
from kaskad.actions.money import Told as MoneyTold
from kaskad.actions.office import Office
from kaskad.actions.past import Past
from kaskad.actions.reports import Told
from kaskad.actions.status import Status
from kaskad.analytics.recent import Hour, Lately
from kaskad.analytics.uplift import Uplift
from kaskad.analytics.who import Found
from kaskad.web.pages.played import Playing
from kaskad.web.pages.remembered import Asked, Remembered
from kaskad.web.soon import Soon

if TYPE_CHECKING:  # it brings scipy along
    from kaskad.actions.optimized import Optimized


class Figures:
    """What pages show; one of them for all pages, in the application's state."""

    def __init__(self) -> None:
        self.soon = Soon()
        self.playing = Soon()  # simulations, in processes of their own, which take nobody else's turn
        self.titles: Remembered[Mapping[str, str]] = Remembered()
        self.overviews: Remembered[list[Overview]] = Remembered()
        self.reports: Remembered[tuple[str, Told]] = Remembered(self.soon)  # with what was known of it then
        self.status: Remembered[Status] = Remembered()
        self.week: Remembered[Mapping[str, Lately]] = Remembered()
        self.today: Remembered[Mapping[str, Lately]] = Remembered()
        self.hours: Remembered[list[Hour]] = Remembered()
        self.alarms: Remembered[list[Alarm]] = Remembered()
        self.samples: Remembered[Sampled] = Remembered()
        self.people: Remembered[Found] = Remembered(self.soon)
        self.money: Remembered[MoneyTold] = Remembered(self.soon)
        self.foretold: Remembered[list[Hindsight]] = Remembered(self.soon)
        self.foretold_everywhere: Remembered[list[Hindsight]] = Remembered(self.soon)
        self.pasts: Remembered[Past] = Remembered()
        self.controls: Remembered[Control] = Remembered(self.soon)
        self.optimized: Remembered[Optimized] = Remembered(self.soon)
        self.uplifts: Remembered[Uplift] = Remembered(self.soon)
        self.measured: Remembered[Measured] = Remembered(self.soon)
        self.attributed: Remembered[Attribution] = Remembered(self.soon)
        self.customers: Remembered[Customers] = Remembered(self.soon)
        self.mailboxes: Remembered[Mailboxes] = Remembered(self.soon)
        self.played = Playing()

    def close(self) -> None:
        """Begin nothing more: the server is stopping."""
        self.soon.close()
        self.playing.close()

    def cascades(self, office: Office) -> list[Overview]:
        """Return all cascades: what runs first, what is over last."""
        rows = self.overviews.get("", lambda: cascades.listing(office))
        return sorted(rows, key=_place)

    def title(self, office: Office, slug: str) -> str:
        """Return how a cascade is called; of one that is not there its slug."""
        return self.titles.get("", lambda: cascades.titles(office)).get(slug, slug)

    def lately(self, office: Office) -> Mapping[str, Lately]:
        """Return what each cascade did in the last seven days."""
        return self.week.get("", lambda: reports.lately(office))

    def hindsight(self, office: Office, slug: str) -> Asked[list[Hindsight]]:
        """Begin a cascade's last launches beside what was forecast of them."""
        return self.foretold.begin(slug, lambda: hindsight.of_cascade(office, slug))

    def hindsight_everywhere(self, office: Office) -> list[Hindsight]:
        """Return the same of all cascades."""
        return self.foretold_everywhere.soon("", lambda: hindsight.of_all(office))

    def hindsight_lately(self, office: Office, slug: str, most: int) -> Asked[list[Hindsight]]:
        """Begin so many of these: each takes as long as a report."""
        return self.foretold.begin(f"{slug}\0{most}", lambda: hindsight.lately(office, slug, most))

    def forget(self, slug: str) -> None:
        """Count anew what has just been changed."""
        self.reports.forget(slug)
        self.overviews.forget("")
        self.titles.forget("")
        self.alarms.forget("")


def figures_of(request: Request) -> Figures:
    """Return the figures of this server."""
    found: Figures = request.app.state.figures
    return found


def _place(row: Overview) -> tuple[int, str]:
    return ("active", "paused", "draft", "stopped").index(row.state), row.title.lower()
