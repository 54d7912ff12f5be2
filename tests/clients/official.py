"""The official clients of OpenAI, Anthropic and Ollama, and llama-server's own addresses."""

import json

import anthropic
import httpx
import ollama
import openai
from pydantic import BaseModel

from table import MESSAGES, MODEL, TOOL, case, raises


def openai_client(url):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0)


def anthropic_client(url):
    return anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0)


def ollama_client(url):
    return ollama.Client(host=url)


# OpenAI


@case
def openai_models_list(url):
    assert MODEL in [model.id for model in openai_client(url).models.list()]


@case
def openai_models_retrieve(url):
    assert openai_client(url).models.retrieve(MODEL).id == MODEL


@case
def openai_unknown_model(url):
    client = openai_client(url)
    error = raises(openai.NotFoundError, lambda: client.chat.completions.create(model="gpt-4", messages=MESSAGES))
    assert error.code == "model_not_found" and error.param == "model", error


@case
def openai_wrong_field(url):
    client = openai_client(url)
    call = lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature="hot")
    error = raises(openai.BadRequestError, call)
    assert error.param == "temperature", error


@case
def openai_chat(url):
    answer = openai_client(url).chat.completions.create(
        model=MODEL, messages=MESSAGES, max_completion_tokens=8, temperature=0
    )
    assert answer.choices[0].message.content and answer.choices[0].finish_reason == "length", answer
    assert answer.usage.completion_tokens == 8 and answer.usage.prompt_tokens > 0
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0


@case
def openai_chat_stream(url):
    chunks = list(
        openai_client(url).chat.completions.create(
            model=MODEL, messages=MESSAGES, max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage.completion_tokens == 8 and not chunks[-1].choices
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@case
def openai_chat_stream_helper(url):
    # The helper takes a text that ends at a limit for an error.
    ends = {"grammar": 'root ::= "yes"'}
    with openai_client(url).chat.completions.stream(model=MODEL, messages=MESSAGES, extra_body=ends) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert "content.delta" in kinds and final.choices[0].message.content


@case
def openai_chat_parse(url):
    class Answer(BaseModel):
        yes: bool

    answer = openai_client(url).chat.completions.parse(
        model=MODEL, messages=MESSAGES, response_format=Answer, max_tokens=200
    )
    assert isinstance(answer.choices[0].message.parsed, Answer), answer


@case
def openai_chat_json(url):
    answer = openai_client(url).chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        max_tokens=200,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}},
        },
    )
    assert isinstance(json.loads(answer.choices[0].message.content)["a"], bool)


@case
def openai_chat_logprobs(url):
    answer = openai_client(url).chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=4, logprobs=True, top_logprobs=3, temperature=0
    )
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == 4 and all(len(token.top_logprobs) == 3 for token in tokens)
    assert all(token.logprob == token.top_logprobs[0].logprob for token in tokens), tokens


@case
def openai_chat_n(url):
    answer = openai_client(url).chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8, n=3, seed=1)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1


@case
def openai_chat_stop(url):
    client = openai_client(url)
    call = lambda **more: client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=40, temperature=0, **more
    ).choices[0]
    text = call().message.content
    word = text.split()[3]
    stopped = call(stop=[word])
    assert stopped.finish_reason == "stop" and word not in stopped.message.content, stopped


@case
def openai_tool_required(url):
    answer = openai_client(url).chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        max_tokens=200,
        tools=[{"type": "function", "function": TOOL}],
        tool_choice="required",
    )
    call = answer.choices[0].message.tool_calls[0]
    assert call.id and call.function.name == "get_weather", answer
    assert json.loads(call.function.arguments)["place"] in ["here", "there"]
    assert answer.choices[0].finish_reason == "tool_calls"


@case
def openai_tool_stream(url):
    chunks = list(
        openai_client(url).chat.completions.create(
            model=MODEL,
            messages=MESSAGES,
            max_tokens=200,
            tools=[{"type": "function", "function": TOOL}],
            tool_choice={"type": "function", "function": {"name": "get_weather"}},
            stream=True,
        )
    )
    deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or []]
    assert deltas[0].id and deltas[0].type == "function" and deltas[0].function.name == "get_weather", deltas
    assert all(delta.index == 0 and delta.id is None for delta in deltas[1:])
    json.loads("".join(delta.function.arguments or "" for delta in deltas))


