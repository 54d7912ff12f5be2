"""Programs over the official clients: each is to work as it does with the services that it knows."""

import json
import os
import subprocess
import sys

import litellm
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from table import MESSAGES, MODEL, TOOL, case, raises

PROMPT = MESSAGES[0]["content"]


# litellm


def litellm_options(url, provider="openai"):
    base = url if provider in ("anthropic", "ollama_chat") else f"{url}/v1"
    return {"model": f"{provider}/{MODEL}", "api_base": base, "api_key": "unused", "num_retries": 0}


@case
def litellm_openai(url):
    answer = litellm.completion(messages=MESSAGES, max_tokens=8, **litellm_options(url))
    assert answer.choices[0].message.content and answer.usage.completion_tokens == 8, answer


@case
def litellm_openai_stream(url):
    parts = litellm.completion(messages=MESSAGES, max_tokens=8, stream=True, **litellm_options(url))
    assert "".join(part.choices[0].delta.content or "" for part in parts)


@case
def litellm_openai_tool(url):
    tools = [{"type": "function", "function": TOOL}]
    answer = litellm.completion(
        messages=MESSAGES, max_tokens=200, tools=tools, tool_choice="required", **litellm_options(url)
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather", answer


@case
def litellm_openai_embedding(url):
    answer = litellm.embedding(input=["whale", "ship"], **litellm_options(url))
    assert len(answer.data) == 2 and len(answer.data[0]["embedding"]) > 8


@case
def litellm_anthropic(url):
    answer = litellm.completion(messages=MESSAGES, max_tokens=8, **litellm_options(url, "anthropic"))
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "length", answer


@case
def litellm_ollama(url):
    answer = litellm.completion(messages=MESSAGES, max_tokens=8, **litellm_options(url, "ollama_chat"))
    assert answer.choices[0].message.content, answer


@case
def litellm_unknown_model(url):
    options = litellm_options(url) | {"model": "openai/gpt-4"}
    raises(litellm.NotFoundError, lambda: litellm.completion(messages=MESSAGES, **options))


# langchain


def langchain(url, **more):
    return ChatOpenAI(model=MODEL, base_url=f"{url}/v1", api_key="unused", max_retries=0, **more)


@case
def langchain_invoke(url):
    answer = langchain(url, max_tokens=8).invoke(PROMPT)
    assert answer.content and answer.usage_metadata["output_tokens"] == 8, answer


@case
def langchain_stream(url):
    assert "".join(part.content for part in langchain(url, max_tokens=8).stream(PROMPT))


@case
def langchain_batch(url):
    answers = langchain(url, max_tokens=4).batch([PROMPT, "Call me", "Of the sea"])
    assert len(answers) == 3 and all(answer.content for answer in answers)


@case
def langchain_tool(url):
    @tool
    def get_weather(place: str) -> str:
        """The weather of a place"""
        return "rain"

    answer = langchain(url, max_tokens=200).bind_tools([get_weather], tool_choice="any").invoke(PROMPT)
    assert answer.tool_calls[0]["name"] == "get_weather" and "place" in answer.tool_calls[0]["args"], answer


@case
def langchain_structured(url):
    class Answer(BaseModel):
        yes: bool

    answer = langchain(url, max_tokens=200).with_structured_output(Answer, method="json_schema").invoke(PROMPT)
    assert isinstance(answer, Answer), answer


@case
def langchain_responses(url):
    answer = langchain(url, use_responses_api=True, max_tokens=16).invoke(PROMPT)
    assert answer.text, answer


@case
def langchain_embeddings(url):
    embed = OpenAIEmbeddings(
        model=MODEL, base_url=f"{url}/v1", api_key="unused", max_retries=0, check_embedding_ctx_length=False
    )
    assert len(embed.embed_documents(["whale", "ship"])) == 2


# pydantic-ai


def agent(url, **more):
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="unused")
    return Agent(OpenAIChatModel(MODEL, provider=provider), model_settings={"max_tokens": 200}, **more)


@case
def pydantic_ai_text(url):
    answer = agent(url).run_sync(PROMPT, model_settings={"max_tokens": 8})
    assert answer.output, answer


@case
def pydantic_ai_typed(url):
    class Answer(BaseModel):
        yes: bool

    # It has the model call a tool with the answer as its arguments.
    assert isinstance(agent(url, output_type=Answer).run_sync(PROMPT).output, Answer)


# llm


@case
def llm_prompt(url):
    home = os.path.join(os.environ["CLIENTS_HOME"], "llm")
    os.makedirs(home, exist_ok=True)
    entry = {"model_id": "here", "model_name": MODEL, "api_base": f"{url}/v1", "api_key_name": "here"}
    with open(os.path.join(home, "extra-openai-models.yaml"), "w") as file:
        json.dump([entry], file)
    environment = {"PATH": os.environ["PATH"], "HOME": home, "LLM_USER_PATH": home}
    for more in [[], ["--no-stream"]]:
        command = [sys.executable, "-m", "llm", "prompt", "-m", "here", "--key", "unused", "-o", "max_tokens", "8"]
        ran = subprocess.run([*command, *more, PROMPT], env=environment, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0 and ran.stdout.strip(), ran
