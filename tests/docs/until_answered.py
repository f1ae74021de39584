"""Run ``edgeclf run`` or ``capture``, which run until they are stopped, and stop it as a user does:
until_answered.py COMMAND...

Waits for an answer, a photograph or the page's address, then presses Ctrl-C. Exits with the command's own status, or 0
if Ctrl-C ended it.
"""

from __future__ import annotations

import functools
import re
import signal
import subprocess
import sys
import threading

_ENOUGH = re.compile(r"\d%|press Ctrl-C to stop|^\S+\.(?:jpg|png)$")
_AT_MOST = 120.0  # maximum time in seconds


def main() -> None:
    """Run the command and pass its output on."""
    # A process started from a background job inherits that SIGINT is ignored.
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    stopped = False
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(sys.argv[1:], text=True, preexec_fn=listens, **pipes) as process:
        hangs = threading.Timer(_AT_MOST, process.kill)
        hangs.start()
        for line in process.stdout:
            print(line, end="", flush=True)
            if not stopped and _ENOUGH.search(line):
                process.send_signal(signal.SIGINT)
                stopped = True
        hangs.cancel()
    sys.exit(0 if stopped and process.returncode in (130, -signal.SIGINT) else process.returncode)


main()
