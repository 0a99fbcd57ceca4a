"""Routes of conversations, below /api/v1/."""

from django.urls import path

from conversations.api import views

urlpatterns = [
    path("conversations", views.ConversationsView.as_view(), name="conversations"),
    path("conversations/<str:conversation_id>", views.ConversationView.as_view(), name="conversation"),
]
