"""Addresses that providers call, below /webhooks/."""

from django.urls import path, re_path

from channels_out.callbacks.twilio import twilio
from channels_out.callbacks.whatsapp import whatsapp

urlpatterns = [
    path("whatsapp/<str:key>", whatsapp, name="webhook-whatsapp"),
    re_path(r"^twilio/(?P<key>[^/]+)/(?P<endpoint>sms|status|voice)$", twilio, name="webhook-twilio"),
]
