import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftex.addresses import address_refusal, port_refusal
from swiftex.http import check_public_url

INWARD = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
    "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1",
]  # fmt: skip
OUTWARD = [
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "172.32.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", INWARD)
def test_addresses_that_point_inward_are_refused(address):
    assert address_refusal(address) == "private_address"


@pytest.mark.parametrize("address", OUTWARD)
def test_public_addresses_are_called(address):
    assert address_refusal(address) is None


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3", "example.com", "[::1]"]
)
def test_what_is_no_plain_address_is_not_taken_for_one(text):
    assert address_refusal(text) == "not_an_address"


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_alike(address):
    plain = address_refusal(str(address))

    assert address_refusal(f"::ffff:{address}") == plain
    assert address_refusal(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address)))) == plain
    assert address_refusal(str(ipaddress.IPv6Address((0x2002 << 112) + (int(address) << 80)))) == plain


def test_ports_of_databases_and_mail_are_refused_and_those_of_web_servers_are_not():
    assert all(port_refusal(port) for port in (0, 22, 25, 5432, 6379, 9200, 11211, 65536, -1))
    assert not any(port_refusal(port) for port in (80, 443, 3000, 8000, 8080, 8443))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/hook?x=1",
        "http://example.com:8080/a",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://bücher.example/",
        "https://123.example/",
    ],
)
def test_public_urls_may_be_configured(settings, url):
    settings.SWIFTEX_ALLOW_PRIVATE_HOSTS = False

    check_public_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "gopher://example.com",
        "javascript:1",
        "https://", "https:///path", "https://user@example.com", "https://user:secret@example.com", "https://@example.com/",
        "https://example.com:22", "https://example.com:6379", "https://example.com:99999", "https://exa mple.com:x/",
        "https://localhost", "https://LOCALHOST./", "https://x.localhost", "https://db.internal", "https://printer.local",
        "http://127.0.0.1", "http://127.1", "http://0x7f000001", "http://2130706433", "http://0x7f.1", "http://017700000001",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest", "http://[fd00::1]/",
        "http://100.64.0.1", "http://10.0.0.1:8080/",
    ],
)  # fmt: skip
def test_inward_or_malformed_urls_may_not_be_configured(settings, url):
    settings.SWIFTEX_ALLOW_PRIVATE_HOSTS = False

    with pytest.raises(ValueError, match=r"^(is|must|names) "):
        check_public_url(url)


def test_development_may_call_itself(settings):
    settings.SWIFTEX_ALLOW_PRIVATE_HOSTS = True

    check_public_url("http://127.0.0.1:9900/v1")
    with pytest.raises(ValueError, match="user name"):
        check_public_url("http://user@127.0.0.1/")
