"""Routes of messages, below /api/v1/."""

from django.urls import path

from channels_out.api import views

urlpatterns = [
    path("messages", views.MessagesView.as_view(), name="messages"),
    path("messages/<str:message_id>", views.MessageView.as_view(), name="message"),
]
