"""Kombu's Redis transport as our workers need it (docs/adr/0008-lean-celery.md)."""

import logging
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual

logger = logging.getLogger(__name__)


class InMemoryQoS(virtual.QoS):
    """What a worker has taken is counted in its memory alone, not in Redis as well.

    The broker's own books would bring a dead worker's messages back after minutes; leases and the sweep do it in
    seconds, and each entry and its removal cost two round trips.
    """

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """The messages are back in their queues, or left behind for the sweep when the connection is lost."""
        try:
            super().restore_unacked_once(stderr)
        except Exception as error:  # noqa: BLE001 - a worker must not die of what the sweep heals
            logger.warning("messages could not be put back", extra={"error": type(error).__name__})


class Channel(redis.Channel):
    """A channel that keeps its client.

    Kombu makes a client object for every command it sends; with redis-py 8 that object costs more than the command.
    Clients share the channel's connection pool either way.
    """

    QoS: Any = InMemoryQoS
    _kept_client: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        if self._kept_client is None or self._kept_client.connection_pool is not self.pool:
            self._kept_client = super()._create_client()  # type: ignore[misc]
        return self._kept_client


class Transport(redis.Transport):
    """The transport of these channels."""

    Channel = Channel


def use_for_redis_urls() -> None:
    """`redis://` and `rediss://` brokers are reached through this transport in this process."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
