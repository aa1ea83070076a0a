"""The settings of one installation: defaults, then a TOML file, then the environment.

The file is `kaskad.toml` in the working directory, or the one that KASKAD_CONFIG names. Each setting
of `Settings` is a key of the file and, as KASKAD_<NAME>, a variable of the environment.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct, structs

from kaskad.domain.errors import Invalid
from kaskad.domain.inside import read_inside

PREFIX = "KASKAD_"
FILE = "kaskad.toml"
NOT_SETTINGS = frozenset({"KASKAD_CONFIG", "KASKAD_DEBUG"})
TESTS_PREFIX = "KASKAD_TEST_"
LEVELS = ("debug", "info", "warning", "error")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # of two letters at least: C:\\kaskad.db is a path
STYLES = ("auto", "text", "json")


class Settings(Struct, frozen=True):
    """Every setting with its default; all are texts, as the environment has nothing else."""

    database: str = "sqlite:kaskad.db"  # a file is named without sqlite: too; or postgresql://user@host/name
    base_url: str = "http://localhost:8000"  # how the outside world reaches us: links, pixels, webhooks
    link_domain: str = ""  # of short links in texts and messengers, such as https://s.example.org
    listen: str = "127.0.0.1:8000"
    secret_key: str = ""  # encrypts accounts' secrets and signs tokens; at least 32 characters
    api_key: str = ""  # the bearer key of /api/v1/events; empty: the API is closed
    proxies: str = "127.0.0.1"  # addresses whose X-Forwarded-For is believed, separated by commas
    request_seconds: str = "30"  # in which a request comes whole; a long one has a second more for 20 KB
    unread_mb: str = "64"  # of memory for requests that have not come whole; more are answered 503
    private_webhooks: str = "no"  # hosts and networks inside that outgoing webhooks may lead to; yes: all
    resolver: str = ""  # name servers that mail domains are looked up at; empty: the system's; off: nowhere
    antivirus: str = ""  # command that gets a file on its standard input and ends with 1 for a bad one
    log_level: str = "info"
    log_style: str = "auto"  # auto | text | json

    @property
    def name_servers(self) -> tuple[str, ...]:
        """Return the name servers that are named, such as `9.9.9.9` or `[::1]:5353`."""
        return tuple(part.strip() for part in self.resolver.split(",") if part.strip())

    @property
    def link_url(self) -> str:
        """Return what short links begin with; "" where there are none."""
        return self.link_domain.rstrip("/")

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


def load(environment: Mapping[str, str] = os.environ, folder: Path | None = None) -> Settings:
    """Return the settings of this installation; raises Invalid with every problem at once."""
    values: dict[str, tuple[str, str]] = {}  # name -> (value, where it was set)
    problems: list[str] = []
    for name, value, where in [*_from_file(environment, folder or Path(), problems), *_from_env(environment)]:
        if name in Settings.__struct_fields__:
            values[name] = (value, where)
        else:
            known = ", ".join(Settings.__struct_fields__)
            problems.append(f"{where}: there is no such setting; the settings are {known}")
    for name, (value, where) in values.items():
        problem = CHECKS[name](value)
        if problem:
            problems.append(f"{where}: {problem}")
    if problems:
        raise Invalid(problems)
    given = {name: value for name, (value, _) in values.items()}
    if "database" in given:
        given["database"] = database_of(given["database"])
    return structs.replace(Settings(), **given)


def database_of(named: str) -> str:
    """Return the database as settings hold it: what names no scheme is the path of an SQLite file."""
    return f"sqlite:{named}" if named and not _SCHEME.match(named) else named


MAKE_A_KEY = (
    "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`, keep it as safe as the "
    f"database's backups, and set it as KASKAD_SECRET_KEY or secret_key in {FILE}"
)


def _from_env(environment: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [
        (variable.removeprefix(PREFIX).lower(), value.strip(), variable)
        for variable, value in sorted(environment.items())
        if variable.startswith(PREFIX)
        and variable not in NOT_SETTINGS
        and not variable.startswith(TESTS_PREFIX)
    ]


def _from_file(
    environment: Mapping[str, str], folder: Path, problems: list[str]
) -> list[tuple[str, str, str]]:
    named = environment.get("KASKAD_CONFIG", "")
    path = Path(named) if named else folder / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            problems.append(f"KASKAD_CONFIG: there is no file {path}")
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        if isinstance(error, UnicodeDecodeError):
            why = "this is not UTF-8 text, save it as such"
        problems.append(f"{path}: cannot be read: {why}")
        return []
    found = []
    for name, value in content.items():
        where = f"{path}, {name}"
        if isinstance(value, str):
            found.append((name, value.strip(), where))
        elif name not in Settings.__struct_fields__:
            found.append((name, "", where))  # of an unknown name nothing else is worth saying
        else:
            problems.append(f"{where}: write the value as a text in quotes")
    return found


def _check_database(value: str) -> str:
    value = database_of(value)
    scheme = value.partition(":")[0]
    if scheme in ("postgresql", "postgres"):
        return "" if urlsplit(value).netloc else "name the server, as in postgresql://user@host/name"
    if scheme == "sqlite":
        path = value.partition(":")[2]
        if not path.strip("/") or Path(path).is_dir():
            return "name the file, as in sqlite:kaskad.db"
        return ""
    return "must be a file or begin with postgresql:, as in kaskad.db or postgresql://user@host/name"


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.query
        _ = parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    return "" if usable else f"{value!r} must be like https://go.example.org"


def _check_link_domain(value: str) -> str:
    if not value:
        return ""
    if problem := _check_url(value):
        return problem.replace("go.example.org", "s.example.org")
    return "" if urlsplit(value).path in ("", "/") else f"{value!r} must have no path behind the domain"


def _check_listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if host and port.isascii() and port.isdigit() and 0 <= int(port) <= 65535:
        return ""
    return f"{value!r} must be an address and a port, as in 127.0.0.1:8000"


def _check_secret_key(value: str) -> str:
    return "" if len(value) >= 32 else f"must have at least 32 characters. {MAKE_A_KEY}"


def _check_api_key(value: str) -> str:
    return "" if not value or len(value) >= 20 else "must have at least 20 characters"


def _check_proxies(value: str) -> str:
    if value == "*":
        return ""
    for part in filter(None, (part.strip() for part in value.split(","))):
        try:
            ipaddress.ip_network(part, strict=False)
        except ValueError:
            return f"{part!r} is no IP address or network"
    return ""


def _check_amount(value: str) -> str:
    whole, _, part = value.partition(".")
    right = whole.isascii() and whole.isdigit() and len(whole) < 7 and (not part or part.isdigit())
    return "" if right and float(value) > 0 else f"{value!r} must be a number above 0"


def _check_inside(value: str) -> str:
    try:
        read_inside(value)
    except ValueError as error:
        return f"{str(error)!r} must be a host or a network, as in crm.internal, 10.0.0.0/8; or no, or yes"
    return ""


def _check_resolver(value: str) -> str:
    for part in filter(None, (part.strip() for part in value.split(","))):
        host, _, port = part.rpartition(":") if part.count(":") == 1 or "]:" in part else (part, "", "53")
        try:
            ipaddress.ip_address(host.strip("[]"))
            right = port.isascii() and port.isdigit() and 0 < int(port) < 65536
        except ValueError:
            right = False
        if not right and value != "off":
            return f"{part!r} must be a name server's address, as in 9.9.9.9 or 127.0.0.1:5353; or off"
    return ""


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    return lambda value: "" if value in choices else f"{value!r} must be one of {', '.join(choices)}"


CHECKS: dict[str, Callable[[str], str]] = {
    "database": _check_database,
    "base_url": _check_url,
    "link_domain": _check_link_domain,
    "listen": _check_listen,
    "secret_key": _check_secret_key,
    "api_key": _check_api_key,
    "proxies": _check_proxies,
    "request_seconds": _check_amount,
    "unread_mb": _check_amount,
    "private_webhooks": _check_inside,
    "resolver": _check_resolver,
    "antivirus": lambda value: "",
    "log_level": _one_of(LEVELS),
    "log_style": _one_of(STYLES),
}
