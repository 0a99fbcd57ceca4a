from django.apps import AppConfig


class SwiftexConfig(AppConfig):
    name = "swiftex"

    def ready(self) -> None:
        from swiftex import celery, checks, subscriptions  # noqa: F401 - the app of every thread, and the receivers

        checks.register_checks()
