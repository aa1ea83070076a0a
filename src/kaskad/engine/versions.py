"""The cascades and their versions as the engine knows them, with what follows from them alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from kaskad.domain.alike import Standing, leads_to, refusal, standing, turn
from kaskad.domain.content import CompiledContent, compile_content
from kaskad.domain.dated import Dated, dated_of
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.run import PLAIN, Run
from kaskad.domain.terms import Channel, Kind, Phase
from kaskad.domain.trials import Trial
from kaskad.domain.utm import compile_utm, utm_of
from kaskad.domain.version import Version
from kaskad.domain.worded import worded

_ALWAYS = (
    Kind.SENT.bit
    | Kind.UNKNOWN.bit
    | Kind.UNSUBSCRIBED.bit
    | Kind.COMPLAINED.bit
    | Kind.SUSPECTED_CLICKED.bit
)

Place = tuple[int, int, int]  # a version, a phase, a step


class StaleCatalog(Conflict):
    """A run is of a version that another process has activated since we looked."""


class Unread(Struct, frozen=True):
    """A version whose stored text does not read, and why."""

    cascade_id: int
    slug: str
    number: int
    why: str


class CascadeState(Struct):
    id: int
    slug: str
    state: str
    version_id: int | None


class Cascades(dict[int, CascadeState]):
    """The cascades by id."""

    def paused(self, cascade_id: int) -> bool:
        """Say whether nothing of the cascade is to go out now."""
        state = self.get(cascade_id)
        return state is None or state.state != "active"


class Versions(dict[int, Version]):
    """All versions that may still have live runs, by id: made anew after every change.

    One that is not known is looked for again, since it must exist.
    """

    def __init__(
        self, versions: Iterable[Version] = (), cascades: Collection[CascadeState] = (), *,
        unread: Mapping[int, Unread] = {}, trials: Mapping[int, Trial] = {},
    ) -> None:  # fmt: skip
        super().__init__({version.id: version for version in versions})
        self.unread = unread  # their text does not read: their runs wait
        self.trials = trials  # by the running version, of whose entrants some get another one
        self.attends, self.plain = _heeded(self.values())
        self.named = frozenset(  # accounts that steps name
            step.account for one in self.values() if one.names_accounts for step in one.cascade.steps
        )
        active = [each.version_id or 0 for each in cascades if each.state == "active"]
        current = [self[number] for number in active if number in self]
        self._triggers: dict[str, list[Version]] = defaultdict(list)
        for version in current:
            if version.cascade.trigger.event:
                self._triggers[version.cascade.trigger.event].append(version)
        pairs = [(version, dated_of(version.cascade)) for version in current]
        self.dated: list[tuple[Version, Dated]] = [  # that dates of contacts begin
            (version, what) for version, what in pairs if what is not None
        ]
        self._contents: dict[tuple[int, int, int | None, int, str], CompiledContent] = {}
        self._standings: dict[Place, Standing | None] = {}
        self._leads: dict[Place, int | None] = {}

    def __missing__(self, version_id: int) -> Version:
        if version_id in self.unread:
            one = self.unread[version_id]
            raise Invalid([worded("Version %(number)s of %(slug)r does not read.",
                                  number=one.number, slug=one.slug)])  # fmt: skip
        raise StaleCatalog(f"version {version_id} is new here")

    def take_over(self, before: Versions) -> None:
        """Keep what was compiled of versions that are the same as before."""
        stays = {number for number, version in self.items() if before.get(number) is version}
        self._contents = {key: compiled for key, compiled in before._contents.items() if key[0] in stays}

    def of(self, run: Run) -> Version | None:
        """Return the run's version; None where its text does not read."""
        return None if run.version_id in self.unread else self[run.version_id]

    def triggered_by(self, event: str) -> list[Version]:
        """Return the current versions of active cascades that the event enrols into."""
        return self._triggers.get(event, [])

    def entered(self, version: Version, contact_id: int) -> Version | None:
        """Return what the contact enters instead of `version`, if versions are on trial; None: nothing, as
        that one does not read."""
        trial = self.trials.get(version.id)
        number = version.id if trial is None else trial.version_of(contact_id)
        if number in self.unread:
            return None
        return version if trial is None else self[number]

    def standing(self, version_id: int, phase: int, step: int) -> Standing | None:
        """Return where runs of the version in that phase of that step stand, if they stand alike.

        Of a message that is queued: where it may go now; of one that is submitted: where it was refused.
        """
        key, known = (version_id, phase, step), self._standings
        if key not in known:
            version = self[version_id]
            if phase == Phase.QUEUED:
                known[key] = turn(version, step)
            elif phase == Phase.SUBMITTED:
                known[key] = refusal(version, step)
            else:
                known[key] = standing(version, phase, step)
        return known[key]

    def leads_to(self, version_id: int, phase: int, step: int) -> int | None:
        """Return the channel that all runs in that phase of that step are sent to next, if there is one."""
        key, known = (version_id, phase, step), self._leads
        if key not in known:
            version = self.get(version_id)  # None: it does not read
            known[key] = None if version is None else leads_to(version, phase, step)
        return known[key]

    def content(
        self, version: Version, step: int, variant: int | None, channel: int, language: str = ""
    ) -> CompiledContent:
        """Return the compiled content of a step's variant on a channel, its template in that language."""
        key = (version.id, step, variant, channel, language)
        compiled = self._contents.get(key)
        if compiled is None:
            of, told = version.cascade.steps[step], Channel.of(channel)
            chosen = None if variant is None else of.variants[variant]
            compiled = self._contents[key] = compile_content(
                of.content, told, chosen, texts=version.texts, language=language,
                utm=compile_utm(
                    utm_of(version.policy, version.cascade, of), "cascade", cascade=version.cascade.id,
                    step=of.id, channel=told.value, variant=chosen.id if chosen else "",
                ),
            )  # fmt: skip
        return compiled


def _heeded(versions: Iterable[Version]) -> tuple[int, int]:
    """Return the facts that can move a run of any version, and those whose instants no clock asks for."""
    attends, plain = _ALWAYS, PLAIN
    for version in versions:
        for rule in version.rules.values():
            attends |= rule.attends
            for clock in rule.clocks:
                plain &= ~clock.start
    return attends, plain
