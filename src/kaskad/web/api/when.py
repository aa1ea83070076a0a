"""From when and until when: an instant, or a day by the installation's clock, the same for all questions."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Query

from kaskad.actions import policy
from kaskad.actions.office import Office
from kaskad.analytics.scope import ENDS_FIRST, FOREVER
from kaskad.domain.errors import Invalid
from kaskad.web.api.fields import Instant, in_ms

When = Instant | date
Since = Annotated[
    When | None, Query(description="From that instant on, or from the beginning of that day (YYYY-MM-DD).")
]
Until = Annotated[When | None, Query(description="Before that instant, or before that day begins.")]
Since30 = Annotated[
    When | None, Query(description="The same as elsewhere: an instant or a day; else 30 days before `until`.")
]


def period(office: Office, since: When | None, until: When | None) -> tuple[int | None, int | None]:
    """Return from when and until when, as `moment` does; raises Invalid where that is no time at all."""
    first, last = moment(office, since), moment(office, until)
    if first is not None and last is not None and first >= last:
        raise Invalid([ENDS_FIRST], ["/until"])
    return first, last


def moment(office: Office, at: datetime | date | None) -> int | None:
    """Return an instant, or the beginning of a day by the policy's clock, in milliseconds since 1970 UTC."""
    if at is None:
        return None
    if not isinstance(at, datetime):
        at = datetime.combine(at, time(), ZoneInfo(policy.show(office).zone))
    return min(max(in_ms(at) or 0, 0), FOREVER)
