"""schemathesis over `/openapi.json`: made requests, right and wrong ones, answered as the document says."""

import os
import subprocess
import sys

from table import case

# Examples for each address: more find no more, and a run takes minutes.
EXAMPLES = "25"


@case
def schemathesis_over_the_document(url):
    command = [
        os.path.join(os.path.dirname(sys.executable), "schemathesis"),
        "run",
        f"{url}/openapi.json",
        "--max-examples",
        EXAMPLES,
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--generation-deterministic",
        "--request-timeout",
        "60",
        "--no-color",
    ]
    home = os.environ["CLIENTS_HOME"]
    here = os.path.dirname(os.path.abspath(__file__))
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": here}
    ran = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-600:]
