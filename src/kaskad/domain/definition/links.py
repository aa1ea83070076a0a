"""What a definition adds to links: of the whole cascade, and of one step."""

from __future__ import annotations

import re

from kaskad.domain.cascade import Utm
from kaskad.domain.definition.form import Form, text_of
from kaskad.domain.definition.schema import KEYS
from kaskad.domain.template import BadTemplate, compile_text
from kaskad.domain.worded import worded

DOMAIN = re.compile(r"[^\s/:@]+\.[^\s/:@]+")


def read_utm(form: Form | None) -> Utm | None:
    """Return the parameters; those that are not told are those of the cascade, the brand or the policy."""
    if form is None:
        return None
    told = tuple((key, text) for key in KEYS["utm"] if key != "domains" and (text := form.text(key, 500)))
    if not told:
        form.report.error(
            form.path, worded("`utm` has nothing to add"), worded("write for example `{source: kaskad}`")
        )
    for key, text in told:
        try:
            compile_text(text, name=form.at(key))
        except BadTemplate as bad:
            form.report.error(form.at(key), bad.problem, bad.remedy)
    domains = []
    for node, path in form.items("domains", 20):
        domain = text_of(node, path, form.report).lower().strip(".")
        if domain and not DOMAIN.fullmatch(domain):
            form.report.error(
                path,
                worded("`%(domain)s` is no domain", domain=domain[:60]),
                worded("write for example shop.example.org"),
            )
        domains.append(domain)
    return Utm(told, tuple(domains))
