"""Jinja2 as Hugging Face's transformers sets it up for chat templates."""

import json
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

# What the templates see as the time: Sunday, in a zone whose day is not that of UTC.
NOW = datetime.fromtimestamp(1732492799, ZoneInfo("Asia/Kolkata")).replace(tzinfo=None)


class Generation(Extension):
    """The block that marks the assistant's text for training."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


class Refused(jinja2.exceptions.TemplateError):
    """What `raise_exception` raises."""


def raise_exception(message):
    raise Refused(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: NOW.strftime(form)
    return env


def render(source, messages, **more):
    """The prompt, or `None` where Jinja2 raises."""
    names = dict(messages=messages, tools=None, documents=None, bos_token="<s>", eos_token="</s>")
    names |= dict(add_generation_prompt=True, enable_thinking=True)
    try:
        return environment().from_string(source).render(**(names | more))
    except (Exception, RecursionError):
        return None
