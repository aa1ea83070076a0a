"""The server as a whole: health, unknown paths, starting and stopping, and how a request waits."""

import asyncio
import socket
import threading
from concurrent.futures import Future

import pytest

from kaskad.config import Settings
from kaskad.domain.errors import Conflict, Unavailable
from kaskad.web.intake import Durable
from kaskad.web.server import Server, listen


async def empty(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_it_is_alive_and_ready_unless_the_engine_has_a_problem(site):
    assert site.call("GET", "/healthz").status == 200
    assert site.call("GET", "/readyz").status == 200
    site.intake.trouble = "The disk is full."
    assert site.call("GET", "/healthz").status == 200
    answer = site.call("GET", "/readyz")
    assert (answer.status, answer.json()["detail"]) == (503, "The disk is full.")


def test_an_unknown_path_is_a_problem_in_json(site):
    answer = site.call("GET", "/nothing")
    assert (answer.status, answer.json()) == (404, {"title": "Not Found", "status": 404})


def test_the_server_does_not_say_what_it_runs_on(site):
    assert "server" not in site.call("GET", "/healthz").headers


def test_a_taken_port_is_told_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Conflict, match="listen"):
            Server(empty, settings).start()
    with pytest.raises(Conflict, match="listen"):
        Server(empty, Settings(listen="no-such-host.invalid:80")).start()


def test_after_stopping_nobody_listens_and_stopping_again_is_fine():
    server = Server(empty, Settings(listen="127.0.0.1:0"))
    server.start()
    address = server.address
    socket.create_connection(address, timeout=5).close()
    server.stop()
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=5)


def test_a_wait_ends_with_the_result_or_the_error_of_its_future():
    async def check():
        durable = Durable()
        good, bad, gone = Future(), Future(), Future()
        timer = threading.Timer(
            0.01, lambda: (good.set_result(3), bad.set_exception(Conflict("x")), gone.cancel())
        )
        timer.start()
        results = await asyncio.gather(*map(durable.wait, (good, bad, gone)), return_exceptions=True)
        assert results[0] == 3
        assert isinstance(results[1], Conflict)
        assert isinstance(results[2], Unavailable)
        ended = Future()
        ended.set_result(4)
        assert await durable.wait(ended) == 4

    asyncio.run(check())


def test_a_wait_that_takes_too_long_fails_and_a_later_result_does_no_harm():
    async def check():
        durable = Durable(limit_s=0.05)
        first, second = Future(), Future()
        waits = [asyncio.ensure_future(durable.wait(first))]
        await asyncio.sleep(0.03)
        waits.append(asyncio.ensure_future(durable.wait(second)))
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable, Unavailable]
        first.set_result(None)
        await asyncio.sleep(0.01)
        durable._limit_s = 20.0
        third = Future()
        threading.Timer(0.01, third.set_result, (5,)).start()
        assert await durable.wait(third) == 5

    asyncio.run(check())


def test_thousands_of_futures_ended_by_several_threads_wake_everybody():
    async def check():
        durable = Durable()
        futures = [Future() for _ in range(4000)]
        waits = [asyncio.ensure_future(durable.wait(future)) for future in futures]
        await asyncio.sleep(0)

        def end(part):
            for number in range(part, len(futures), 4):
                futures[number].set_result(number)

        for part in range(4):
            threading.Thread(target=end, args=(part,)).start()
        assert await asyncio.wait_for(asyncio.gather(*waits), 10) == list(range(4000))

    asyncio.run(check())


def test_an_end_after_the_loop_has_closed_is_no_error(capsys):
    durable = Durable()
    future = Future()

    async def leave():
        waiting = asyncio.ensure_future(durable.wait(future))
        await asyncio.sleep(0)
        assert not waiting.done()

    asyncio.run(leave())
    future.set_result(None)
    assert capsys.readouterr().err == ""


def test_requests_that_share_a_future_all_end_with_it_also_after_some_gave_up():
    async def check():
        durable = Durable(limit_s=0.05)
        batch = Future()
        early = [asyncio.ensure_future(durable.wait(batch)) for _ in range(3)]
        assert [type(result) for result in await asyncio.gather(*early, return_exceptions=True)] == [
            Unavailable
        ] * 3
        durable._limit_s = 20.0
        late = [asyncio.ensure_future(durable.wait(batch)) for _ in range(3)]
        threading.Timer(0.01, batch.set_result, ("kept",)).start()
        assert await asyncio.gather(*late) == ["kept"] * 3
        assert await durable.wait(batch) == "kept"

    asyncio.run(check())


def test_a_port_that_somebody_has_is_told_with_what_to_choose_another_one_by():
    choose = r"in use\. .*--listen or --port .* `listen`"
    with listen("127.0.0.1", 0) as taken, pytest.raises(Conflict, match=choose):
        listen(*taken.getsockname())
