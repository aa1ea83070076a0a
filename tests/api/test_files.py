"""Files over the API, by commands, and by the links in messages."""

import sys

import httpx2
import pytest
from msgspec import structs

from kaskad.actions import files
from kaskad.cli.root import run
from kaskad.domain.errors import Invalid, Unavailable

PDF = b"%PDF-1.7 prices"


def put(api, name, title, content):
    return api.call("PUT", f"/files/{name}", params={"title": title}, content=content)


def test_a_file_is_saved_listed_fetched_and_deleted(api, tmp_path, capsys):
    source = tmp_path / "Price List.pdf"
    source.write_bytes(PDF)
    where = ["--db", api.service.db.name]
    assert run(["file", "put", str(source), *where]) == 0
    assert "saved as price-list" in capsys.readouterr().out
    (listed,) = api.get("/files")["items"]
    assert (listed["title"], listed["kind"], listed["size"]) == (
        "Price List.pdf",
        "application/pdf",
        len(PDF),
    )
    assert run(["file", "get", "price-list", "--out", str(tmp_path / "got"), *where]) == 0
    assert (tmp_path / "got").read_bytes() == PDF
    assert run(["file", "delete", "price-list", *where]) == 0
    assert api.get("/files")["items"] == []
    assert run(["file", "delete", "price-list", *where]) == 1


@pytest.mark.parametrize(
    ("title", "content", "told"),
    [
        ("a.exe", b"MZ", "is not sent"),
        ("noend", b"x", "is not sent"),
        ("a.pdf", b"MZ\x90", "does not begin as"),
        ("a.txt", b"a\0b", "is no text"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"x" * (files.MAX_SIZE + 1), "more than 7"),
    ],
)
def test_what_is_refused(api, title, content, told):
    answer = put(api, "a", title, content)
    assert answer.status_code == 422 and told in answer.text


def test_the_antivirus_is_asked(api):
    bad = f"{sys.executable} -c \"import sys; sys.exit(int(b'EICAR' in sys.stdin.buffer.read()))\""
    office = structs.replace(api.service.office, antivirus=bad)
    assert files.put(office, "good", "a.txt", b"words", "me").scanned
    with pytest.raises(Invalid, match="does not let"):
        files.put(office, "bad", "a.txt", b"EICAR", "me")
    with pytest.raises(Unavailable, match="did not look"):
        files.put(structs.replace(office, antivirus="/nowhere/scan"), "bad", "a.txt", b"x", "me")
    files.drop(office, "good")


def test_a_link_in_a_message_leads_to_the_file_until_it_expires(api):
    put(api, "prices", "Цены.pdf", PDF)
    file_id, now = files.find(api.service.office, "prices").id, api.service.office.now()
    fresh = api.service.office.signer.file(1, 2, 3, file_id, now + 1000)
    old = api.service.office.signer.file(1, 2, 3, file_id, now - 7_200_000)
    answer = httpx2.get(f"{api.service.url}/d/{fresh}")
    assert (answer.content, answer.headers["x-content-type-options"]) == (PDF, "nosniff")
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%D0%A6")
    assert httpx2.get(f"{api.service.url}/d/{old}").status_code == 404
    assert httpx2.get(f"{api.service.url}/d/{fresh[:10]}{fresh[11:]}").status_code == 404
    api.call("DELETE", "/files/prices")
    assert httpx2.get(f"{api.service.url}/d/{fresh}").status_code == 404
