"""The one kind of failure that a person at the command line can do something about."""


class Problem(Exception):
    """Nothing can be started: what is wrong and its remedy, in one line without secrets."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
