#!/usr/bin/env python3
"""Derives openness.json from what two public projects judged; README.md beside it says how.

    python3 derive.py JUDGEMENTS.json > openness.json

JUDGEMENTS.json has `european_open_source_ai_index` (its `systems`) and `model_openness_tool` (its `models`), each with
the date it was read. Only facts are kept: names, licences, classes, dates and repositories; no prose.
"""

import json
import re
import sys
import unicodedata

OPEN, PARTIAL, CLOSED = "open", "partial", "closed"

# Licences of components, as the Model Openness Tool's files write them, that are open for what they cover.
OPEN_LICENCES = {
    "apache", "apache-2.0", "apache-license-2.0", "mit", "mit-license", "bsd", "bsd-3", "bsd-3-clause",
    "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-2.0", "odc-by-1.0",
}
# What those files write in a licence's place where the component was not released.
WITHHELD = {"undisclosed", "proprietary", "component-not-include", "component-not-included",
            "component-component-not-included"}
NO_LICENCE = {"", "unlicensed", "license", "unknown", "undisclosed", "various", "mixed", "unclear"} | WITHHELD

# From the tables of the models' own cards: what the distilled models were made from, which their cards' metadata omit.
R1 = "https://huggingface.co/deepseek-ai/DeepSeek-R1"
R1_0528 = "https://huggingface.co/deepseek-ai/DeepSeek-R1-0528-Qwen3-8B"
LINEAGES = [
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "meta-llama/Llama-3.1-8B", R1),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "meta-llama/Llama-3.3-70B-Instruct", R1),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", "Qwen/Qwen2.5-Math-1.5B", R1),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "Qwen/Qwen2.5-Math-7B", R1),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", "Qwen/Qwen2.5-14B", R1),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "Qwen/Qwen2.5-32B", R1),
    ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "Qwen/Qwen3-8B", R1_0528),
]

# Licences of families of which the two projects judged few or no members, from the makers' own pages. `except` are
# sizes under another licence, which stand in a row of their own.
FAMILIES = [
    ("meta-llama", "llama-2", "llama2", "https://huggingface.co/meta-llama/Llama-2-7b", []),
    ("meta-llama", "llama-3", "llama3", "https://huggingface.co/meta-llama/Meta-Llama-3-8B", []),
    ("meta-llama", "llama-3.1", "llama3.1", "https://huggingface.co/meta-llama/Llama-3.1-8B", []),
    ("meta-llama", "llama-3.2", "llama3.2", "https://huggingface.co/meta-llama/Llama-3.2-1B", []),
    ("meta-llama", "llama-3.3", "llama3.3", "https://huggingface.co/meta-llama/Llama-3.3-70B-Instruct", []),
    ("meta-llama", "llama-4-scout", "llama4", "https://huggingface.co/meta-llama/Llama-4-Scout-17B-16E", []),
    ("meta-llama", "llama-4-maverick", "llama4", "https://huggingface.co/meta-llama/Llama-4-Maverick-17B-128E", []),
    ("google", "gemma", "gemma", "https://ai.google.dev/gemma/terms", []),
    ("google", "gemma-1.1", "gemma", "https://ai.google.dev/gemma/terms", []),
    ("google", "gemma-2", "gemma", "https://ai.google.dev/gemma/terms", []),
    ("google", "gemma-3", "gemma", "https://ai.google.dev/gemma/terms", []),
    ("google", "gemma-3n", "gemma", "https://ai.google.dev/gemma/terms", []),
    ("google", "codegemma", "gemma", "https://ai.google.dev/gemma/terms", []),
    ("Qwen", "qwen2.5", "apache-2.0", "https://huggingface.co/Qwen/Qwen2.5-7B", ["3b", "72b"]),
    ("Qwen", "qwen2.5-math", "apache-2.0", "https://huggingface.co/Qwen/Qwen2.5-Math-7B", ["72b"]),
    ("Qwen", "qwen2.5-coder", "apache-2.0", "https://huggingface.co/Qwen/Qwen2.5-Coder-7B", ["3b"]),
    ("Qwen", "qwen3", "apache-2.0", "https://huggingface.co/Qwen/Qwen3-8B", []),
    ("mistralai", "mistral-v0.1", "apache-2.0", "https://huggingface.co/mistralai/Mistral-7B-v0.1", []),
    ("mistralai", "mistral-v0.2", "apache-2.0", "https://huggingface.co/mistralai/Mistral-7B-Instruct-v0.2", []),
    ("mistralai", "mistral-v0.3", "apache-2.0", "https://huggingface.co/mistralai/Mistral-7B-v0.3", []),
    ("mistralai", "mixtral-v0.1", "apache-2.0", "https://huggingface.co/mistralai/Mixtral-8x7B-v0.1", []),
    ("HuggingFaceTB", "smollm2", "apache-2.0", "https://huggingface.co/HuggingFaceTB/SmolLM2-135M", []),
    ("HuggingFaceTB", "smollm3", "apache-2.0", "https://huggingface.co/HuggingFaceTB/SmolLM3-3B", []),
    ("EleutherAI", "pythia", "apache-2.0", "https://huggingface.co/EleutherAI/pythia-6.9b", []),
    ("microsoft", "phi-4", "mit", "https://huggingface.co/microsoft/phi-4", []),
]