@case
def openai_tool_conversation(url):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"place": "here"}'}}
    messages = MESSAGES + [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    answer = openai_client(url).chat.completions.create(
        model=MODEL, messages=messages, max_tokens=4, tools=[{"type": "function", "function": TOOL}]
    )
    assert answer.choices[0].message.content, answer


@case
def openai_completions(url):
    answer = openai_client(url).completions.create(model=MODEL, prompt="Call me", max_tokens=4, logprobs=2, temperature=0)
    choice = answer.choices[0]
    assert choice.text and len(choice.logprobs.tokens) == 4 and len(choice.logprobs.top_logprobs[0]) == 2


@case
def openai_completions_stream(url):
    chunks = list(openai_client(url).completions.create(model=MODEL, prompt="Call me", max_tokens=4, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks)


@case
def openai_embeddings(url):
    answer = openai_client(url).embeddings.create(model=MODEL, input=["whale", "ship"])
    assert [one.index for one in answer.data] == [0, 1] and len(answer.data[0].embedding) > 8


@case
def openai_responses(url):
    answer = openai_client(url).responses.create(model=MODEL, input="Tell me.", instructions="Be brief.", max_output_tokens=8)
    assert answer.output_text and answer.usage.output_tokens == 8 and answer.status == "incomplete", answer


@case
def openai_responses_stream(url):
    # The helper waits for `response.completed`, which no text at a limit gets.
    ends = {"format": {"type": "json_schema", "name": "x", "schema": {"enum": ["yes"]}}}
    with openai_client(url).responses.stream(model=MODEL, input="Tell me.", text=ends) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert final.output_text and final.status == "completed"


@case
def openai_responses_parse(url):
    class Answer(BaseModel):
        yes: bool

    answer = openai_client(url).responses.parse(model=MODEL, input="Tell me.", text_format=Answer)
    assert isinstance(answer.output_parsed, Answer), answer


@case
def openai_responses_tool(url):
    answer = openai_client(url).responses.create(
        model=MODEL, input="Tell me.", tools=[{"type": "function", "strict": True, **TOOL}], tool_choice="required"
    )
    calls = [item for item in answer.output if item.type == "function_call"]
    assert calls[0].name == "get_weather" and json.loads(calls[0].arguments), answer


# Anthropic


@case
def anthropic_models(url):
    client = anthropic_client(url)
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


@case
def anthropic_messages(url):
    answer = anthropic_client(url).messages.create(
        model=MODEL, max_tokens=8, messages=MESSAGES, system="Be brief.", extra_body={"temperature": 0}
    )
    assert answer.content[0].text and answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 8, answer
    assert answer.usage.cache_read_input_tokens >= 0


@case
def anthropic_stream(url):
    with anthropic_client(url).messages.stream(model=MODEL, max_tokens=8, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text and final.content[0].text == text and final.usage.output_tokens == 8


@case
def anthropic_stop_sequence(url):
    client = anthropic_client(url)
    call = lambda **more: client.messages.create(
        model=MODEL, max_tokens=40, messages=MESSAGES, extra_body={"temperature": 0}, **more
    )
    word = call().content[0].text.split()[3]
    stopped = call(stop_sequences=["never in there", word])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word), stopped


@case
def anthropic_tool(url):
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}
    answer = anthropic_client(url).messages.create(
        model=MODEL, max_tokens=200, messages=MESSAGES, tools=[tool], tool_choice={"type": "any"}
    )
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert calls[0].name == "get_weather" and calls[0].input["place"] in ["here", "there"], answer
    assert answer.stop_reason == "tool_use"


@case
def anthropic_tool_conversation(url):
    messages = MESSAGES + [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"place": "here"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]},
    ]
    tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["parameters"]}
    answer = anthropic_client(url).messages.create(model=MODEL, max_tokens=4, messages=messages, tools=[tool])
    assert answer.content, answer


@case
def anthropic_count_tokens(url):
    assert anthropic_client(url).messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 4


@case
def anthropic_errors(url):
    client = anthropic_client(url)
    error = raises(anthropic.NotFoundError, lambda: client.messages.create(model="claude", max_tokens=5, messages=MESSAGES))
    assert error.body["error"]["type"] == "not_found_error"
    raises(anthropic.BadRequestError, lambda: client.messages.create(model=MODEL, max_tokens=0, messages=MESSAGES))


