use std::time::{Duration, UNIX_EPOCH};

use super::*;

const CHATML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const LLAMA: &str = r#"{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{{- "Today: " + date_string + "\n\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}"#;

const R1: &str = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + eos_token}}{%- endif %}{%- endfor -%}{% if add_generation_prompt %}{{'<|Assistant|><think>\\n'}}{% endif %}";

const QWEN: &str = r"{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == 'user' and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- if message.reasoning_content is not string and '</think>' in content %}
            {%- set content = content.split('</think>')[-1].lstrip('\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\n' + content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}";

const MISTRAL: &str = "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";

const GEMMA: &str = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

fn render(source: &str, turns: &[(Role, &str)]) -> Result<String, TemplateError> {
    let messages: Vec<Message> =
        turns.iter().map(|(role, content)| Message { role: *role, content: (*content).to_owned() }).collect();
    // 2024-11-24.
    Template::new(source, "<s>", "</s>").render(&messages, UNIX_EPOCH + Duration::from_secs(1_732_492_799))
}

const TURNS: &[(Role, &str)] = &[
    (Role::System, "Be brief."),
    (Role::User, "Who? "),
    (Role::Assistant, "<think>Hm.</think>\n\nIshmael."),
    (Role::User, "Why <b>?"),
];

#[test]
fn templates_of_well_known_models() {
    for (name, source, expected) in [
        (
            "ChatML",
            CHATML,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho? <|im_end|>\n<|im_start|>assistant\n<think>Hm.</think>\n\nIshmael.<|im_end|>\n<|im_start|>user\nWhy <b>?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "Llama",
            LLAMA,
            "<s><|start_header_id|>system<|end_header_id|>\n\nToday: 24 Nov 2024\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<think>Hm.</think>\n\nIshmael.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy <b>?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        ("R1", R1, "<s>Be brief.<|User|>Who? <|Assistant|>\n\nIshmael.</s><|User|>Why <b>?<|Assistant|><think>\n"),
        (
            "Qwen",
            QWEN,
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho? <|im_end|>\n<|im_start|>assistant\nIshmael.<|im_end|>\n<|im_start|>user\nWhy <b>?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "Gemma, whose system message is folded",
            GEMMA,
            "<s><start_of_turn>user\nBe brief.\n\nWho?<end_of_turn>\n<start_of_turn>model\n<think>Hm.</think>\n\nIshmael.<end_of_turn>\n<start_of_turn>user\nWhy <b>?<end_of_turn>\n<start_of_turn>model\n",
        ),
        (
            "Mistral, whose system message is folded",
            MISTRAL,
            "<s>[INST] Be brief.\n\nWho?  [/INST]<think>Hm.</think>\n\nIshmael.</s>[INST] Why <b>? [/INST]",
        ),
    ] {
        assert_eq!(render(source, TURNS).as_deref(), Ok(expected), "{name}");
    }
}

#[test]
fn a_system_message_that_is_left_out_is_folded() {
    let source = "{% for m in messages if m.role != 'system' %}[{{ m.content }}]{% endfor %}";
    assert_eq!(render(source, &TURNS[..2]).as_deref(), Ok("[Be brief.\n\nWho? ]"));
    assert_eq!(render(source, &TURNS[..1]).as_deref(), Ok(""), "nobody to fold it into");
}

#[test]
fn a_refusal_carries_the_templates_own_words() {
    let error = render(MISTRAL, &[(Role::User, "a"), (Role::User, "b")]).unwrap_err();
    assert_eq!(
        error,
        TemplateError::Refused("Conversation roles must alternate user/assistant/user/assistant/...".into())
    );
}

#[test]
fn python_and_hugging_face_ways() {
    for (source, expected) in [
        ("{{ {'a': [1, true, none], 'b': '<é>'} | tojson }}", r#"{"a": [1, true, null], "b": "<é>"}"#),
        ("{{ {'a': [1]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}"),
        ("{{ ' Ab '.strip().upper().lower().replace('a', 'x') }}", "xb"),
        ("{{ messages[0].get('name', 'nobody') }}", "nobody"),
        ("{% for k, v in {'x': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "x=1"),
        ("{% for m in messages %}{% if loop.last %}{% continue %}{% endif %}{{ m.content }}{% endfor %}", ""),
        ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"),
        ("x {%- generation -%} y {%- endgeneration %} z", "xy z"),
        ("{% generation %}a{% endgeneration %}{{ '{%' }}", "a{%"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') }}{{ m('b') }}", "<a><b>"),
        ("{{ undefined_name }}{{ messages[9] is defined }}", "False"),
        ("{{ raise_exception is defined }}{{ '%s' is string }}", "TrueTrue"),
    ] {
        assert_eq!(render(source, &[(Role::User, "hi")]).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn hostile_templates_end_in_an_error() {
    let deep = "{% for a in [1] %}".repeat(100_000);
    let nested = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let long = "x".repeat(MAX_SOURCE + 1);
    for (name, source, bounds) in [
        ("long loop", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", true),
        (
            "doubling",
            "{% set n = namespace(x='xxxxxxxxxxxxxxxx') %}{% for a in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
            true,
        ),
        ("long output", "{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}", true),
        ("long source", &long, true),
        ("recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", false),
        ("deep blocks", &deep, false),
        ("deep expression", &format!("{{{{ {nested} }}}}"), false),
        ("a file", "{% include '/etc/passwd' %}", false),
        ("unfinished", "{% if", false),
        ("no such filter", "{{ 1 | nothing }}", false),
        ("no attribute", "{{ nothing.at.all }}", false),
    ] {
        let started = std::time::Instant::now();
        let error = render(source, &[(Role::User, "hi")]).expect_err(name);
        assert!(!bounds || matches!(error, TemplateError::Bounds(_)), "{name}: {error}");
        assert!(error.to_string().len() < 600, "{name}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    }
}
