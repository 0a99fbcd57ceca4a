"""The routes of leads, to test them without the rest of the product."""

from django.contrib import admin
from django.urls import include, path

from accounts.api import problems

handler404 = problems.not_found
handler500 = problems.server_error
urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("leads.api.urls")),
    path("", include("leads.forms_urls")),
]
