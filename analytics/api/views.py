"""GET /api/v1/reports/first-response."""

from datetime import timedelta
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.views import ApiView, caller
from analytics.selectors import first_response_report
from analytics.services import day_in_organization
from swiftex import clock

MOST_DAYS = 366
USUAL_DAYS = 7


class FirstResponseQuery(serializers.Serializer[Any]):
    """Which days, both included; the last seven without."""

    from_day = serializers.DateField(required=False)
    to_day = serializers.DateField(required=False)
    source = serializers.CharField(required=False, max_length=64)  # type: ignore[assignment]

    def get_fields(self) -> dict[str, Any]:
        """`from` and `to` on the wire."""
        fields = super().get_fields()
        return {"from": fields["from_day"], "to": fields["to_day"], "source": fields["source"]}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A period that ends after it begins and is not too long to read at once."""
        today = self.context["today"]
        last_day = attrs.get("to", today)
        first_day = attrs.get("from", last_day - timedelta(days=USUAL_DAYS - 1))
        if first_day > last_day:
            raise serializers.ValidationError({"from": "must not be after to"})
        if (last_day - first_day).days >= MOST_DAYS:
            raise serializers.ValidationError({"from": f"must be less than {MOST_DAYS} days before to"})
        return {"first_day": first_day, "last_day": last_day, "source": attrs.get("source")}


class FirstResponseRow(serializers.Serializer[Any]):
    """How the leads of one day and source were answered; times in milliseconds."""

    day = serializers.DateField(allow_null=True)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    captured = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    greeted = serializers.IntegerField()
    greeted_by_channel = serializers.DictField(child=serializers.IntegerField())
    fallback_texts = serializers.DictField(child=serializers.IntegerField())
    suppressed = serializers.DictField(child=serializers.IntegerField())
    failed = serializers.DictField(child=serializers.IntegerField())
    unresolved = serializers.IntegerField()
    replied = serializers.IntegerField()
    stopped = serializers.IntegerField()
    first_response_p50_ms = serializers.IntegerField(allow_null=True)
    first_response_p95_ms = serializers.IntegerField(allow_null=True)
    first_response_p99_ms = serializers.IntegerField(allow_null=True)
    under_2s_share = serializers.FloatField(allow_null=True)


class FirstResponseAnswer(serializers.Serializer[Any]):
    """The report: one row for each day and source, newest day first, and all of them together."""

    data = FirstResponseRow(many=True)  # type: ignore[assignment]
    total = FirstResponseRow()


class FirstResponseView(ApiView):
    """How fast were we?"""

    required_scopes: ClassVar = {"GET": "leads:read"}

    @extend_schema(operation_id="first_response_report", parameters=[FirstResponseQuery], responses=FirstResponseAnswer)
    def get(self, request: Request) -> Response:
        """First-response times and what else became of the leads, by day of capture and source."""
        organization_id = caller(request).organization_id
        today = day_in_organization(organization_id, clock.now())
        query = FirstResponseQuery(data=request.query_params, context={"today": today})
        query.is_valid(raise_exception=True)
        rows, total = first_response_report(organization_id=organization_id, **query.validated_data)
        return Response({"data": [row.as_json() for row in rows], "total": total.as_json()})
