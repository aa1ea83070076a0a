"""How commands reach an installation: its running server, or where none runs the same API in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kaskad.actions.office import Office
    from kaskad.config import Settings
    from kaskad.domain.errors import NotFound

T = TypeVar("T")

TIMEOUT_S = 60.0
# A workbook is written whole before its first byte comes, and rows of one day are searched for.
FILE_S = 3_600.0
STARTING_S = 30.0  # so long may a server take to say where it listens: it may have to bring tables up to date
BUSY_S = 10.0  # so long is another command waited for
_TOLD_S = 1.0  # after which it is said who is waited for
_SERVERS = ("kaskad serve,", "kaskad demo,", "kaskad run ")


class Client:
    """Calls the API; every failure is raised as what it is, to be worded by the root of the command line."""

    def __init__(self, url: str, key: str, moves: bool = True) -> None:
        import httpx2

        self.url = url
        self.moves = moves  # False: no server runs, what is asked for waits until one does
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=url.startswith("https:"),  # reading all certificates takes 40 ms, for nothing with http
        )

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON at `path` under /api/v1; parameters that are None are left out."""
        return self.call("GET", path, query=query)

    def post(self, path: str, value: Any = None, **query: Any) -> Any:
        """Return what the API answers to `value`, sent as JSON."""
        return self.call("POST", path, value, query)

    def put(self, path: str, value: Any) -> Any:
        """Return what the API answers to `value`, sent as JSON."""
        return self.call("PUT", path, value)

    def patch(self, path: str, value: Any) -> Any:
        """Return what the API answers to a change of some fields."""
        return self.call("PATCH", path, value)

    def delete(self, path: str, **query: Any) -> Any:
        """Return what the API answers; parameters that are None are left out."""
        return self.call("DELETE", path, query=query)

    def items(self, path: str, **query: Any) -> Iterator[Any]:
        """Yield the items of all pages of a list."""
        cursor: str | None = None
        while True:
            page = self.get(path, **query, cursor=cursor)
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def call(
        self, method: str, path: str, value: Any = None, query: Mapping[str, Any] | None = None,
        content: bytes | None = None, kind: str = "application/json", read_s: float = TIMEOUT_S,
    ) -> Any:  # fmt: skip
        """Return the answer's JSON, text or file, or None; `content` is a body that is no JSON.

        `read_s` is how long the server may be silent.

        Raises Invalid, NotFound, Conflict, Unavailable and the like, as the server told.
        """
        import httpx2

        asked = {name: given for name, given in (query or {}).items() if given is not None}
        sent: dict[str, Any] = {"json": value} if value is not None else {}
        if content is not None:
            sent = {"content": content, "headers": {"Content-Type": kind}}
        patient = httpx2.Timeout(TIMEOUT_S, read=read_s)
        told = 0.0
        while True:
            try:
                answer = self._http.request(method, f"/api/v1{path}", params=asked, timeout=patient, **sent)
            except httpx2.HTTPError as error:
                raise _gone(self.url, str(error)) from None
            if answer.status_code != 202 or "retry-after" not in answer.headers:
                break
            told = _counted(told, float(answer.headers["retry-after"]))
        if answer.status_code >= 400:
            raise _told(answer.status_code, answer.content)
        if answer.headers.get("content-type", "").startswith("text/"):
            return answer.text
        if answer.headers.get("content-type") in ("application/zip", "application/octet-stream"):
            return answer.content
        return answer.json() if answer.content else None

    def save(self, path: str, out: Path, **query: Any) -> int:
        """Write the file at `path` under /api/v1 to `out`, for its owner only; return its size.

        It is whole or not there at all. Raises what `call` raises, and OSError.
        """
        import httpx2

        asked = {name: given for name, given in query.items() if given is not None}
        part = out.with_name(f"{out.name}.part")
        try:
            patient = httpx2.Timeout(TIMEOUT_S, read=FILE_S)
            with self._http.stream("GET", f"/api/v1{path}", params=asked, timeout=patient) as answer:
                if answer.status_code >= 400:
                    raise _told(answer.status_code, answer.read())
                part.unlink(missing_ok=True)
                part.touch(mode=0o600)
                with part.open("wb") as file:
                    for block in answer.iter_bytes():
                        file.write(block)
            size = part.stat().st_size
            part.replace(out)
        except httpx2.HTTPError as error:
            raise _gone(self.url, str(error)) from None
        finally:
            part.unlink(missing_ok=True)
        return size

    def close(self) -> None:
        self._http.close()


def _counted(waited_s: float, rest_s: float) -> float:
    """Wait for what is being counted, and say so once; return how long that has taken so far."""
    import typer

    if not waited_s:
        typer.echo("This takes a moment to count …", err=True)
    sleep(rest_s)
    return waited_s + rest_s


def part(name: str) -> str:
    """Return a name as a part of a path; raises NotFound for what cannot be one."""
    if "/" in name:
        raise _no_name(name)
    return whom(name)


def whom(who: str) -> str:
    """Return a contact's id, external id, e-mail or +phone as a part of a path; raises NotFound.

    External ids may hold a slash, which nothing else may that has a name.
    """
    from urllib.parse import quote

    if not who.strip() or who in (".", ".."):
        raise _no_name(who)
    return quote(who, safe="")


def _no_name(name: str) -> NotFound:
    from kaskad.domain.errors import NotFound

    return NotFound(f"Nothing has the name {name!r}: names have no / in them, and are not empty.")


