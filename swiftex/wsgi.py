"""The WSGI application that the web server runs."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from swiftex.chunked_bodies import ChunkedBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "swiftex.settings")
application = ChunkedBodies(get_wsgi_application(), most_bytes=settings.SWIFTEX_LARGEST_BODY_BYTES)
# Views and what they need are imported now, not by the first request.
assert get_resolver().url_patterns  # noqa: S101 - reading them imports them
