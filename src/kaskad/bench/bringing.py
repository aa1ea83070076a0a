"""A file of people, brought in by a running server as whoever sends it to the API sees it."""

from __future__ import annotations

import threading
import time

import httpx2
from msgspec import Struct

from kaskad.domain.errors import Unavailable

_LOOK_S = 0.5
_ANSWER_S = 120.0


class Brought(Struct, frozen=True):
    """What came of it; the time is from when the file is sent until the import has ended."""

    new: int
    seconds: float

    @property
    def rows_per_s(self) -> int:
        return round(self.new / self.seconds)


class Bringing(threading.Thread):
    """Sends a file and looks, twice a second, how far it has come."""

    def __init__(self, url: str, key: str, data: bytes) -> None:
        super().__init__(name="bringing", daemon=True)
        self._data = data
        self._client = httpx2.Client(
            base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=_ANSWER_S,
            trust_env=False,
        )  # fmt: skip
        self._brought: Brought | None = None
        self._problem = "it has not ended"

    def run(self) -> None:
        began_s = time.monotonic()
        try:
            with self._client as client:
                answer = client.post(
                    "/contacts/import", params={"wait_s": 0, "country": "KZ"}, content=self._data,
                    headers={"Content-Type": "text/csv"},
                ).raise_for_status()  # fmt: skip
                while (told := answer.json())["state"] == "running":
                    time.sleep(_LOOK_S)
                    answer = client.get(f"/imports/{told['id']}").raise_for_status()
        except httpx2.HTTPError as error:
            self._problem = str(error)
            return
        if told["state"] == "done":
            self._brought = Brought(told["new"], round(time.monotonic() - began_s, 1))
        else:
            self._problem = f"it is {told['state']}. {told['problem']}"

    def result(self) -> Brought:
        """Return what came of it; raises Unavailable."""
        self.join()
        if self._brought is None:
            raise Unavailable(f"The import of the benchmark: {self._problem}")
        return self._brought