@contextmanager
def reached(db: str = "") -> Iterator[Client]:
    """Yield a client of the installation whose database is `db`, or that of the settings.

    Raises NotFound where there is no database yet, Locked where another command holds it.
    """
    settings, file = _installation(db)
    with ExitStack() as stack:
        yield from _talking(*_server_or(settings, file, stack, _answering))


def reckoned(db: str, path: str, told: Mapping[str, Any], here: Callable[[Office], Any]) -> Any:
    """Return what the server answers to `told`, or where none runs what `here` makes of the installation.

    That is for commands that only look: the API is not made for them, which takes seconds. Raises what
    `reached` and `Client.post` raise.
    """
    settings, file = _installation(db)
    with ExitStack() as stack:
        found = _server_or(settings, file, stack, _looking)
        if not isinstance(found, tuple):
            return here(found)
        with contextmanager(_talking)(*found) as client:
            return client.post(path, told)


def _installation(db: str) -> tuple[Settings, Path | None]:
    """Return the settings and the SQLite file, which must be there; raises NotFound."""
    from kaskad import log
    from kaskad.web.local import database_file

    settings = chosen(db)
    file = database_file(settings)
    _must_exist(file)
    log.configure("warning", "text")  # what the command prints is its answer
    return settings, file


def _answering(settings: Settings, stack: ExitStack) -> tuple[str, str, bool]:
    """Return how this process answers the API."""
    from kaskad.web.service import attending  # seconds of imports, which a running server spares

    service = stack.enter_context(attending(settings, "a kaskad command"))
    return service.url, service.office.local_key, False


def _looking(settings: Settings, stack: ExitStack) -> Office:
    """Return the installation, opened in this process."""
    from kaskad.web.service import looking

    return stack.enter_context(looking(settings, "a kaskad command"))


def _server_or(
    settings: Settings, file: Path | None, stack: ExitStack, here: Callable[[Settings, ExitStack], T]
) -> tuple[str, str, bool] | T:  # fmt: skip
    """Return address, key and whether it moves runs: of the server that holds the file, else what is `here`.

    A server that is just starting is waited for, another command too, and that is said. Raises Locked where
    it takes too long.
    """
    import typer

    from kaskad.domain.errors import Locked
    from kaskad.web.local import find, holder

    began_s = monotonic()
    told = False
    while True:
        if file is not None and (found := find(file)) is not None:
            return found.url, found.key, True
        # Opening a file that a server is just making ready would wait for it without a word.
        if file is not None and (who := holder(file)):
            told = _wait_for(who, file, monotonic() - began_s, told=told)
            continue
        try:
            return here(settings, stack)
        except Locked:
            if file is None or monotonic() - began_s > STARTING_S:
                raise
            if not told:
                typer.echo(f"Another program keeps {file} locked: waiting for it …", err=True)
                told = True


def _wait_for(who: str, file: Path, waited_s: float, *, told: bool) -> bool:
    """Wait a moment for whoever holds the file; return whether it was said. Raises Locked after long."""
    import typer

    from kaskad.domain.errors import Locked

    serves = who.startswith(_SERVERS)
    if waited_s > (STARTING_S if serves else BUSY_S):
        todo = (
            "It is still starting: repeat this when it says where it listens."
            if serves
            else "Wait for its end, or stop it. While `kaskad serve` runs, commands work side by side."
        )
        raise Locked(f"{file} is in use by {who}. {todo}")
    if waited_s > _TOLD_S and not told:
        typer.echo(f"Waiting for {who}" + (", which is starting …" if serves else " …"), err=True)
        told = True
    sleep(0.1)
    return told


def chosen(db: str = "") -> Settings:
    """Return the installation's settings, with the database that the command line names; raises Invalid."""
    from msgspec import structs

    from kaskad import config
    from kaskad.domain.errors import Invalid

    settings = config.load()
    if not db:
        return settings
    if problem := config.CHECKS["database"](db):
        raise Invalid([f"--db: {problem}"])
    return structs.replace(settings, database=config.database_of(db))


def _talking(url: str, key: str, moves: bool = True) -> Iterator[Client]:
    client = Client(url, key, moves)
    try:
        yield client
    finally:
        client.close()


def _must_exist(file: Path | None) -> None:
    from kaskad.domain.errors import NotFound

    if file is not None and not file.exists():
        raise NotFound(no_database(file))


def no_database(file: Path) -> str:
    """Return what is said, and what to do, where an installation's file is not there."""
    return (
        f"There is no database {file}: `kaskad init` makes an installation in an empty folder, and commands "
        "find it from there. --db and KASKAD_DATABASE name another database."
    )


def _gone(url: str, why: str) -> Exception:
    from kaskad.domain.errors import Unavailable

    return Unavailable(f"The server at {url} does not answer ({why}): start it again, then repeat this.")


def _told(status: int, body: bytes) -> Exception:
    """Return the failure that an answer tells."""
    import msgspec

    from kaskad.domain.errors import Conflict, Invalid, KaskadError, NotFound, Unavailable

    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    detail = str(told.get("detail") or told.get("title") or f"The server answered {status}.")
    problems = [_sentence(problem) for problem in told.get("problems", ())]
    match status:
        case 404:
            return NotFound(detail)
        case 409:
            return Conflict(detail)
        case 503:
            return Unavailable(detail)
    return Invalid(problems) if problems else KaskadError(detail)


def _sentence(problem: Mapping[str, str]) -> str:
    where = problem.get("pointer", "").lstrip("/")
    return f"{where}: {problem['detail']}" if where else problem["detail"]
