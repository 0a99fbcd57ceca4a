from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Routing"

    def ready(self) -> None:
        autodiscover_modules("jobs")
        autodiscover_modules("followers")
