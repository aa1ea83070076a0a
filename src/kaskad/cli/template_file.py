"""A file of templates: YAML with all that a template has, or MJML, HTML or plain text with a head of YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kaskad.domain.errors import Invalid

KINDS = {".mjml": "mjml", ".html": "html", ".htm": "html", ".txt": "text"}
YAML_ENDS = (".yaml", ".yml")
_HEAD = "---"


def read_templates(file: Path) -> list[dict[str, Any]]:
    """Return the templates of a file, each as the API takes it, with its `name`; raises Invalid, OSError.

    `cart.ru.mjml` is template `cart` in Russian, unless its head says otherwise. A YAML file may hold
    several, parted by lines of `---`.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Invalid([f"{file} is not UTF-8: save it so in your editor."]) from None
    end = file.suffix.lower()
    if end in YAML_ENDS:
        return [_checked(file, told) for told in _documents(file, text) if told is not None]
    if end not in KINDS:
        raise Invalid([f"{file}: templates are {', '.join([*YAML_ENDS, *KINDS])} files."])
    head, body = _split(text)
    documents = _documents(file, head) if head.strip() else [{}]
    told = _checked(file, documents[0] if documents else {})
    name, _, language = file.stem.partition(".")
    kind = "text" if told.get("channel") == "part" else KINDS[end]
    made: dict[str, Any] = {"name": name, "language": language, "channel": "email", **told, kind: body}
    return [made]


def _split(text: str) -> tuple[str, str]:
    """Return the head between two lines of `---`, and what follows it."""
    lines = text.split("\n")
    if lines[0].strip() == _HEAD:
        for number, line in enumerate(lines[1:], 1):
            if line.strip() == _HEAD:
                return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :])
    return "", text


def _documents(file: Path, text: str) -> list[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return list(YAML(typ="safe", pure=True).load_all(text))
    except YAMLError as problem:
        raise Invalid([f"{file} is not YAML: {' '.join(str(problem).split())[:200]}"]) from None


def _checked(file: Path, told: object) -> dict[str, Any]:
    if not isinstance(told, dict) or not all(isinstance(key, str) for key in told):
        raise Invalid([f"{file}: a template is a mapping, for example `name: cart` and `channel: email`."])
    if told.get("language") is False:  # `no` is a word of YAML, and Norwegian
        told["language"] = "no"
    return dict(told)
