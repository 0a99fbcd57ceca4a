"""A view of every kind, to test the API's ground without an app on top."""

from typing import ClassVar

from django.db import OperationalError, connection
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import idempotency, problems
from accounts.api.pagination import CursorPages
from accounts.api.views import ApiView, caller
from accounts.models import ApiKey


class Item(serializers.Serializer):
    phone = serializers.CharField(max_length=5)


class Body(serializers.Serializer):
    name = serializers.CharField(max_length=5)
    items = Item(many=True, required=False)


class Echo(ApiView):
    required_scopes: ClassVar = {"GET": "leads:read", "POST": "leads:write"}

    def get(self, request: Request) -> Response:
        return Response({"organization_id": caller(request).organization_id})

    def post(self, request: Request) -> Response:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return idempotency.once(request, lambda: (202, {"name": body.validated_data["name"], "n": next(counter)}))


class Small(Echo):
    max_body_bytes = 20


class Broken(ApiView):
    required_scopes: ClassVar = {"GET": "leads:read", "POST": "leads:read"}

    def get(self, request: Request) -> Response:
        raise {"database": OperationalError("secret-host"), "bug": KeyError("secret")}[request.query_params["by"]]

    def post(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::int", ["secret"])
        return Response({})


class Keys(ApiView):
    required_scopes: ClassVar = {"GET": "config:read"}

    def get(self, request: Request) -> Response:
        pages = CursorPages()
        rows = pages.paginate_queryset(ApiKey.objects.all(), request, self)
        return pages.get_paginated_response([row.name for row in rows])


counter = iter(range(10_000))
handler404 = problems.not_found
urlpatterns = [
    path("api/v1/echo", Echo.as_view()),
    path("api/v1/small", Small.as_view()),
    path("api/v1/broken", Broken.as_view()),
    path("api/v1/keys", Keys.as_view()),
]
