"""A small Bot API on a real socket: updates are given out as Telegram does, sends are kept, faults are told.

with bot_api() as bot:
    bot.says(100200, "/start token")
    bot.faults["sendMessage"] = lambda fields: (429, {"parameters": {"retry_after": 1}})
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

TOKEN = "123456:TEST-token"
Fault = Callable[[dict[str, Any]], "tuple[int, dict[str, Any]] | None"]


class BotApi:
    """The service behind one bot's token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: dict[str, Fault] = {}
        self.webhook: dict[str, Any] = {}
        self.wait_s = 1.0  # at most, for a poll without updates
        self.piece = 100  # updates in one answer, at most
        self._updates: list[dict[str, Any]] = []
        self._told = threading.Condition()
        self._numbers, self._messages = count(1000), count(50)

    # What people do

    def says(self, chat: int, text: str, **more: Any) -> int:
        """A person writes; return the update's number."""
        sender = {"id": chat, "is_bot": False, "first_name": "A", "language_code": "ru"}
        message = {"message_id": next(self._messages), "date": int(time.time()), "text": text,
                   "chat": {"id": chat, "type": "private"}, "from": sender}  # fmt: skip
        return self.tells(message={**message, **more})

    def presses(self, sent: dict[str, Any], label: str) -> int:
        """A person presses a button of a message that was sent."""
        keys = [key for row in sent["reply_markup"]["inline_keyboard"] for key in row]
        data = next(key["callback_data"] for key in keys if key["text"] == label)
        return self.tells(callback_query={
            "id": f"press-{next(self._messages)}", "data": data, "chat_instance": "1",
            "from": {"id": sent["chat_id"], "is_bot": False, "first_name": "A"},
            "message": {"message_id": 1, "date": 1, "chat": {"id": sent["chat_id"], "type": "private"},
                        "reply_markup": sent["reply_markup"]},
        })  # fmt: skip

    def is_member(self, chat: int, status: str) -> int:
        """A person blocks the bot (kicked) or takes that back (member)."""
        return self.tells(my_chat_member={
            "chat": {"id": chat, "type": "private"}, "date": int(time.time()),
            "new_chat_member": {"status": status},
        })  # fmt: skip

    def tells(self, **what: Any) -> int:
        """Put an update into the queue, or give it to the webhook; return its number."""
        update = {"update_id": next(self._numbers), **what}
        if self.webhook.get("url"):
            self.post(update, self.webhook["secret_token"])
        else:
            with self._told:
                self._updates.append(update)
                self._told.notify_all()
        return int(update["update_id"])

    def post(self, update: dict[str, Any], secret: str) -> int:
        """Call the webhook; return the status."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret, "Content-Type": "application/json"}
        body = json.dumps(update).encode()
        request = urllib.request.Request(self.webhook["url"], body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    # What the bot asked

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.calls if name == method]

    def texts(self, chat: int) -> list[str]:
        """Return what a person has got."""
        return [str(f.get("text", "")) for f in self.asked("sendMessage") if f["chat_id"] == chat]

    @property
    def waiting(self) -> int:
        """Return how many updates have not been confirmed."""
        return len(self._updates)

    def answer(self, method: str, fields: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append((method, fields))
        fault = self.faults.get(method)
        if fault is not None and (told := fault(fields)) is not None:
            status, more = told
            return status, {"ok": False, "error_code": status, "description": "told so", **more}
        match method:
            case "getUpdates":
                return self._get_updates(fields)
            case "setWebhook" | "deleteWebhook":
                self.webhook = fields
                return _ok(True)
            case "answerCallbackQuery":
                return _ok(True)
            case _ if method.startswith("send"):
                sent = {"message_id": next(self._messages), "date": int(time.time()),
                        "chat": {"id": fields["chat_id"], "type": "private"}}  # fmt: skip
                return _ok(sent)
        return 404, {"ok": False, "error_code": 404, "description": "Not Found"}

    def _get_updates(self, fields: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.webhook.get("url"):
            text = "Conflict: can't use getUpdates method while webhook is active"
            return 409, {"ok": False, "error_code": 409, "description": text}
        offset = fields.get("offset", 0)
        with self._told:
            self._updates = [update for update in self._updates if update["update_id"] >= offset]
            self._told.wait_for(lambda: self._updates, min(fields.get("timeout", 0), self.wait_s))
            return _ok(self._updates[: min(fields.get("limit", 100), self.piece)])


def _ok(result: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"ok": True, "result": result}


@contextmanager
def bot_api(token: str = TOKEN) -> Iterator[BotApi]:
    """A running server; another token is answered 401."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            _, bot, method = self.path.split("/")
            if bot == f"bot{token}":
                status, told = api.answer(method, json.loads(body))
            else:
                status, told = 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
            data = json.dumps(told).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:  # the client has gone
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api = BotApi(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
