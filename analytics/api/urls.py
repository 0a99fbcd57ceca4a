"""Addresses below /api/v1/."""

from django.urls import path

from analytics.api.views import FirstResponseView

urlpatterns = [path("reports/first-response", FirstResponseView.as_view(), name="first-response-report")]
