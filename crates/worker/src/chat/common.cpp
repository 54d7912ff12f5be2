// llama.cpp's `common/chat`, flattened to C: templates, the grammars of tool calls, the parsers of answers.
//
// JSON goes in and comes out; texts have lengths, since they may contain zero bytes; no exception leaves a call. What the
// structs of `common/chat.h` are is read from that header itself, at the version that Cargo.toml pins.

#include "chat.h"
#include "log.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <new>
#include <string>

using json = common_json;

// A text that `taffrail_chat_text_free` frees.
struct taffrail_chat_text {
    char * data;
    size_t size;
};

struct taffrail_chat_templates {
    common_chat_templates_ptr templates;
};

struct taffrail_chat_parser {
    common_chat_parser_params params;
};

static void give(taffrail_chat_text * to, const std::string & text) noexcept {
    to->data = static_cast<char *>(std::malloc(text.size() + 1));
    to->size = to->data ? text.size() : 0;
    if (to->data) {
        std::memcpy(to->data, text.data(), text.size());
    }
}

// Calls what gives a text. False where it throws, and then the text is the error's.
template <typename Call> static bool guarded(taffrail_chat_text * out, Call call) noexcept {
    try {
        give(out, call());
        return true;
    } catch (const std::exception & error) {
        give(out, error.what());
    } catch (...) {
        give(out, "llama.cpp gave no reason");
    }
    return false;
}

static json texts(const std::vector<std::string> & all) {
    json list = json::array();
    for (const auto & text : all) {
        list.push_back(text);
    }
    return list;
}

extern "C" void taffrail_chat_text_free(taffrail_chat_text text) noexcept {
    std::free(text.data);
}

// Reads a template. Null where that fails, with the reason in `out`; else `out` has what the template can do.
extern "C" taffrail_chat_templates * taffrail_chat_new(
    const char * source, size_t n_source, const char * bos, size_t n_bos, const char * eos, size_t n_eos,
    taffrail_chat_text * out) noexcept {
    // It would write to standard error from a thread of its own; what matters comes back as an error.
    common_log_set_verbosity_thold(-1);
    taffrail_chat_templates * made = nullptr;
    const bool is_made = guarded(out, [&] {
        const std::string text(source, n_source), begin(bos, n_bos), end(eos, n_eos);
        // `common_chat_templates_init` loses what is said of a syntax error.
        const common_chat_template checked(text, begin, end);
        auto all = std::make_unique<taffrail_chat_templates>();
        all->templates = common_chat_templates_init(nullptr, text, begin, end);
        json caps = json::object();
        for (const auto & [name, has] : common_chat_templates_get_caps(all->templates.get())) {
            caps[name] = has;
        }
        const auto result = caps.dump();
        made = all.release();
        return result;
    });
    return is_made ? made : nullptr;
}

extern "C" void taffrail_chat_free(taffrail_chat_templates * templates) noexcept {
    delete templates;
}

// Renders a chat. `inputs` has messages, tools, tool_choice, parallel_tool_calls, enable_thinking, json_schema and kwargs,
// whose values are JSON as text.
extern "C" bool taffrail_chat_apply(
    const taffrail_chat_templates * templates, const char * inputs, size_t n_inputs, taffrail_chat_text * out) noexcept {
    return guarded(out, [&] {
        const json given = json::parse(std::string(inputs, n_inputs));
        common_chat_templates_inputs wanted;
        wanted.messages            = common_chat_msgs_parse_oaicompat(given.at("messages"));
        wanted.tools               = common_chat_tools_parse_oaicompat(given.at("tools"));
        wanted.tool_choice         = common_chat_tool_choice_parse_oaicompat(given.at("tool_choice").get<std::string>());
        wanted.parallel_tool_calls = given.at("parallel_tool_calls").get<bool>();
        wanted.enable_thinking     = given.at("enable_thinking").get<bool>();
        wanted.json_schema         = given.at("json_schema").get<std::string>();
        wanted.reasoning_format    = COMMON_REASONING_FORMAT_DEEPSEEK;
        for (const auto & [name, value] : given.at("kwargs").items()) {
            wanted.chat_template_kwargs[name] = value.dump();
        }
        const auto params   = common_chat_templates_apply(templates->templates.get(), wanted);
        json       triggers = json::array();
        for (const auto & trigger : params.grammar_triggers) {
            json one = json::object();
            one["kind"]  = static_cast<int>(trigger.type);
            one["value"] = trigger.value;
            triggers.push_back(one);
        }
        json made = json::object();
        made["prompt"]            = params.prompt;
        made["generation_prompt"] = params.generation_prompt;
        made["grammar"]           = params.grammar;
        made["grammar_lazy"]      = params.grammar_lazy;
        made["triggers"]          = triggers;
        made["preserved_tokens"]  = texts(params.preserved_tokens);
        made["stops"]             = texts(params.additional_stops);
        made["format"]            = static_cast<int>(params.format);
        made["parser"]            = params.parser;
        return made.dump();
    });
}

// A parser of answers by what `taffrail_chat_apply` made. Null where that fails, with the reason in `out`.
extern "C" taffrail_chat_parser * taffrail_chat_parser_new(
    int format, const char * generation_prompt, size_t n_generation_prompt, const char * parser, size_t n_parser,
    taffrail_chat_text * out) noexcept {
    taffrail_chat_parser * made = nullptr;
    const bool is_made = guarded(out, [&] {
        auto all = std::make_unique<taffrail_chat_parser>();
        if (format < 0 || format >= COMMON_CHAT_FORMAT_COUNT) {
            throw std::runtime_error("no such format");
        }
        all->params.format            = static_cast<common_chat_format>(format);
        all->params.reasoning_format  = COMMON_REASONING_FORMAT_DEEPSEEK;
        all->params.generation_prompt = std::string(generation_prompt, n_generation_prompt);
        if (n_parser > 0) {
            all->params.parser.load(std::string(parser, n_parser));
        }
        made = all.release();
        return std::string();
    });
    return is_made ? made : nullptr;
}

extern "C" void taffrail_chat_parser_free(taffrail_chat_parser * parser) noexcept {
    delete parser;
}

// Parses an answer, whole or so far.
extern "C" bool taffrail_chat_parse(
    const taffrail_chat_parser * parser, const char * text, size_t n_text, bool is_partial,
    taffrail_chat_text * out) noexcept {
    return guarded(out, [&] {
        const auto message = common_chat_parse(std::string(text, n_text), is_partial, parser->params);
        json calls = json::array();
        for (const auto & call : message.tool_calls) {
            json one = json::object();
            one["id"]        = call.id;
            one["name"]      = call.name;
            one["arguments"] = call.arguments;
            calls.push_back(one);
        }
        json made = json::object();
        made["reasoning"]  = message.reasoning_content;
        made["content"]    = message.content;
        made["tool_calls"] = calls;
        return made.dump_safe();
    });
}
