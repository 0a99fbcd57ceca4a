"""The reports alone, at their real address."""

from django.urls import include, path

urlpatterns = [path("api/v1/", include("analytics.api.urls"))]
