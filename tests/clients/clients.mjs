// Calls the server with the clients of npm: `node clients.mjs URL CASE`.
import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, jsonSchema, streamText, tool } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";

const [url, wanted] = process.argv.slice(2);
const model = "ishmael-1m";
const messages = [{ role: "user", content: "Tell me of the whale." }];
const parameters = {
  type: "object",
  properties: { place: { type: "string", enum: ["here", "there"] } },
  required: ["place"],
};
const name = "get_weather";
const description = "The weather of a place";

const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: "unused", maxRetries: 0 });
const ollama = new Ollama({ host: url });
const sdk = createOpenAICompatible({
  name: "here",
  baseURL: `${url}/v1`,
  apiKey: "unused",
  supportsStructuredOutputs: true,
})(model);

const cases = {
  async openai_chat() {
    const answer = await openai.chat.completions.create({ model, messages, max_tokens: 8 });
    assert(answer.choices[0].message.content);
    assert.equal(answer.usage.completion_tokens, 8);
  },
  async openai_stream() {
    const stream = openai.chat.completions.stream({ model, messages, max_tokens: 8 });
    assert((await stream.finalContent()).length > 0);
  },
  async openai_tool() {
    const tools = [{ type: "function", function: { name, description, parameters } }];
    const answer = await openai.chat.completions.create({
      model, messages, max_tokens: 200, tools, tool_choice: "required",
    });
    const call = answer.choices[0].message.tool_calls[0];
    assert(["here", "there"].includes(JSON.parse(call.function.arguments).place));
  },
  async openai_responses() {
    const answer = await openai.responses.create({ model, input: "Tell me.", max_output_tokens: 8 });
    assert(answer.output_text);
  },
  async openai_embeddings() {
    const answer = await openai.embeddings.create({ model, input: ["whale", "ship"] });
    assert(answer.data.length === 2 && answer.data[0].embedding.length > 8);
  },
  async openai_error() {
    await assert.rejects(openai.chat.completions.create({ model: "gpt-4", messages }), OpenAI.NotFoundError);
  },
  async anthropic_messages() {
    const answer = await anthropic.messages.create({ model, max_tokens: 8, messages });
    assert(answer.content[0].text);
    assert.equal(answer.stop_reason, "max_tokens");
  },
  async anthropic_stream() {
    const final = await anthropic.messages.stream({ model, max_tokens: 8, messages }).finalMessage();
    assert(final.content[0].text);
  },
  async anthropic_tool() {
    const tools = [{ name, description, input_schema: parameters }];
    const answer = await anthropic.messages.create({
      model, max_tokens: 200, messages, tools, tool_choice: { type: "any" },
    });
    assert(answer.content.some((block) => block.type === "tool_use" && block.name === name));
  },
  async ollama_chat() {
    const answer = await ollama.chat({ model, messages, options: { num_predict: 8 } });
    assert(answer.message.content);
  },
  async ollama_stream() {
    let text = "";
    for await (const part of await ollama.chat({ model, messages, stream: true, options: { num_predict: 8 } })) {
      text += part.message.content;
    }
    assert(text);
  },
  async ollama_embed() {
    assert.equal((await ollama.embed({ model, input: ["whale", "ship"] })).embeddings.length, 2);
  },
  async ollama_copy_delete() {
    await ollama.copy({ source: model, destination: "from-node" });
    await ollama.delete({ model: "from-node" });
  },
  async ai_sdk_text() {
    assert((await generateText({ model: sdk, prompt: "Tell me.", maxOutputTokens: 8, maxRetries: 0 })).text);
  },
  async ai_sdk_stream() {
    let text = "";
    for await (const part of streamText({ model: sdk, prompt: "Tell me.", maxOutputTokens: 8 }).textStream) {
      text += part;
    }
    assert(text);
  },
  async ai_sdk_object() {
    const answer = await generateObject({
      model: sdk, schema: jsonSchema(parameters), prompt: "Where?", maxOutputTokens: 200, maxRetries: 0,
    });
    assert(["here", "there"].includes(answer.object.place));
  },
  async ai_sdk_tool() {
    const tools = { [name]: tool({ description, inputSchema: jsonSchema(parameters) }) };
    const answer = await generateText({
      model: sdk, prompt: "Where?", tools, toolChoice: "required", maxOutputTokens: 200, maxRetries: 0,
    });
    assert.equal(answer.toolCalls[0].toolName, name);
  },
};

await cases[wanted]();
process.exit(0);
