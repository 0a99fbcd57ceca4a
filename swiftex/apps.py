from django.apps import AppConfig


class SwiftexConfig(AppConfig):
    name = "swiftex"

    def ready(self) -> None:
        from accounts import idempotency
        from routing.followers import follower
        from swiftex import celery, checks, subscriptions  # noqa: F401 - the app of every thread, and the receivers

        checks.register_checks()
        follower(name="prune_idempotency", interval_s=60.0)(idempotency.prune)
