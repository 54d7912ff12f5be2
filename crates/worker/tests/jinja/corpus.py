"""What Jinja2 makes of real chat templates. `python3 corpus.py FOLDER…` writes corpus.json and corpus_tools.json anew.

The folders hold the templates as files that end in .jinja: models/templates of llama.cpp's source, which PyPI's source
distribution of llama_cpp_python 0.3.36 carries below vendor/llama.cpp. Jinja2 is 3.1.6. Only hashes are kept: of each
template, and of each prompt; null where Jinja2 raises.
"""

import hashlib
import json
import pathlib
import sys

import jinja

HERE = pathlib.Path(__file__).parent


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def as_parts(messages):
    return [m | {"content": [{"type": "text", "text": m["content"]}]} for m in messages]


def with_text_arguments(messages):
    """Arguments of calls as the text of their JSON, which some templates want."""

    def text(call):
        function = call["function"]
        return call | {"function": function | {"arguments": json.dumps(function["arguments"])}}

    return [m | {"tool_calls": [text(c) for c in m["tool_calls"]]} if "tool_calls" in m else m for m in messages]


def tools(sources):
    """The hashes of prompts with tools by template and conversation; null where Jinja2 raises."""
    said = json.loads((HERE / "tools.json").read_text())
    corpus = {}
    for name, source in sources.items():
        corpus[name] = {}
        for conversation, messages in said["conversations"].items():
            forms = (messages, with_text_arguments(messages))
            made = [jinja.render(source, form, tools=said["tools"]) for form in forms]
            corpus[name][conversation] = [made and sha256(made) for made in made]
    cases = [f"  {json.dumps(name)}: {json.dumps(case)}" for name, case in corpus.items()]
    (HERE / "corpus_tools.json").write_text("{\n" + ",\n".join(cases) + "\n}\n")


def main(folders, full=None):
    conversations = json.loads((HERE / "conversations.json").read_text())
    corpus, prompts, sources = {}, {}, {}
    for path in sorted(path for folder in folders for path in pathlib.Path(folder).glob("*.jinja")):
        # As Python's text files are read, and as a GGUF file carries it: with its own line breaks.
        source = path.read_bytes().decode()
        sources[path.name] = source
        case = {}
        for name, messages in conversations.items():
            made = [jinja.render(source, form) for form in (messages, as_parts(messages))]
            case[name] = [made and sha256(made) for made in made]
            prompts[f"{path.name}/{name}"] = made
        corpus[path.name] = {"template": sha256(source), "prompts": case}
    if full:
        pathlib.Path(full).write_text(json.dumps(prompts))
        return
    tools(sources)
    lines = []
    for name, entry in corpus.items():
        cases = ",\n".join(f"    {json.dumps(c)}: {json.dumps(p)}" for c, p in entry["prompts"].items())
        lines.append(f'  {json.dumps(name)}: {{"template": "{entry["template"]}", "prompts": {{\n{cases}\n  }}}}')
    (HERE / "corpus.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(len(corpus), "templates")


if __name__ == "__main__":
    if sys.argv[1] == "--full":
        main(sys.argv[3:], sys.argv[2])
    else:
        main(sys.argv[1:])
