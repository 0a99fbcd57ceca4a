"""The two ways in which a provider, a model or a job may fail."""


class TemporaryFailure(Exception):
    """Trying again later may work.

    reason: a short code-like text such as `rate_limited`, without personal data or secrets; it is stored and logged.
    retry_after_s: the other side's own hint in seconds, if it gave one.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class PermanentFailure(Exception):
    """Trying again can't work before a person changes something.

    reason: a short code-like text such as `template_not_approved`, without personal data or secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
