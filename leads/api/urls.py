"""Routes of the leads API, below /api/v1/; a trailing slash is optional."""

from django.urls import re_path

from leads.api import views

urlpatterns = [
    re_path(r"^leads/?$", views.LeadsView.as_view(), name="leads"),
    re_path(r"^leads/batch/?$", views.LeadBatchView.as_view(), name="leads-batch"),
    re_path(r"^leads/(?P<lead_id>lead_[0-9a-f]{32})/?$", views.LeadView.as_view(), name="lead"),
    re_path(r"^leads/(?P<lead_id>lead_[0-9a-f]{32})/timeline/?$", views.TimelineView.as_view(), name="lead-timeline"),
    re_path(r"^contacts/?$", views.ContactsView.as_view(), name="contacts"),
    re_path(r"^contacts/(?P<contact_id>con_[0-9a-f]{32})/?$", views.ContactView.as_view(), name="contact"),
    re_path(
        r"^contacts/(?P<contact_id>con_[0-9a-f]{32})/opt-out/?$", views.OptOutView.as_view(), name="contact-opt-out"
    ),
]
