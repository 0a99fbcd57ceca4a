"""The WSGI application that the web server runs."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "swiftex.settings")
application = get_wsgi_application()
# Views and what they need are imported now, not by the first request.
assert get_resolver().url_patterns  # noqa: S101 - reading them imports them
