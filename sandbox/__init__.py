"""Stand-ins for every provider, on loopback, with dials for latency and faults. Never imported by the product."""