def slug(text):
    return re.sub(r"[^a-z0-9.+]+", "-", text.lower()).strip("-.")


def plain(text):
    """One line, without what a terminal would obey."""
    text = "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c)[0] not in "CZ" or c == " ")
    return text.strip()


def repository(link):
    """`owner/name` of a model on the hub; "" for collections, papers and everything else."""
    link = link.split(" ")[0].removeprefix("https://huggingface.co/")
    match = re.fullmatch(r"([A-Za-z0-9][\w.-]*)/([A-Za-z0-9][\w.-]*?)(/(blob|tree)/.*)?", link)
    if not match or match[1] in ("collections", "docs", "papers", "spaces", "datasets"):
        return ""
    return f"{match[1]}/{match[2]}"


def tail(repository):
    return repository.rpartition("/")[2]


def sizes(name):
    return set(re.findall(r"(?<![a-z0-9.])\d+(?:\.\d+)?[bm](?![a-z])", name.lower().replace("_", "-")))


def agree(name, repository):
    """Whether a link may lead to the model of this name: some links of the sources lead to another model."""
    letters = [re.sub(r"[^a-z]", "", text.lower())[:3] for text in (name, tail(repository))]
    known = [sizes(name), sizes(tail(repository))]
    return letters[0] == letters[1] and not (all(known) and known[0].isdisjoint(known[1]))


def better(classes):
    """The best of what was judged: one report does for another."""
    return next((known for known in (OPEN, PARTIAL, CLOSED) if known in classes), None)


def index_entry(system):
    """The index judges the model that users get (`end_model`) and the one it was made from (`base_model`)."""
    judged = system["judged"]
    repo = repository(system["link"])
    end, base = plain(system["end_model"]), plain(system["base_model"])
    if repo and slug(base) == slug(tail(repo)) and slug(end) != slug(base):
        # Two entries have the two names the wrong way round.
        end, base = base, end
    if base.lower() in ("unknown", "undisclosed") or base.endswith("?") or slug(base) == slug(end):
        base = ""
    if end.lower() in ("", "undisclosed") or "(" in end:
        end = ""
    entry = {"source": "osai", "name": plain(system["name"]), "organisation": plain(system["organisation"]),
             "repository": repo, "model": end, "base": base,
             "licence": plain(system["licence"]), "date": system["released"],
             "weights": judged.get("weights_endmodel"), "data": judged.get("datasources_endmodel"),
             "code": judged.get("trainingcode"), "report": better([judged.get("preprint"), judged.get("paper")]),
             "base_weights": judged.get("weights_basemodel"), "base_data": judged.get("datasources_basemodel")}
    return entry if (repo or end) and judged else None


