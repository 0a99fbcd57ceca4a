"""How soon a waiting relay sees a committed job, and what that costs: NOTIFY, a Redis kick, and a short poll.

    python -m benchmarks.relay_wakeup [--rate 84] [--seconds 10] [--rounds 5]

A writer commits one row at each scheduled time and wakes the waiter in one of the three ways; the waiter looks for due
rows when woken, and every 20 ms (poll) or 1 s (the others) in any case.  The three take turns in each round.
"""

import argparse
import itertools
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import redis

from benchmarks import report
from swiftex.runtime.stack import Stack

WAYS = ("notify", "kick", "poll")
POLL_S = 0.02
FALLBACK_S = 1.0
KEY = "bench:kick"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS bench_job (id bigserial PRIMARY KEY, committed_at float, is_taken bool DEFAULT false)"
)
_TAKE = "UPDATE bench_job SET is_taken = true WHERE NOT is_taken RETURNING committed_at"


def write(way: str, database_url: str, redis_url: str, rate: float, seconds: float) -> None:
    """Commits rows at the rate; the time in each row is taken just before its COMMIT."""
    store = redis.Redis.from_url(redis_url)
    with psycopg.connect(database_url) as connection:
        began = time.time() + 0.2
        for index in range(round(rate * seconds)):
            time.sleep(max(0.0, began + index / rate - time.time()))
            connection.execute("INSERT INTO bench_job (committed_at) VALUES (%s)", [time.time()])
            if way == "notify":
                connection.execute("NOTIFY bench_job")
            connection.commit()
            if way == "kick":
                store.lpush(KEY, 1)


def wait(way: str, database_url: str, redis_url: str, seconds: float, answer: Connection) -> None:
    """Takes rows as they are seen and sends back every delay in milliseconds."""
    store = redis.Redis.from_url(redis_url)
    delays: list[float] = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        if way == "notify":
            connection.execute("LISTEN bench_job")
        until = time.time() + seconds + 1
        while time.time() < until:
            taken = connection.execute(_TAKE, prepare=True).fetchall()
            delays += [(time.time() - row[0]) * 1000 for row in taken]
            if taken:
                continue
            _sleep(way, connection, store)
    answer.send((delays, time.process_time()))


def _sleep(way: str, connection: psycopg.Connection[Any], store: redis.Redis) -> None:
    if way == "notify":
        for _ in connection.notifies(timeout=FALLBACK_S, stop_after=1):
            return
    elif way == "kick":
        store.blpop([KEY], FALLBACK_S)
        store.delete(KEY)
    else:
        time.sleep(POLL_S)


def measure(way: str, stack: Stack, rate: float, seconds: float) -> dict[str, float]:
    """One turn of one way: delays and CPU milliseconds per row of the waiter and of PostgreSQL with Redis."""
    urls = stack.env["DATABASE_URL"], stack.env["REDIS_URL"]
    with psycopg.connect(urls[0], autocommit=True) as connection:
        connection.execute(_TABLE)
        connection.execute("TRUNCATE bench_job")
    ours, theirs = multiprocessing.Pipe()
    before = stack.cpu_seconds_by_process()
    waiter = multiprocessing.Process(target=wait, args=(way, *urls, seconds, theirs))
    writer = multiprocessing.Process(target=write, args=(way, *urls, rate, seconds))
    waiter.start()
    writer.start()
    delays, cpu_s = ours.recv()
    writer.join()
    waiter.join()
    after = stack.cpu_seconds_by_process()
    rows = rate * seconds
    return {
        "p50_ms": report.percentile(delays, 0.5),
        "p99_ms": report.percentile(delays, 0.99),
        "waiter_cpu_ms": cpu_s * 1000 / rows,
        "services_cpu_ms": sum(after[name] - before[name] for name in after) * 1000 / rows,
        "seen": len(delays) / rows,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=84)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    turns: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="swiftex-bench-") as folder, Stack(Path(folder), counts={}) as stack:
        for _, way in itertools.product(range(chosen.rounds), WAYS):
            turns[way].append(measure(way, stack, chosen.rate, chosen.seconds))
    figures = {
        f"{way}_{name}": round(statistics.median(turn[name] for turn in turns[way]), 3)
        for way in WAYS
        for name in turns[way][0]
    }
    conditions = {
        "rate_per_s": chosen.rate,
        "seconds": chosen.seconds,
        "rounds": chosen.rounds,
    }
    return 0 if report.finish("relay_wakeup", figures, {}, conditions) else 1


if __name__ == "__main__":
    sys.exit(main())
