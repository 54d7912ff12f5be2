"""Calls the server with the clients that people use, a table of calls each. `./dev clients` runs it.

usage: run.py PROGRAM [PART OF A CASE'S NAME]
"""

import os
import subprocess
import sys
import tempfile
import time

# Nothing is told to anybody, and nothing is looked up.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false", "LITELLM_LOG": "ERROR"}

import document  # noqa: F401, E402
import frameworks  # noqa: F401, E402
import node  # noqa: F401, E402
import official  # noqa: F401, E402
from table import CASES  # noqa: E402


def start(program, home):
    environment = {"PATH": os.environ["PATH"], "HOME": home, "HF_HUB_CACHE": f"{home}/hub", "HF_HUB_OFFLINE": "1"}
    for name in ["CONFIG_HOME", "CACHE_HOME", "DATA_HOME", "STATE_HOME", "RUNTIME_DIR"]:
        environment[f"XDG_{name}"] = f"{home}/{name.lower()}"
    server = subprocess.Popen(
        [program, "serve", "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE, text=True
    )
    for line in server.stderr:
        if "listening on " in line:
            return server, line.split("listening on ")[1].strip()
    raise SystemExit("the server does not start")


def main():
    program, wanted = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    failed = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["CLIENTS_HOME"] = home
        server, url = start(program, home)
        try:
            for run in [run for run in CASES if wanted in run.__name__]:
                begun = time.monotonic()
                try:
                    run(url)
                    word = "ok"
                except Exception as error:  # Each case is told, whatever became of it.
                    failed.append(run.__name__)
                    word = f"FAILED: {type(error).__name__}: {str(error)[:6000]}"
                print(f"{run.__name__:34} {time.monotonic() - begun:6.2f} s  {word}", flush=True)
        finally:
            server.terminate()
            server.wait(10)
    print(f"{len(failed)} failed: {', '.join(failed)}" if failed else "all passed")
    raise SystemExit(1 if failed else 0)


main()
