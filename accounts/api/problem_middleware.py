"""Machines get problems: what answers below /api/ and /webhooks/ with an error outside of DRF is put into that form."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.api import problems

MACHINE_PATHS = ("/api/", "/webhooks/")
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class ProblemMiddleware:
    """Every answer of 400 and above to a machine is application/problem+json: Django's own pages as well.

    A wrong host name, a method that a callback does not take, an address that is none: Django answers these itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith(MACHINE_PATHS):
            return response
        if response.headers.get("Content-Type") == problems.MEDIA_TYPE:
            return response
        kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        return problems.problem_page(problems.type_of_status(response.status_code), response.status_code, kept)
