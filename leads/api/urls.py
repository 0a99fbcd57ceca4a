"""Routes of the leads API, below /api/v1/; the middleware makes a trailing slash optional."""

from django.urls import path

from leads.api import views

urlpatterns = [
    path("leads", views.LeadsView.as_view(), name="leads"),
    path("leads/batch", views.LeadBatchView.as_view(), name="leads-batch"),
    path("leads/<str:lead_id>", views.LeadView.as_view(), name="lead"),
    path("leads/<str:lead_id>/timeline", views.TimelineView.as_view(), name="lead-timeline"),
    path("contacts", views.ContactsView.as_view(), name="contacts"),
    path("contacts/<str:contact_id>", views.ContactView.as_view(), name="contact"),
    path("contacts/<str:contact_id>/opt-out", views.OptOutView.as_view(), name="contact-opt-out"),
]
