"""Servers to try the examples against, and the people behind them: `python examples/receivers.py`.

A mail server at 127.0.0.1:2525 and, at 127.0.0.1:8025, a web server that takes what accounts.yaml sends
there. Both are real: mails come over SMTP, messages and calls as signed POSTs. They print what arrives. Some
people open, click, answer the telephone or unsubscribe; a bank's mail gateway follows every link; two
addresses do not exist. Who does what follows from the address, so that it is the same each time.
"""

import argparse
import email
import email.policy
import hashlib
import hmac
import html
import json
import re
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller

SECRET = b"only-for-trying-it-out"  # that of accounts.yaml
PHONE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Mobile"
GATEWAY = "Mozilla/5.0 (compatible; Proofpoint URL Defense)"
LINK = re.compile(r"https?://[^\s\"'<>]+/l/[\w-]+")
PIXEL = re.compile(r"https?://[^\s\"'<>]+/o/[\w-]+")


class World:
    """What has arrived, and the people who react to it, `delay` seconds later."""

    def __init__(self, delay=1.0, quiet=False):
        self.delay = delay
        self.quiet = quiet
        self.mails = []  # (recipient, subject, text, html, unsubscribe address)
        self.calls = []  # what was POSTed, as JSON, with its channel
        self.lock = threading.Lock()

    def say(self, text):
        if not self.quiet:
            print(text, flush=True)

    def later(self, share_of_delay, act, *arguments):
        timer = threading.Timer(self.delay * share_of_delay, act, arguments)
        timer.daemon = True
        timer.start()


def chance(text):
    """Return a number from 0 to 99, always the same for one text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") % 100


def get(url, agent=PHONE, method="GET", body=None, headers=None):
    """Call an address as a program would; a redirect is not followed, for the shop does not exist."""
    request = urllib.request.Request(url, body, {"User-Agent": agent, **(headers or {})}, method=method)
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(error)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


class MailBox:
    """The handler of the mail server."""

    def __init__(self, world):
        self.world = world

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("gone."):
            self.world.say(f"mail  {address}: no such person")
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {
            part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()
        }
        to, page = envelope.rcpt_tos[0], html.unescape(parts.get("text/html", ""))
        leave = str(message.get("List-Unsubscribe", "")).strip("<> ")
        with self.world.lock:
            self.world.mails.append((to, message["Subject"], parts.get("text/plain", ""), page, leave))
        self.world.say(f"mail  {to}: {message['Subject']}")
        self.react(to, parts.get("text/plain", "") + page, page, leave)
        return "250 2.0.0 taken"

    def react(self, to, words, page, leave):
        world, links, pixels = self.world, LINK.findall(words), PIXEL.findall(page)
        if to.endswith("@bank.example.org"):
            world.later(0.0, self.scan, to, links)
        elif chance(to) < 45 and pixels:
            world.later(0.8, self.act, f"      {to} opens it", pixels[0])
            if chance(to) < 28:
                world.later(1.0, self.act, f"      {to} clicks", links[0])
        elif chance(to) > 90 and leave:
            world.later(1.0, self.unsubscribe, to, leave)

    def act(self, told, url):
        self.world.say(f"{told} ({get(url)})")

    def scan(self, to, links):
        self.world.say(f"      the gateway of {to} follows {len(set(links))} links")
        for link in set(links):
            get(link, GATEWAY)

    def unsubscribe(self, to, leave):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        status = get(leave, method="POST", body=b"List-Unsubscribe=One-Click", headers=form)
        self.world.say(f"      {to} unsubscribes ({status})")


def handler_of(world):
    """Return the handler of the web server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            signed = b"v1:" + self.headers.get("X-Cascade-Timestamp", "").encode() + b":" + body
            if self.headers.get("X-Cascade-Signature", "") != "v1=" + sign(signed):
                world.say("call  somebody else's signature: refused")
                self.answer(401, {"error_class": "auth"})
                return
            message = json.loads(body)
            with world.lock:
                world.calls.append(message)
            said = message.get("text") or message.get("say")
            world.say(f"{message['channel']:5} {message['to']}: {said[:70]}")
            self.answer(200, {"id": f"x-{message['id']}"})
            answer_as_people(world, message)

        def answer(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    return Handler


def sign(data):
    return hmac.new(SECRET, data, hashlib.sha256).hexdigest()


def answer_as_people(world, message):
    """Send the receipts of a message, and what its recipient does."""
    channel, luck = message["channel"], chance(message["to"] + message["channel"])
    links = LINK.findall(message.get("text", ""))
    if channel == "sms":
        if luck > 92:
            report(world, message, "failed", error_class="permanent_recipient")
            return
        report(world, message, "delivered")
    if channel == "robot_call":
        if luck < 60:
            world.later(0.2, report, world, message, "answered")
            world.later(0.4, lambda: report(world, message, "keypress", key="1" if luck < 50 else "9"))
        else:
            world.later(0.2, report, world, message, "no_answer")
    elif links and luck < 40:
        world.later(0.5, lambda: world.say(f"      {message['to']} clicks ({get(links[0])})"))
    elif channel == "telegram" and luck > 90:
        world.later(0.5, lambda: report(world, message, "replied", text="stop"))


def report(world, message, name, **more):
    """Send one signed event to where the message wants its receipts."""
    event = {"id": f"{message['id']}-{name}", "name": name, "reference": message["reference"], **more}
    body, stamp = json.dumps(event).encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-Cascade-Timestamp": stamp,
        "X-Cascade-Signature": "v1=" + sign(b"v1:" + stamp.encode() + b":" + body),
    }
    status = get(message["status_url"], "receivers", "POST", body, headers)
    if name != "delivered" or status != 200:
        world.say(f"      {message['to']} {name} {more.get('key', more.get('text', ''))} ({status})")


class Receivers:
    """Both servers, from `start` to `stop`; port 0 is any free one."""

    def __init__(self, world, mail_port=2525, web_port=8025):
        self.mail = Controller(MailBox(world), hostname="127.0.0.1", port=mail_port)
        self.web = ThreadingHTTPServer(("127.0.0.1", web_port), handler_of(world))
        self.web.daemon_threads = True

    def start(self):
        self.mail.start()
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def stop(self):
        self.mail.stop()
        self.web.shutdown()
        self.web.server_close()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--delay", type=float, default=1.0, help="seconds that a person takes (1)")
    world = World(options.parse_args().delay)
    try:
        receivers = Receivers(world)
        receivers.start()
    except OSError as error:
        raise SystemExit(f"Ports 2525 and 8025 are wanted here, and one is in use: {error}") from None
    print("Mail at 127.0.0.1:2525, messages and calls at http://127.0.0.1:8025. Ctrl-C ends.", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(f"{len(world.mails)} mails, {len(world.calls)} messages and calls.")
    finally:
        receivers.stop()


if __name__ == "__main__":
    main()
