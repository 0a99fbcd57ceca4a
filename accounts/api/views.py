"""The base of every view of the API."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.authentication import AuthenticatedKey
from accounts.api.limits import Allowance, check_limits
from accounts.api.rendering import OrjsonRenderer
from swiftex.observability import correlation

_RENDERER = OrjsonRenderer()


class ApiView(APIView):
    """A view for API keys: authenticated, scoped (`required_scopes`), rate-limited, JSON in and JSON out.

    It answers JSON whatever the Accept header says, so DRF's content negotiation is skipped: that and the unused
    throttles and versions are what makes it cheaper than a bare APIView.
    """

    required_scopes: ClassVar[Mapping[str, str]] = {}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """JSON."""
        return _RENDERER, _RENDERER.media_type

    def perform_authentication(self, request: Request) -> None:
        """The caller is known, and log lines of this request name the organization."""
        if isinstance(request.auth, AuthenticatedKey):
            # The request's middleware takes it back.
            correlation.organization_id.set(str(request.auth.organization_id))

    def check_throttles(self, request: Request) -> None:
        """The request is counted; raises RateLimited."""
        if isinstance(request.auth, AuthenticatedKey):
            self.allowance: Allowance | None = check_limits(request.auth)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        """The answer, with the RateLimit headers of the request's key or organization."""
        finished: Response = super().finalize_response(request, response, *args, **kwargs)
        allowance = getattr(self, "allowance", None)
        if allowance is not None:
            for name, value in allowance.headers().items():
                finished.setdefault(name, value)
        return finished


def caller(request: Request) -> AuthenticatedKey:
    """The key that made the request, after HasScope let it in."""
    if not isinstance(request.auth, AuthenticatedKey):
        raise TypeError("the view has no ApiKeyAuthentication")
    return request.auth
