"""A client of a running installation, for tests."""

from __future__ import annotations

from typing import Any

import httpx2

from kaskad.web.service import Service


class Api:
    """The API of a running installation, called as a program would."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.key = service.office.local_key
        self._http = httpx2.Client(base_url=service.url, timeout=60, trust_env=False)

    def call(
        self, method: str, path: str, value: Any = None, *, key: str | None = None, **more: Any
    ) -> httpx2.Response:
        """Return the answer; `key` "" sends none, None the installation's own."""
        headers = {**more.pop("headers", {})}
        if key := self.key if key is None else key:
            headers["Authorization"] = f"Bearer {key}"
        if value is not None:
            more["json"] = value
        return self._http.request(method, f"/api/v1{path}", headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return _good(self.call("GET", path, **more))

    def post(self, path: str, value: Any = None, **more: Any) -> Any:
        return _good(self.call("POST", path, value, **more))

    def put(self, path: str, value: Any = None, **more: Any) -> Any:
        return _good(self.call("PUT", path, value, **more))

    def delete(self, path: str, **more: Any) -> Any:
        return _good(self.call("DELETE", path, **more))

    def raw(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Return the answer of any path of the server, without a key."""
        return self._http.request(method, path, **more)


def _good(answer: httpx2.Response) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None
