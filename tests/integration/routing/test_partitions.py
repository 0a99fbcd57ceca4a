"""The days of the job history."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.db import connection

from routing.partitions import make_partitions

pytestmark = pytest.mark.django_db(transaction=True)


def partitions():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'routing_jobhistory'::regclass"
        )
        return {row[0] for row in cursor.fetchall()}


def test_two_relays_at_once_make_today_and_a_week_ahead_once(caplog):
    def make(_):
        make_partitions(today=date(2031, 5, 29))
        connection.close()

    with ThreadPoolExecutor(2) as relays:
        list(relays.map(make, range(2)))

    assert {f"routing_jobhistory_203105{day}" for day in (29, 30, 31)} <= partitions()
    assert {f"routing_jobhistory_2031060{day}" for day in range(1, 6)} <= partitions()
    assert "no partition was made" not in caplog.text
