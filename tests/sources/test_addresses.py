"""Which hosts may be asked."""

import pytest

from facecli.core.errors import ImageError
from facecli.sources.web import is_public_address, resolve_host


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
def test_own_machine_and_network_are_not_public(address):
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_the_internet_is_public(address):
    assert is_public_address(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1"])
def test_private_hosts_are_refused_however_they_are_written(host):
    with pytest.raises(ImageError, match="--allow-private|no address"):
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
