"""`python -m sandbox [--port 9900] [--seed 1]`: all providers in one process, on loopback, until SIGINT or SIGTERM."""

import argparse
import asyncio
import gc
import os
import signal
import sys

import uvloop

from sandbox.server import start


def main() -> int:
    """Serve until told to stop; 1 if the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=int(os.environ.get("SWIFTEX_SANDBOX_PORT", "9900")))
    parser.add_argument("--seed", type=int, default=1, help="fixes latencies, faults by share, and texts")
    arguments = parser.parse_args()
    return uvloop.run(_serve(arguments.port, arguments.seed))


async def _serve(port: int, seed: int) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        server, _ = await start(port=port, seed=seed)
    except OSError as error:
        print(f"sandbox: port {port} cannot be used ({error.strerror}); set SWIFTEX_SANDBOX_PORT", file=sys.stderr)
        return 1
    # The ledger only grows: a full collection would walk all of it for nothing, and stall answers meanwhile.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    print(f"sandbox: http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stopped.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
