"""Command line of the runtime: python -m swiftex.runtime run|services|with-services|demo|stop."""

import argparse
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from django.core.exceptions import ImproperlyConfigured

from swiftex.runtime import demo, lock, procfile
from swiftex.runtime.problem import Problem
from swiftex.runtime.stack import ROOT, Stack

NAME_WIDTH = 19
COMMAND_GRACE_S = 30


class _Ended(BaseException):
    """Somebody asked us to end, by Ctrl-C or a signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: list[str]) -> int:
    """Exit status of the command; a Problem is one line on standard error and status 1."""
    options = _parser().parse_args(arguments)
    try:
        _read_dotenv(ROOT / ".env")
        # Here and not above: a wrong value is refused in one line, and the file's variables count.
        importlib.import_module("swiftex.settings")
        status: int = options.command(options)
    except _Ended as ended:
        # Before the work was done.
        return 128 + ended.number
    except (Problem, ImproperlyConfigured) as problem:
        sys.stderr.write(f"swiftex: {problem}\n")
        return 1
    return status


def run(options: argparse.Namespace) -> int:
    """Runs services and processes until a signal comes."""
    commands = procfile.read(options.procfile)
    counts = procfile.counts_of(commands, only=options.process, without=options.without)
    stack = _stack(options, _data_folder(), counts=counts, port=_port(), show=_show)
    began_at = time.monotonic()
    with _ended_by_signals(stack, is_endless=True):
        stack.start(within_s=None)
        where = stack.base_url if counts.get("web") else "processes run"
        _say(f"ready after {time.monotonic() - began_at:.1f} s: {where}")
        if counts.get("flower"):
            _say(f"Flower: {stack.flower_url}")
        _wait_for_ever()
    return 0


def services(options: argparse.Namespace) -> int:
    """Runs the services alone until a signal comes."""
    stack = _stack(options, _data_folder(), counts={})
    with _ended_by_signals(stack, is_endless=True):
        stack.start()
        _say(f"PostgreSQL and Redis run; their URLs are in {stack.folder / 'services.json'}")
        _wait_for_ever()
    return 0


def with_services(options: argparse.Namespace) -> int:
    """Runs one command with services up; its exit status is ours."""
    folder = Path(options.data_dir).resolve() if options.data_dir else _data_folder()
    stack = _stack(options, folder, counts={})
    with _ended_by_signals(stack, is_endless=False):
        stack.start()
        command = options.words[1:] if options.words[:1] == ["--"] else options.words
        return _status_of(subprocess.Popen(command, env=stack.env))  # noqa: S603 - the caller's command


def run_demo(options: argparse.Namespace) -> int:
    """Runs the demo; with --once its exit status is that of the samples, else it serves until a signal comes."""
    counts = {**procfile.counts_of(procfile.read(options.procfile)), "sandbox": 1}
    stack = _stack(options, _data_folder() / "demo", counts=counts, port=_port())
    stack.env.update(PUBLIC_URL=f"http://127.0.0.1:{_port()}", SWIFTEX_ALLOW_PRIVATE_HOSTS="true")
    with _ended_by_signals(stack, is_endless=not options.once):
        _say("starting PostgreSQL, Redis, the sandbox and all processes")
        stack.start(within_s=120)
        status = demo.run_samples(stack)
        if options.once:
            return status
        demo.tell_addresses(stack, _say)
        _say("serving until Ctrl-C")
        _wait_for_ever()
    return 0


def stop(options: argparse.Namespace) -> int:
    """Ends the launcher that uses the data folder, or the demo in it, and waits until it is gone."""
    holders = {folder: lock.holder_of(folder) for folder in (_data_folder(), _data_folder() / "demo")}
    if not any(holders.values()):
        _say("nothing runs")
    for folder, pid in holders.items():
        if pid is None:
            continue
        os.kill(pid, signal.SIGTERM)
        while lock.holder_of(folder) == pid:
            threading.Event().wait(0.1)
        _say(f"ended what ran in {folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m swiftex.runtime")
    parser.add_argument("--procfile", type=Path, default=ROOT / "Procfile")
    commands = parser.add_subparsers(required=True)
    for name, function in _COMMANDS.items():
        command = commands.add_parser(name, help=(function.__doc__ or "").partition("\n")[0])
        command.set_defaults(command=function)
        if name == "run":
            command.add_argument("process", nargs="*", help="name or name=count; default: the usual set")
            command.add_argument("--without", action="append", default=[], metavar="PROCESS")
        if name == "with-services":
            command.add_argument("--data-dir", default="", help="default: SWIFTEX_DATA_DIR")
            command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
        if name == "demo":
            command.add_argument("--once", action="store_true", help="end after the sample run, with its status")
    return parser


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "services": services,
    "with-services": with_services,
    "demo": run_demo,
    "stop": stop,
}


def _stack(
    options: argparse.Namespace,
    folder: Path,
    *,
    counts: dict[str, int],
    port: int | None = None,
    show: Callable[[str, bytes], None] | None = None,
) -> Stack:
    environment = {name: text for name, text in os.environ.items() if name != "SWIFTEX_ROLE"}
    return Stack(folder, counts=counts, environment=environment, port=port, file=options.procfile, say=_say, show=show)


def _data_folder() -> Path:
    from swiftex import settings

    return settings.SWIFTEX_DATA_DIR


def _port() -> int:
    from swiftex import settings

    return settings.PORT


@contextlib.contextmanager
def _ended_by_signals(stack: Stack, *, is_endless: bool) -> Iterator[None]:
    """The first signal ends what is inside, and then the stack in order; a second one hurries that.

    is_endless: what is inside has no end of its own, so that a signal is how it is meant to end.
    """
    is_ending = False

    def on_signal(number: int, _: FrameType | None) -> None:
        nonlocal is_ending
        if is_ending:
            stack.hurry()
            return
        is_ending = True
        _say(f"{signal.Signals(number).name}: ending everything; once more to hurry")
        raise _Ended(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        yield
    except _Ended:
        if not is_endless:
            raise
    finally:
        is_ending = True
        stack.stop()


def _wait_for_ever() -> None:
    while True:
        signal.pause()


def _status_of(process: subprocess.Popen[bytes]) -> int:
    """Exit status of a command; told to end, it may finish what it is at, for its own services end with ours."""
    try:
        return process.wait()
    except _Ended as ended:
        if ended.number != signal.SIGINT:  # which the terminal has sent to it as well
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(COMMAND_GRACE_S)
        process.kill()
        raise


def _read_dotenv(path: Path) -> None:
    """Variables of the file are in the environment, except those that were there already."""
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        name, sign, text = line.strip().removeprefix("export ").partition("=")
        if sign and not name.startswith("#"):
            os.environ.setdefault(name.strip(), text.strip().strip("'\""))


def _say(text: str) -> None:
    sys.stdout.write(f"{'swiftex':<{NAME_WIDTH}} | {text}\n")
    sys.stdout.flush()


def _show(name: str, line: bytes) -> None:
    text = line.decode(errors="replace").rstrip()
    if text:
        sys.stdout.write(f"{name:<{NAME_WIDTH}} | {text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
