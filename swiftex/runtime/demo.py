"""The demo: a whole stack with the sandbox beside it, sample leads, and then it keeps serving."""

import subprocess
import sys
from collections.abc import Callable

from swiftex.runtime.stack import DEVELOPMENT_FLOWER_AUTH, ROOT, Stack


def run_samples(stack: Stack) -> int:
    """Exit status of the sample run: 0 if every sample reached its end."""
    return subprocess.run([sys.executable, "-m", "sandbox.demo"], cwd=ROOT, env=stack.env, check=False).returncode


def tell_addresses(stack: Stack, say: Callable[[str], None]) -> None:
    """Says where everything is, in a few lines."""
    name, _, password = stack.env.get("SWIFTEX_FLOWER_AUTH", DEVELOPMENT_FLOWER_AUTH).partition(":")
    say(f"Site      {stack.base_url}")
    say(f"Admin     {stack.base_url}/admin/")
    say(f"Flower    {stack.flower_url} (login {name}, password {password})")
    say(f"Sandbox   {stack.sandbox_url}")
    say(f"Logs      {stack.folder / 'logs'}")
    say(f"Commands  SWIFTEX_DATA_DIR={stack.folder} .venv/bin/python manage.py ...")
