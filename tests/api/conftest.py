"""A whole installation on a real socket, in a folder of its own, and a client with its own key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from kaskad import log
from kaskad.config import Settings
from kaskad.web.service import serving
from support.api import Api
from support.databases import lay


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Return an installation that the tests of one file share; what it logs is no command's output."""
    folder: Path = tmp_path_factory.mktemp("installation")
    lay(folder / "kaskad.db")
    database = f"sqlite:{folder / 'kaskad.db'}"
    settings = Settings(database=database, listen="127.0.0.1:0", private_webhooks="yes")
    before = structlog.get_config()
    log.configure("warning", "json")
    with serving(settings, "the tests") as service:
        yield Api(service)
    structlog.configure(**before)
