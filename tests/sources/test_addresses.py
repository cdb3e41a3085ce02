"""Which hosts may be asked."""

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import ImageError
from facecli.sources.web import is_public_address, resolve_host


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "64:ff9b::7f00:1",
        "::127.0.0.1", "::ffff:0:7f00:1", "::8.8.8.8", "64:ff9b:1::808:808", "fec0::1", "192.0.0.192",
        "192.88.99.1",
        "240.0.0.1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001:2::1", "2620:1::5efe:a00:1",
        "2001:0:a00:1::f7f7:f7f7", "2001:0:808:808:0:0:80ff:fffe",
    ],
)  # fmt: skip
def test_own_machine_and_network_are_not_public(address):
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_the_internet_is_public(address):
    assert is_public_address(address)


def embeddings(inner):
    """Addresses of IPv6 that lead, or once led, to one of IPv4."""
    value = int(inner)
    flipped = value ^ 0xFFFFFFFF
    return [
        ipaddress.IPv6Address(one)
        for one in (
            value,
            0xFFFF << 32 | value,
            0xFFFF << 48 | value,
            0x64FF9B << 96 | value,
            0x64FF9B0001 << 80 | value,
            0x64FF9B0001 << 80 | (value >> 16) << 64 | (value & 0xFFFF) << 40,
            0x2002 << 112 | value << 80 | 1,
            0x20010000 << 96 | value << 64 | 0xF7F7F7F7,
            0x20010000 << 96 | 0x08080808 << 64 | flipped,
            0x26062800 << 96 | 0x5EFE << 32 | value,
            0x26062800 << 96 | 0x02005EFE << 32 | value,
        )
    ]


PRIVATE_NETWORKS = ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]


@given(st.sampled_from(PRIVATE_NETWORKS), st.integers(0, 2**32 - 1))
def test_what_embeds_a_private_address_is_private(network, number):
    chosen = ipaddress.ip_network(network)
    inner = chosen[number % chosen.num_addresses]
    assert not is_public_address(str(inner))
    for wrapped in embeddings(inner):
        assert not is_public_address(str(wrapped)), wrapped


@given(st.integers(0, 2**128 - 1))
def test_of_ipv6_only_what_is_given_out_is_public(number):
    address = ipaddress.IPv6Address(number)
    if is_public_address(str(address)):
        given_out = address in ipaddress.ip_network("2000::/3")
        assert given_out or address in ipaddress.ip_network("64:ff9b::/96") or address.ipv4_mapped is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1"])
def test_private_hosts_are_refused_however_they_are_written(host):
    with pytest.raises(ImageError, match="a private address|no address"):
        resolve_host(host, 80, allow_private=False)


def test_private_hosts_are_found_when_that_is_allowed():
    assert resolve_host("127.0.0.1", 80, allow_private=True)[0][4] == ("127.0.0.1", 80)


def test_one_private_address_of_several_is_enough(monkeypatch):
    found = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ImageError, match="10.0.0.1, a private address"):
        resolve_host("example.org", 80, allow_private=False)


def test_unknown_host():
    with pytest.raises(ImageError, match="no address for host"):
        resolve_host("nowhere.invalid", 80, allow_private=False)
    with pytest.raises(ImageError, match="no address for host"):
        resolve_host("x" * 300, 80, allow_private=False)


def test_a_name_that_nobody_knows_in_time_is_given_up(monkeypatch):
    gate = threading.Event()

    def slow(*_, **__):
        gate.wait(20)
        raise socket.gaierror

    monkeypatch.setattr("socket.getaddrinfo", slow)
    with pytest.raises(TimeoutError):
        resolve_host("slow.example", 80, allow_private=False, within_s=0.1)
    assert not gate.is_set()
    gate.set()