# Ollama


@case
def ollama_list_show_ps(url):
    client = ollama_client(url)
    assert MODEL in [model.model for model in client.list().models]
    assert client.show(MODEL).modelinfo["general.architecture"]
    client.generate(model=MODEL, prompt="x", options={"num_predict": 1})
    assert MODEL in [model.model for model in client.ps().models]


@case
def ollama_chat(url):
    answer = ollama_client(url).chat(model=MODEL, messages=MESSAGES, options={"num_predict": 8, "temperature": 0})
    assert answer.message.content and answer.done_reason == "length" and answer.eval_count == 8, answer


@case
def ollama_chat_stream(url):
    parts = list(ollama_client(url).chat(model=MODEL, messages=MESSAGES, stream=True, options={"num_predict": 8}))
    assert parts[-1].done and "".join(part.message.content for part in parts)


@case
def ollama_generate(url):
    answer = ollama_client(url).generate(model=MODEL, prompt="Call me", options={"num_predict": 4})
    assert answer.response and answer.total_duration > 0


@case
def ollama_format(url):
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    answer = ollama_client(url).chat(model=MODEL, messages=MESSAGES, format=schema, options={"num_predict": 200})
    assert isinstance(json.loads(answer.message.content)["a"], bool)


@case
def ollama_tools(url):
    tools = [{"type": "function", "function": TOOL}]
    answer = ollama_client(url).chat(model=MODEL, messages=MESSAGES, tools=tools, options={"num_predict": 8})
    assert answer.done


@case
def ollama_embed(url):
    answer = ollama_client(url).embed(model=MODEL, input=["whale", "ship"])
    assert len(answer.embeddings) == 2 and len(answer.embeddings[0]) > 8


@case
def ollama_unknown_model(url):
    error = raises(ollama.ResponseError, lambda: ollama_client(url).chat(model="llama3", messages=MESSAGES))
    assert error.status_code == 404 and "llama3" in error.error


# llama-server


@case
def llama_tokens(url):
    tokens = httpx.post(f"{url}/tokenize", json={"model": MODEL, "content": "Call me Ishmael."}).json()["tokens"]
    text = httpx.post(f"{url}/detokenize", json={"model": MODEL, "tokens": tokens}).json()["content"]
    assert text.strip() == "Call me Ishmael.", text


@case
def llama_apply_template(url):
    answer = httpx.post(f"{url}/apply-template", json={"model": MODEL, "messages": MESSAGES}).json()
    assert "whale" in answer["prompt"], answer


@case
def llama_props_slots_health_metrics(url):
    assert httpx.get(f"{url}/health").json() == {"status": "ok"}
    assert httpx.get(f"{url}/props").json()["total_slots"] >= 0
    assert isinstance(httpx.get(f"{url}/slots").json(), list)
    assert "llamacpp:tokens_predicted_total" in httpx.get(f"{url}/metrics").text


@case
def ollama_copy_create_delete(url):
    client = ollama_client(url)
    assert client.copy(MODEL, "copied").status == "success"
    assert client.create(model="warm", from_=MODEL, system="Be brief.", parameters={"temperature": 0.1}).status == "success"
    names = [model.model for model in client.list().models]
    assert "copied" in names and "warm" in names, names
    assert client.chat(model="warm", messages=MESSAGES, options={"num_predict": 4}).message.content
    for name in ["copied", "warm"]:
        assert client.delete(name).status == "success"
    raises(ollama.ResponseError, lambda: client.delete("warm"))


@case
def ollama_create_from_file(url):
    client = ollama_client(url)
    digest = client.create_blob("starter/ishmael-1m-Q8_0.gguf")
    parts = list(client.create(model="made", files={"m.gguf": digest}, stream=True))
    assert parts[-1].status == "success", parts
    assert client.generate(model="made", prompt="Call me", options={"num_predict": 4}).response
    assert client.delete("made").status == "success"


@case
def ollama_pull_without_a_registry(url):
    error = raises(ollama.ResponseError, lambda: ollama_client(url).pull("llama3.2"))
    assert error.status_code == 404 and "hf.co/" in error.error, error
