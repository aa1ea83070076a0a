"""UTM parameters on the links of a message: added where they are missing, fragments and others kept."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from msgspec import Struct

from kaskad.domain.cascade import Cascade, Step, Utm
from kaskad.domain.policy import Policy
from kaskad.domain.template import MissingVariable, Template, compile_text

ROOTS = ("cascade", "step", "channel", "variant")  # what the parameters may name besides what texts may


NAMES = ("source", "medium", "campaign", "content", "term")
NOT = "none"  # the word by which a cascade or a step leaves out what would else be added


def utm_of(policy: Policy, cascade: Cascade, step: Step) -> Utm | None:
    """Return what a step's links get: each parameter its own, else the cascade's, brand's, policy's."""
    told: dict[str, str] = {}
    domains: tuple[str, ...] = ()
    for default in (policy.utm, policy.brand(cascade.brand).utm):
        told |= {name: text for name in NAMES if (text := getattr(default, name))}
        domains = default.domains or domains
    for own in (cascade.utm, step.utm):
        if own is not None:
            told |= dict(own.parameters)
            domains = own.domains or domains
    parameters = tuple((name, told[name]) for name in NAMES if told.get(name, NOT) != NOT)
    return Utm(parameters, domains) if parameters else None


class CompiledUtm(Struct, frozen=True):
    """The parameters as templates, with what is the same for everybody."""

    parameters: tuple[tuple[str, Template], ...]
    domains: tuple[str, ...]
    constants: Mapping[str, str]

    def of(self, scope: Mapping[str, object]) -> Tagger:
        """Return the parameters for one person; one that shows what this person lacks is left out."""
        filling = {**scope, **self.constants}
        told = []
        for name, template in self.parameters:
            try:
                value = " ".join(template.render(filling).split())
            except MissingVariable:
                continue
            if value:
                told.append((f"utm_{name}", value))
        return Tagger(tuple(told), self.domains)


class Tagger(Struct, frozen=True):
    """Adds parameters to addresses of the shop."""

    parameters: tuple[tuple[str, str], ...]
    domains: tuple[str, ...]

    def __call__(self, url: str) -> str:
        """Return a web address with the parameters that it lacks, if it is one of ours to count."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
        except ValueError:
            return url
        if self.domains and not any(host == one or host.endswith(f".{one}") for one in self.domains):
            return url
        known = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        new = "&".join(
            f"{name}={quote(text, safe='')}" for name, text in self.parameters if name not in known
        )
        if not new:
            return url
        query = f"{parts.query}&{new}" if parts.query else new
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, parts.fragment))


def compile_utm(told: Utm | None, name: str, **constants: str) -> CompiledUtm | None:
    """Return the parameters compiled, `constants` being the values of `ROOTS`; raises BadTemplate."""
    if told is None:
        return None
    made = tuple((one, compile_text(text, name=f"{name}.utm.{one}")) for one, text in told.parameters)
    return CompiledUtm(made, told.domains, constants)
