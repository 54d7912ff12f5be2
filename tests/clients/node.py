"""The clients of npm: their table is in `clients.mjs`, which has one case made by name."""

import os
import subprocess

from table import case

# Where `npm install` put them.
MODULES = os.environ.get("CLIENTS_NODE_MODULES", "")
CASES = [
    "openai_chat",
    "openai_stream",
    "openai_tool",
    "openai_responses",
    "openai_embeddings",
    "openai_error",
    "anthropic_messages",
    "anthropic_stream",
    "anthropic_tool",
    "ollama_chat",
    "ollama_stream",
    "ollama_embed",
    "ollama_copy_delete",
    "ai_sdk_text",
    "ai_sdk_stream",
    "ai_sdk_object",
    "ai_sdk_tool",
]


def make(name):
    def run(url):
        assert MODULES, "CLIENTS_NODE_MODULES names no folder"
        here = os.path.dirname(os.path.abspath(__file__))
        # A module is looked for beside the file that wants it.
        script = os.path.join(os.path.dirname(MODULES), "clients.mjs")
        with open(os.path.join(here, "clients.mjs")) as source, open(script, "w") as copy:
            copy.write(source.read())
        ran = subprocess.run(["node", script, url, name], capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr[-600:]

    run.__name__ = f"node_{name}"
    return run


for name in CASES:
    case(make(name))
