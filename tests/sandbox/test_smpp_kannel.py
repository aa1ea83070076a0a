"""The sandbox's SMS centre with Kannel as its client: binds, texts, parts, receipts and a person's answer."""

from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

from kaskad.sandbox.servers.smpp import Keys
from support.kannel import kannel, refused
from support.world import ANN, wait_for

LONG = "Ваша посылка ждёт вас в пункте выдачи. " * 4


def test_kannel_sends_texts_gets_receipts_and_hands_on_an_answer(start, receiver, tmp_path):
    centre = start(time_factor=100, servers=("smpp",))
    port = centre.place.ports["smpp"]
    with kannel(tmp_path, port, Keys().system_id, Keys().password, f"{receiver.url}/answers") as gateway:
        told = f"{receiver.url}/reports?kind=%d"
        ann = centre.phones[0]
        for count, text in enumerate(("Hello", LONG), 1):  # two under way at once may change places
            assert "Accepted" in gateway.send(ANN.phone, text, **{"dlr-mask": "3", "dlr-url": told})
            wait_for(lambda count=count: len(ann.texts) == count)
        assert [sms.text.strip() for sms in ann.texts] == ["Hello", LONG.strip()]
        wait_for(lambda: receiver.at("/reports"))
        kinds = {parse_qs(urlsplit(one.path).query)["kind"][0] for one in receiver.at("/reports")}
        assert kinds == {"1"}  # delivered
        centre.do(lambda deeds: deeds.send_sms(ann, "Да, жду"))
        wait_for(lambda: receiver.at("/answers"))
        query = urlsplit(receiver.at("/answers")[0].path).query
        octets = unquote_to_bytes(query.split("&")[0].removeprefix("text=").replace("+", "%20"))
        assert octets.decode("utf-16-be") == "Да, жду"  # Kannel hands UCS-2 on as it is
        assert parse_qs(query)["from"] == [ANN.phone]


def test_kannel_is_refused_with_a_wrong_password(start, tmp_path):
    centre = start(time_factor=100, servers=("smpp",))
    with refused(tmp_path, centre.place.ports["smpp"], Keys().system_id, "wrong") as log:
        wait_for(lambda: "0x0000000e" in log.read_text("utf-8", "replace").lower())
