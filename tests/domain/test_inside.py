"""Which addresses of one's own network may be called."""

import pytest

from kaskad.domain.inside import EVERYTHING, NOTHING, read_inside


@pytest.mark.parametrize(
    ("told", "host", "addresses", "opened"),
    [
        ("no", "example.org", ["93.184.215.14"], True),
        ("no", "crm.internal", ["10.0.0.5"], False),
        ("yes", "anything", ["127.0.0.1", "fe80::1%eth0"], True),
        ("crm.internal", "CRM.internal.", ["10.0.0.5"], True),
        ("crm.internal", "other.internal", ["10.0.0.5"], False),
        ("10.0.0.0/8, fd00::/8", "a", ["10.9.9.9", "fd12::1", "93.184.215.14"], True),
        ("10.0.0.0/8", "a", ["10.9.9.9", "192.168.0.1"], False),
        ("10.0.0.5", "10.0.0.5", ["10.0.0.5"], True),
        ("[::1]", "::1", ["::1"], True),
        (" ", "localhost", ["::1"], False),
        ("no", "a", ["64:ff9b::a00:1"], False),  # what a NAT64 gateway takes to 10.0.0.1
        ("no", "a", ["64:ff9b::a9fe:a9fe"], False),
        ("no", "a", ["64:ff9b::5db8:d70e"], True),
        ("10.0.0.0/8", "a", ["64:ff9b::a00:1", "2002:a00:1::1", "::ffff:10.0.0.1"], True),
        ("64:ff9b::/96", "a", ["64:ff9b::a00:1"], True),
        ("no", "a", ["64:ff9b:1::a00:1"], False),
        ("no", "a", ["2002:a00:1::1"], False),
        ("no", "a", ["2002:5db8:d70e::1"], True),
        ("no", "a", ["::ffff:10.0.0.1"], False),
        ("no", "a", ["::ffff:93.184.215.14"], True),
        ("no", "a", ["::10.0.0.1"], False),
        ("no", "a", ["::ffff:0:10.0.0.1"], False),
        ("no", "a", ["fec0::1"], False),
        ("no", "a", ["ff0e::1"], False),
        ("no", "a", ["224.0.0.251"], False),
        ("no", "a", ["2606:4700::1111"], True),
        ("1c, srv-2.office", "1c", ["10.0.0.5"], True),
    ],
)
def test_a_private_address_is_opened_by_a_host_or_a_network(told, host, addresses, opened):
    assert read_inside(told).opens(host, addresses) is opened


def test_what_is_neither_host_nor_network_is_named():
    assert (read_inside("no"), read_inside("yes")) == (NOTHING, EVERYTHING)
    for wrong in (
        "http://crm/",
        "crm.internal:80",
        "10.0.0.0/40",
        "a b",
        "no",
        "yes",
        "true",
        "off",
        "10.1.2",
        "10.1.2.300",
        "192.168.1.5-9",
        "0x7f.1",
        "crm.0x1",
        "2130706433",
    ):
        with pytest.raises(ValueError, match=wrong):
            read_inside(f"crm, {wrong}")