def component(model, name):
    """How open a component is by its licence; None where the entry does not list it."""
    licence = model["components"].get(name)
    if licence is None:
        return None
    known = slug(licence or model["licence"])
    if known in WITHHELD:
        return CLOSED
    return OPEN if known in OPEN_LICENCES else PARTIAL


def evaluation(model):
    """Open where both the results and the code to get them are."""
    results, code, data = (component(model, f"Evaluation {name}") for name in ("results", "code", "data"))
    if results == code == OPEN:
        return OPEN
    listed = [known for known in (results, code, data) if known]
    return None if not listed else CLOSED if set(listed) == {CLOSED} else PARTIAL


def tool_entry(model):
    name, repo = plain(model["name"]), repository(model["huggingface"])
    if repo and not agree(name, repo):
        repo = ""
    licence = plain(model["components"].get("Model parameters (Final)") or model["licence"])
    return {"source": "mot", "name": name, "organisation": plain(model["producer"] or ""), "repository": repo,
            "model": name, "licence": "" if slug(licence) in NO_LICENCE else licence, "date": model["date"],
            "weights": component(model, "Model parameters (Final)"), "data": component(model, "Datasets"),
            "code": component(model, "Training code"), "evaluation": evaluation(model),
            "report": better([component(model, "Technical report"), component(model, "Research paper")])}


def once(entries):
    """One entry for each model: the one whose name is the repository's, then the newest."""
    order = lambda entry: (slug(entry["model"]) == slug(tail(entry["repository"])), entry["date"] or "")
    kept = {}
    for entry in sorted(entries, key=order):
        kept[(entry["repository"] or entry["model"]).lower()] = entry
    # A second entry of that name has a link to another model.
    linked = {slug(entry["model"]) for entry in kept.values() if entry["repository"]}
    kept = {key: entry for key, entry in kept.items() if entry["repository"] or slug(entry["model"]) not in linked}
    return sorted(kept.values(), key=lambda entry: (entry["name"].lower(), entry["repository"]))


def lines(rows):
    text = [json.dumps({key: value for key, value in row.items() if value}, ensure_ascii=False) for row in rows]
    return "[\n    " + ",\n    ".join(text) + "\n  ]"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        judgements = json.load(file)
    index, tool = judgements["european_open_source_ai_index"], judgements["model_openness_tool"]
    sources = [
        {"id": "osai", "name": "European Open Source AI Index", "short": "OSAI Index", "read": index["read"],
         "licence": "CC BY 4.0", "link": "https://osai-index.eu/",
         "citation": "Liesenfeld, A. and Dingemanse, M., 2024. Rethinking open source generative AI: open-washing and "
                     "the EU AI Act. FAccT '24, 1774-1787. doi:10.5281/zenodo.15386042",
         "changes": "selected, renamed and combined; see taffrail's data/README.md"},
        {"id": "mot", "name": "Model Openness Tool", "short": "MOT", "read": tool["read"],
         "licence": "MIT", "link": "https://mot.isitopen.ai/",
         "citation": "LF AI & Data, Model Openness Tool (Model Openness Framework 1.0). Copyright 2024 The Model Openness Tool Authors",
         "changes": "classes derived from each component's licence; see taffrail's data/README.md"},
    ]
    entries = once(filter(None, map(index_entry, index["systems"]))) + once(map(tool_entry, tool["models"]))
    lineages = [{"model": model, "base": base, "link": link} for model, base, link in LINEAGES]
    families = [{"owner": owner, "family": family, "licence": licence, "link": link, "except": without}
                for owner, family, licence, link, without in FAMILIES]
    print('{\n  "schema": "taffrail/openness/1",\n  "sources": ' + lines(sources) + ',\n  "entries": ' + lines(entries)
          + ',\n  "lineages": ' + lines(lineages) + ',\n  "families": ' + lines(families) + "\n}")


main()
