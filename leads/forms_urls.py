"""Routes of the hosted forms, at the root."""

from django.urls import path

from leads import form_views

urlpatterns = [
    path("forms/<str:key>", form_views.hosted_form, name="form"),
    path("forms/<str:key>/thanks", form_views.thanks, name="form-thanks"),
    path("embed.js", form_views.embed_script, name="embed-script"),
]
