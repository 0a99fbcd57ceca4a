from django.apps import AppConfig


class SwiftexConfig(AppConfig):
    name = "swiftex"
