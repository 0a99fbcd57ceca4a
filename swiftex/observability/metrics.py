"""Every metric Swiftex exports, and the plain functions that write them (docs/reference/metrics.md).

Processes write to memory-mapped files in PROMETHEUS_MULTIPROC_DIR, and the web's /metrics adds them up; a command
without that folder counts for itself only.  Labels have few values, and none of them names a person or an organization.
"""

from prometheus_client import Counter, Gauge, Histogram

_LEAD_BUCKETS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)
_WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0)
_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_RULE_BUCKETS = (0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05)

FIRST_TOUCH = Histogram(
    "swiftex_first_touch_seconds",
    "From receiving a lead to the channel's acceptance of its first message",
    ["channel"],
    buckets=_LEAD_BUCKETS,
)
QUEUE_WAIT = Histogram(
    "swiftex_queue_wait_seconds", "From a job being due to a worker starting it", ["queue"], buckets=_WAIT_BUCKETS
)
ROUTING_DURATION = Histogram("swiftex_routing_duration_seconds", "Deciding where a lead goes", buckets=_RULE_BUCKETS)
PROVIDER_CALL = Histogram(
    "swiftex_provider_call_seconds", "One call to an outside service", ["provider", "outcome"], buckets=_CALL_BUCKETS
)
JOB_DURATION = Histogram("swiftex_job_duration_seconds", "One run of a job", ["kind", "outcome"], buckets=_CALL_BUCKETS)
REQUEST_DURATION = Histogram(
    "swiftex_request_duration_seconds", "One HTTP request served", ["route", "status"], buckets=_CALL_BUCKETS
)
EVENTS_RECEIVED = Counter("swiftex_events_received", "Submissions and events taken in", ["source"])
DUPLICATES_SUPPRESSED = Counter("swiftex_duplicates_suppressed", "Repeats that caused nothing anew", ["stage"])
CALLBACKS_RECEIVED = Counter("swiftex_callbacks_received", "Callbacks of providers", ["provider", "outcome"])
GREETING_TEXTS = Counter("swiftex_greeting_texts", "Greetings by who wrote the text, and why", ["source", "reason"])
LATE_MODEL_ANSWERS = Counter("swiftex_late_model_answers", "Answers of the model that came after the deadline")
JOBS_DISPATCHED = Counter("swiftex_jobs_dispatched", "Jobs handed to the broker", ["queue"])
JOBS_SWEPT = Counter("swiftex_jobs_swept", "Jobs found stuck and put back", ["queue"])
REDIS_FAILURES = Counter("swiftex_redis_failures", "Calls to Redis that failed and were answered from memory")
QUEUE_DEPTH = Gauge(
    "swiftex_queue_depth", "Jobs due and not yet running", ["queue"], multiprocess_mode="livemostrecent"
)
QUEUE_AGE = Gauge(
    "swiftex_queue_age_seconds",
    "How long the oldest due job has waited",
    ["queue"],
    multiprocess_mode="livemostrecent",
)
DLQ_DEPTH = Gauge("swiftex_dlq_depth", "Dead letters", multiprocess_mode="livemostrecent")
RELAY_UP = Gauge("swiftex_relays", "Relay processes that are running", multiprocess_mode="livesum")


def first_touch(*, channel: str, seconds: float) -> None:
    """Counts one accepted first message; channel: the channel's kind."""
    FIRST_TOUCH.labels(channel).observe(seconds)


def queue_wait(*, queue: str, seconds: float) -> None:
    """Counts one job that a worker started, `seconds` after it was due."""
    QUEUE_WAIT.labels(queue).observe(seconds)


def routing_duration(seconds: float) -> None:
    """Counts one routing decision."""
    ROUTING_DURATION.observe(seconds)


def provider_call(*, provider: str, outcome: str, seconds: float) -> None:
    """Counts one call; provider: its kind; outcome: accepted, refused, unknown, ok, late, ... (a short code)."""
    PROVIDER_CALL.labels(provider, outcome).observe(seconds)


def job_duration(*, kind: str, outcome: str, seconds: float) -> None:
    """Counts one run of a job; outcome: done, postponed, failed, dead, lost."""
    JOB_DURATION.labels(kind, outcome).observe(seconds)


def request_duration(*, route: str, status: int, seconds: float) -> None:
    """Counts one HTTP request; route: the URL pattern, never the path."""
    REQUEST_DURATION.labels(route, str(status)).observe(seconds)


def event_received(*, source: str, count: int = 1) -> None:
    """Counts submissions; source: the source's kind (api, form, ...)."""
    EVENTS_RECEIVED.labels(source).inc(count)


def duplicate_suppressed(*, stage: str, count: int = 1) -> None:
    """Counts a repeat; stage: idempotency_key, external_id, contact, callback, job, obligation."""
    DUPLICATES_SUPPRESSED.labels(stage).inc(count)


def callback_received(*, provider: str, outcome: str, count: int = 1) -> None:
    """Counts a callback; outcome: stored, duplicate, refused, quarantined."""
    CALLBACKS_RECEIVED.labels(provider, outcome).inc(count)


def greeting_text(*, source: str, reason: str = "") -> None:
    """Counts a greeting's text; source: model or fallback; reason: why the fallback was used."""
    GREETING_TEXTS.labels(source, reason).inc()


def late_model_answer() -> None:
    """Counts an answer that the greeting didn't wait for."""
    LATE_MODEL_ANSWERS.inc()


def jobs_dispatched(*, queue: str, count: int) -> None:
    """Counts jobs that the relay published."""
    JOBS_DISPATCHED.labels(queue).inc(count)


def jobs_swept(*, queue: str, count: int) -> None:
    """Counts jobs that the sweeper put back."""
    JOBS_SWEPT.labels(queue).inc(count)


def redis_failure() -> None:
    """Counts a failed call to Redis."""
    REDIS_FAILURES.inc()


def queue_state(*, queue: str, depth: int, age_s: float) -> None:
    """Sets how many jobs of a queue are due and how long the oldest has waited."""
    QUEUE_DEPTH.labels(queue).set(depth)
    QUEUE_AGE.labels(queue).set(age_s)


def dead_letters(count: int) -> None:
    """Sets the number of dead letters."""
    DLQ_DEPTH.set(count)


def relay_running(is_running: bool) -> None:
    """Sets whether this process is a running relay."""
    RELAY_UP.set(1 if is_running else 0)
