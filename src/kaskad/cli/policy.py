"""`kaskad policy`: hours, caps, hold-outs and what the sender is to the law."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from kaskad.cli.screens.options import DB, JSON


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(
        help="Hours, caps, hold-outs, and what the sender is to the law.", no_args_is_help=True
    )
    group.command("show")(show)
    group.command("set")(change)
    app.add_typer(group, name="policy")


def show(db: DB = "", as_json: JSON = False) -> None:
    """Show the policy in force, as `kaskad policy set --file` takes it."""
    from kaskad.cli.client import reached

    with reached(db) as client:
        _print(client.get("/policy"), as_json)


def change(
    value: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as country=KZ; VALUE is YAML.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A whole policy in YAML; what is left out gets its default.")
    ] = None,
    db: DB = "",
    as_json: JSON = False,
) -> None:
    """Change the policy; running cascades follow it at once."""
    from kaskad.cli.client import reached

    if (file is None) == (not value):
        raise typer.BadParameter("give KEY=VALUE, or --file with a whole policy")
    method, told = ("PUT", _file(file)) if file is not None else ("PATCH", _pairs(value or []))
    with reached(db) as client:
        _print(client.call(method, "/policy", told), as_json)


def _pairs(given: list[str]) -> dict[str, Any]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{text!r}: write such as country=KZ", param_hint="KEY=VALUE")
        found[name] = _yaml(value, text, "KEY=VALUE")
    return found


def _file(path: Path) -> dict[str, Any]:
    try:
        told = _yaml(path.read_text("utf-8"), str(path), "--file")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "this is not UTF-8 text, save it as such"
        raise typer.BadParameter(f"{path}: {why}", param_hint="--file") from None
    if not isinstance(told, dict):
        raise typer.BadParameter(f"{path} is no mapping of keys and values", param_hint="--file")
    return told


def _yaml(text: str, where: str, hint: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise typer.BadParameter(f"{where}{line}: that is no YAML", param_hint=hint) from None


def _print(policy: dict[str, Any], as_json: bool) -> None:
    from io import StringIO

    from ruamel.yaml import YAML

    from kaskad.cli.screens.output import as_text

    if as_json:
        typer.echo(as_text(policy))
        return
    out = StringIO()
    YAML(typ="safe").dump(policy, out)
    typer.echo(out.getvalue().rstrip())
