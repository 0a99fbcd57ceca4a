import io
import json
import logging
import logging.config
import uuid

import pytest

from swiftex.observability import correlation
from swiftex.observability.logs import JsonFormatter, logging_config


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(f"test.{uuid.uuid4().hex}")
    logger.propagate = False
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    return logger, lambda: [json.loads(line) for line in stream.getvalue().split("\n") if line]


def test_a_line_carries_its_time_level_logger_text_extra_and_the_ids_of_the_moment(lines):
    logger, written = lines
    organization = uuid.uuid4()

    with correlation.bind(request_id="r-1", organization_id=organization, job_id=None):
        logger.info("lead captured", extra={"lead_id": "lead_1"})
    logger.info("afterwards")

    first, second = written()
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "logger": logger.name,
        "message": "lead captured",
        "lead_id": "lead_1",
        "request_id": "r-1",
        "organization_id": str(organization),
    }
    assert not {"request_id", "organization_id"} & set(second)


def test_the_query_string_that_django_adds_is_left_out(lines):
    logger, written = lines

    logger.error("Not Found: /leads", extra={"request": "<WSGIRequest: GET '/leads?phone=4915112345678'>"})

    assert "4915112345678" not in json.dumps(written())


def test_an_exception_is_logged_by_type_and_place_and_not_by_its_text(lines):
    logger, written = lines

    try:
        try:
            raise KeyError("+4915112345678")
        except KeyError as error:
            raise RuntimeError("canary@example.com") from error
    except RuntimeError:
        logger.exception("broken")

    (line,) = written()
    assert "builtins.RuntimeError" in line["exc_info"]
    assert "builtins.KeyError" in line["exc_info"]
    assert "test_logs.py" in line["exc_info"]
    assert "+4915112345678" not in json.dumps(line)
    assert "canary" not in json.dumps(line)


def test_newlines_in_values_stay_on_one_line(lines):
    logger, written = lines

    logger.warning("odd", extra={"path": 'a\nb\r\n{"level":"INFO"}\x00\u2028'})

    assert len(written()) == 1


def test_an_inner_binding_ends_with_its_block_also_when_it_fails():
    with correlation.bind(correlation_id="outer"):
        with pytest.raises(ValueError, match="x"), correlation.bind(correlation_id="inner"):
            raise ValueError("x")
        assert correlation.current() == {"correlation_id": "outer"}
    assert correlation.current() == {}


def test_an_unknown_id_cannot_be_bound():
    with pytest.raises(KeyError), correlation.bind(phone="1"):
        pass


def test_loud_libraries_are_kept_quiet():
    config = logging_config("INFO")

    for name in ("celery.worker.strategy", "celery.app.trace", "twilio"):
        assert config["loggers"][name]["level"] == "WARNING"
    assert config["root"]["level"] == "INFO"
