"""The demo: a whole stack with the sandbox beside it, sample leads, and then it keeps serving."""

import subprocess
import sys
from collections.abc import Callable

from swiftex.runtime.stack import DEVELOPMENT_FLOWER_AUTH, ROOT, Stack


def run_samples(stack: Stack) -> int:
    """Exit status of the sample run: 0 if every sample reached its end."""
    return subprocess.run([sys.executable, "-m", "sandbox.demo"], cwd=ROOT, env=stack.env, check=False).returncode


def tell_addresses(stack: Stack, say: Callable[[str], None]) -> None:
    """Says where the rest is; the samples have told of the site, the admin and their logins."""
    name, _, password = stack.env.get("SWIFTEX_FLOWER_AUTH", DEVELOPMENT_FLOWER_AUTH).partition(":")
    say(f"Flower    {stack.flower_url} (login {name}, password {password})")
    say(f"Sandbox   {stack.sandbox_url}")
    say(f"Logs      {stack.folder / 'logs'}")
    say(f"Shell     SWIFTEX_DATA_DIR={stack.folder} .venv/bin/python manage.py shell")
