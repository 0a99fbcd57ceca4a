from django.apps import AppConfig
from django.conf import settings


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = "Leads"

    def ready(self) -> None:
        """A web process knows the numbering plans before its first lead."""
        if settings.SWIFTEX_ROLE == "web":
            from leads import identity

            identity.load_metadata()
