"""Routes of leads outside the API."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
