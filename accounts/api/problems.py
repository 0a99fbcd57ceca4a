"""Every error of the API as an RFC 9457 problem: a stable type, the fields at fault, the correlation id.

The list of types for callers: docs/reference/api.md.
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DataError, Error, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions, status
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.response import Response

from accounts.api.rendering import to_json
from swiftex.observability import correlation

logger = logging.getLogger(__name__)

TYPE_BASE = "https://swiftex.dev/problems/"
MEDIA_TYPE = "application/problem+json"
RETRY_WHEN_UNAVAILABLE_S = 2
_WHOLE_BODY = "non_field_errors"
_TITLES = {
    "validation": "The request has fields that cannot be accepted",
    "malformed-body": "The body cannot be read",
    "too-large": "The body is too large",
    "unauthenticated": "A valid API key is needed",
    "bad-signature": "The callback is not signed as the configuration says",
    "forbidden": "The caller may not do this",
    "not-found": "There is nothing here",
    "method-not-allowed": "The method is not allowed here",
    "not-acceptable": "The answer is JSON only",
    "unsupported-media-type": "The body must be JSON",
    "idempotency-still-running": "The first request with this Idempotency-Key is still running",
    "idempotency-key-reused": "This Idempotency-Key came with another request",
    "conflict": "The request conflicts with what is stored",
    "rate-limited": "Too many requests",
    "unavailable": "Swiftex cannot store anything right now; ask again",
    "internal": "Something went wrong on our side",
}
_TYPE_OF_STATUS = {
    400: "validation",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    413: "too-large",
    415: "unsupported-media-type",
    429: "rate-limited",
    503: "unavailable",
}


class MalformedBody(APIException):
    """The body is not the JSON it should be; detail names the place by `errors`."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "malformed-body"


class BodyTooLarge(APIException):
    """The body has more bytes than the route takes."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too-large"
    default_detail = "The body is too large."


class IdempotencyStillRunning(APIException):
    """409: ask again for the answer."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "idempotency-still-running"
    default_detail = "Ask again in a moment."
    wait = 1.0


class IdempotencyKeyReused(APIException):
    """422: another request was made with this key."""

    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_code = "idempotency-key-reused"
    default_detail = "Use a new key for a new request."


def invalid(field: str, reason: str, code: str = "invalid") -> exceptions.ValidationError:
    """The problem `validation` about one field, to be raised."""
    return exceptions.ValidationError({field: [ErrorDetail(reason, code)]})


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """The problem that an exception in a view becomes; nothing about our insides is in it. DRF calls this."""
    known = _as_api_exception(error)
    if known is None:
        logger.error("unhandled error in the API", exc_info=error)
        return _response("internal", status.HTTP_500_INTERNAL_SERVER_ERROR)
    headers = _headers_of(known)
    problem_type = _type_of(known)
    errors = list(_errors_of(known.detail, "")) if known.status_code == status.HTTP_400_BAD_REQUEST else []
    detail = None if isinstance(known.detail, dict | list) else str(known.detail)
    return _response(problem_type, known.status_code, detail=detail, errors=errors, headers=headers)


def problem_body(
    problem_type: str, status_code: int, *, detail: str | None = None, errors: Sequence[Mapping[str, str]] = ()
) -> bytes:
    """The JSON of a problem."""
    body: dict[str, object] = {
        "type": TYPE_BASE + problem_type,
        "title": _TITLES.get(problem_type, HTTPStatus(status_code).phrase),
        "status": status_code,
    }
    if detail is not None:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    if (correlation_id := correlation.request_id.get() or correlation.correlation_id.get()) is not None:
        body["correlation_id"] = correlation_id
    return to_json(body)


def problem_page(problem_type: str, status_code: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A problem as a plain Django answer, for what happens before or outside of a DRF view."""
    body = problem_body(problem_type, status_code)
    return HttpResponse(body, status=status_code, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def type_of_status(status_code: int) -> str:
    """The problem type of an answer of which only the status is known."""
    return _TYPE_OF_STATUS.get(status_code, "internal" if status_code >= 500 else "validation")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400 for people, in a plain line: 413 for a body that is too large, else 400."""
    if isinstance(exception, RequestDataTooBig):
        return _line("The body is too large", status.HTTP_413_REQUEST_ENTITY_TOO_LARGE)
    return _line("Bad request", status.HTTP_400_BAD_REQUEST)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404 for people; machines get a problem (problem_middleware.py)."""
    return _line("Not found", status.HTTP_404_NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: as not_found."""
    return _line("Something went wrong", status.HTTP_500_INTERNAL_SERVER_ERROR)


def _line(text: str, status_code: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status_code, content_type="text/plain")


def _as_api_exception(error: Exception) -> APIException | None:
    if isinstance(error, APIException):
        return error
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, DataError):
        logger.warning("a value reached the database that it cannot hold", exc_info=_without_values(error))
        return exceptions.ValidationError("a value cannot be stored")
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("the database is not available", extra={"error": type(error).__name__})
        return _Unavailable()
    return None


class _Unavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "Ask again in a moment, best with an Idempotency-Key: then nothing is stored twice."
    wait = float(RETRY_WHEN_UNAVAILABLE_S)


def _without_values(error: Error) -> Error:
    """The same kind of error with its trace, but without the text, which may repeat what a customer wrote."""
    return type(error)("text left out").with_traceback(error.__traceback__)


def _type_of(error: APIException) -> str:
    if error.default_code in _TITLES:
        return str(error.default_code)
    if isinstance(error, exceptions.ParseError):
        return "malformed-body"
    return type_of_status(error.status_code)


def _headers_of(error: APIException) -> dict[str, str]:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if (wait_s := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    headers.update(getattr(error, "headers", {}))
    return headers


def _errors_of(detail: object, path: str) -> Iterator[dict[str, str]]:
    """DRF's nested details, flat: {"items": {3: {"phone": ["wrong"]}}} is about the field items[3].phone."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            yield from _errors_of(inner, _joined(path, key))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, dict | list)
            yield from _errors_of(inner, f"{path}[{index}]" if nested else path)
    else:
        yield {"field": path, "reason": str(detail), "code": str(getattr(detail, "code", "invalid"))}


def _joined(path: str, key: object) -> str:
    if key == _WHOLE_BODY:
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _response(
    problem_type: str,
    status_code: int,
    *,
    detail: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = problem_body(problem_type, status_code, detail=detail, errors=errors)
    return Response(body, status=status_code, headers=dict(headers or {}), content_type=MEDIA_TYPE)
