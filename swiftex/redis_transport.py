"""Kombu's Redis transport as our workers need it (docs/adr/0008-lean-celery.md)."""

import logging
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

logger = logging.getLogger(__name__)


class LettingGo(redis.QoS):
    """Messages in a worker's hands stay unacknowledged when their connection is lost; the sweep sends them again.

    Kombu 5.7 wants to put them back over the connection it has just taken apart, and the worker dies of it.
    """

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """The messages are back in their queues, or left behind."""
        try:
            super().restore_unacked_once(stderr)
        except AttributeError:
            logger.warning("messages could not be put back over a lost connection")


class Channel(redis.Channel):
    """A channel that keeps its client.

    Kombu makes a client object for every command it sends; with redis-py 8 that object costs more than the command.
    Clients share the channel's connection pool either way.
    """

    QoS = LettingGo
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
