"""Becomes another program that ends when its parent does. Run as a script: leash.py SETTINGS-JSON COMMAND...

Standard library only and no imports of ours: it runs before the program, once per start. Doing this here and not in
a `preexec_fn` keeps Python code out of the moment between fork and exec of a threaded parent.
"""

import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Never returns: this process is the command, at its nice level and under its user."""
    settings = json.loads(sys.argv[1])
    if settings["uid"] is not None:
        os.setgroups([])
        os.setgid(settings["gid"])
        os.setuid(settings["uid"])
    if settings["nice"]:
        os.nice(settings["nice"])
    if sys.platform == "linux":
        # After setuid: changing credentials clears it. It is bound to the thread that started us, see supervisor.py.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, settings["orphan_signal"], 0, 0, 0)
    if os.getppid() != settings["parent"]:
        sys.exit("the launcher is gone")
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming the program is the purpose
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")


if __name__ == "__main__":
    main()
