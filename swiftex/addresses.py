"""Pure: which addresses may be called when an organization chose them (delivery.md's rule against inward requests).

An address that isn't plainly public is refused, also when it is wrapped in another one: IPv4 inside IPv6, 6to4, NAT64.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_NAT64 = IPv6Network("64:ff9b::/96")
# Ports on which something other than a web server listens, and which a forged request could make act.
_FORBIDDEN_PORTS = frozenset(
    {
        *(0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 87, 95, 101, 102, 103, 104, 109),
        *(110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526),
        *(530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723),
        *(2049, 2375, 2376, 2379, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672, 5900, 5984, 6000, 6379, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9200, 10080, 11211, 15672, 27017),
    }
)


def address_refusal(text: str) -> str | None:
    """Why this IP address (not a name) may not be called, as a short code; None when it is public."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "not_an_address"
    return None if _is_public(address) else "private_address"


def port_refusal(port: int) -> str | None:
    """Why this port may not be called; None when a web server may listen there."""
    return "forbidden_port" if port in _FORBIDDEN_PORTS or not 0 < port < 65536 else None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if (inner := _inner(address)) is not None:
            return _is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this IPv6 address end up at, if there is one."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
