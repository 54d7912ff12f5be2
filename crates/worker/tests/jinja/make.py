"""What Jinja2 makes of the snippets. `python3 make.py`, with Jinja2 3.1.6, writes snippets.json anew."""

import json
import pathlib
import re

import jinja

HERE = pathlib.Path(__file__).parent
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello there"},
    {"role": "assistant", "content": "Aye. "},
    {"role": "user", "content": "Who <are> you?"},
]


def snippets():
    for line in (HERE / "snippets.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("!"):
            yield line[1:].replace("\\\\", "\0").replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").replace("\0", "\\")
        else:
            yield "{{ " + line + " }}"


def main():
    cases = [[source, jinja.render(source, MESSAGES)] for source in snippets()]
    # An address in memory is another one each time.
    cases = [case for case in cases if not re.search("at 0x[0-9a-f]+>", case[1] or "")]
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    (HERE / "snippets.json").write_text("[\n" + lines + "\n]\n")
    print(len(cases), "snippets,", sum(expected is None for _, expected in cases), "of which Jinja2 refuses")


main()
