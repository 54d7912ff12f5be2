use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{self, TimeZone};

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
    let chat = turns.iter().map(|(role, text)| Message::new(*role, *text)).collect();
    Template::new(source, "<s>", "</s>").render(&chat, &utc())
}

/// 2024-11-24.
fn utc() -> ZonedDateTime {
    Timestamp::from_second(1_732_492_799).unwrap().to_zoned_datetime(TimeZone::UTC)
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
    let error = render(source, &TURNS[..1]).expect_err("nobody to fold it into");
    assert_eq!(error.to_string(), "the chat template leaves out the system prompt");
}

#[test]
fn what_was_said_shows_or_there_is_an_error() {
    let said = [
        (Role::System, "Be brief."),
        (Role::User, "user"),
        (Role::Assistant, "<think>No</think>Yes"),
        (Role::User, "Why so, mate?"),
    ];
    for (source, expected) in [
        // Text that is changed, but there.
        (
            "{% for m in messages %}{{ m.content | trim | upper }}|{% endfor %}",
            Ok("BE BRIEF.|USER|<THINK>NO</THINK>YES|WHY SO, MATE?|"),
        ),
        (
            "{{ messages | map(attribute='content') | list | tojson }}",
            Ok(r#"["Be brief.", "user", "<think>No</think>Yes", "Why so, mate?"]"#),
        ),
        (
            "{% for m in messages %}{{ m.content.split('</think>')[-1] }} {% endfor %}",
            Ok("Be brief. user Yes Why so, mate? "),
        ),
        (
            "{% for m in messages %}{{ m.content | replace('mate', '') }} {% endfor %}",
            Ok("Be brief. user <think>No</think>Yes Why so, ? "),
        ),
        // Contents as parts.
        (
            "{% for m in messages %}{% for p in m.content if p.type == 'text' %}{{ p.text }} {% endfor %}{% endfor %}",
            Ok("Be brief. user <think>No</think>Yes Why so, mate? "),
        ),
        (
            "{% for m in messages %}{{ m.content[0]['text'] }} {% endfor %}",
            Ok("Be brief. user <think>No</think>Yes Why so, mate? "),
        ),
        (
            "{% for m in messages %}{{ m.content if m.content is string else m.content[0].text }} {% endfor %}",
            Ok("Be brief. user <think>No</think>Yes Why so, mate? "),
        ),
        // The system prompt is folded.
        (
            "{% for m in messages[1:] %}{{ m.content }} {% endfor %}{{ messages[0].content if messages[0].role == 'user' }}",
            Ok("<think>No</think>Yes Why so, mate? Be brief.\n\nuser"),
        ),
        ("{{ messages | map(attribute='content') | map('first') | join }}", Err("the system prompt")),
        // Text that is lost, though it stands there by chance.
        ("{% for m in messages %}{{ m.role }} {% endfor %}", Err("the system prompt")),
        ("Be brief. {% for m in messages %}{{ m.role }} {% endfor %}", Err("the system prompt")),
        ("{{ messages[0].content }} {{ messages[-1].content }} user", Err("what the user said")),
        ("{% for m in messages %}{{ m.content if m.role != 'assistant' }} {% endfor %}", Err("an earlier answer")),
        ("{% for m in messages %}{{ m.content[:4] }}{% endfor %}", Err("the system prompt")),
    ] {
        let made = render(source, &said);
        assert_eq!(made.as_deref(), expected.map_err(TemplateError::LeftOut).as_ref().copied(), "{source}");
    }
}

#[test]
fn without_a_template_the_texts_stand_apart() {
    let message = |text: &str| Message::new(Role::User, text);
    for (texts, expected) in [
        (&["a", "b"][..], "a\n\nb"),
        (&["a\n", "b", "", "c\n\n", " d "], "a\n\nb\n\nc\n\n d "),
        (&["a\n\n\n", "b"], "a\n\n\nb"),
        (&["", "a"], "a"),
        (&[], ""),
    ] {
        assert_eq!(plain(&texts.iter().map(|text| message(text)).collect::<Vec<_>>()), expected);
    }
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
        // Nothing is said, so that nothing has to show.
        assert_eq!(render(source, &[(Role::User, "")]).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn hostile_templates_end_in_an_error() {
    let deep = "{% for a in [1] %}".repeat(50_000);
    let nested = |open: &str, close: &str| format!("{{{{ {}1{} }}}}", open.repeat(50_000), close.repeat(50_000));
    let row = |begin: &str, piece: &str| format!("{{{{ {begin}{} }}}}", piece.repeat(100_000));
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
        ("parentheses", &nested("(", ")"), true),
        ("lists", &nested("[", "]"), true),
        ("dicts", &nested("{1:", "}"), true),
        ("calls", &nested("f(", ")"), true),
        ("subscripts", &nested("a[", "]"), true),
        ("brackets that stay open", &format!("{{{{ {}", "([{".repeat(50_000)), true),
        ("negations", &format!("{{{{ {}1 }}}}", "not ".repeat(200_000)), true),
        ("signs", &format!("{{{{ {}1 }}}}", "- ".repeat(200_000)), true),
        ("filters", &row("1", "|abs"), true),
        ("tests", &row("1", " is odd"), true),
        ("attributes", &row("a", ".a"), true),
        ("sums", &row("1", "+1"), true),
        ("powers", &row("1", "**1"), true),
        ("remainders", &row("1", "%1"), true),
        ("comparisons", &row("1", "<1"), true),
        ("choices", &row("1", " if 1 else"), true),
        ("ors", &row("1", " or 1"), true),
        ("branches", &format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(50_000)), true),
        ("a tag in a tag", &"{{ {% ".repeat(100_000), false),
        ("a file", "{% include '/etc/passwd' %}", false),
        ("unfinished", "{% if", false),
        ("no such filter", "{{ 1 | nothing }}", false),
        ("no attribute", "{{ nothing.at.all }}", false),
    ] {
        refused(name, source, bounds);
    }
}

#[test]
fn what_is_within_the_bounds_runs() {
    let row = |begin: &str, piece: &str, times: usize| format!("{{{{ {begin}{} }}}}", piece.repeat(times));
    for (name, source, expected) in [
        ("negations", format!("{{{{ {}1 }}}}", "not ".repeat(9_000)), "True"),
        ("signs", format!("{{{{ {}1 }}}}", "-".repeat(9_000)), "1"),
        ("sums", row("0", "+1", 4_900), "4900"),
        ("filters", row("1", "|abs", 4_900), "1"),
        ("powers", row("1", "**1", 4_900), "1"),
        ("remainders", row("1", "%2", 100), "1"),
        ("choices", row("1", " if 1 else 1", 2_400), "1"),
        ("joined texts", row("''", "~'a'", 4_900), &"a".repeat(4_900)),
        ("brackets", format!("{{{{ {}1{} }}}}", "(0+".repeat(60), ")".repeat(60)), "1"),
        ("branches", format!("{{% if 0 %}}{}x{{% endif %}}", "{% elif 0 %}".repeat(1_900) + "{% else %}"), "x"),
        ("a long list", format!("{{{{ [{}] | length }}}}", "1,".repeat(50_000)), "50000"),
        ("blocks", format!("{}x{}", "{% if 1 %}".repeat(140), "{% endif %}".repeat(140)), "x"),
    ] {
        assert_eq!(render(&source, &[(Role::User, "")]).as_deref(), Ok(expected), "{name}");
    }
}

#[test]
fn values_are_bounded() {
    let nest = |value: &str, after: &str| {
        format!(
            "{{% set n = namespace(x=1) %}}{{% for a in range(99) %}}{{% for b in range(999) %}}{{% set n.x = {value} %}}\
             {{% endfor %}}{{% endfor %}}{after}"
        )
    };
    for source in [
        "{{ 'a'.zfill(10 ** 9) }}",
        "{{ 'a'.center(10 ** 9) }}",
        "{{ 'a'.ljust(10 ** 9) }}",
        "{{ 'a'.rjust(10 ** 9, 'x') }}",
        "{{ 'a' | center(10 ** 9) }}",
        "{{ 'a' * 10 ** 9 }}",
        "{{ [1] * 10 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%.1000000000f' % 1 }}",
        "{{ '%*d' % (10 ** 9, 1) }}",
        "{{ '%s' | format('a' * 10 ** 9) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 10 ** 9) }}",
        "{{ '{:.1000000000f}'.format(1) }}",
        "{{ range(10 ** 12) | list }}",
        "{{ ('\\n' * 10 ** 6) | indent('x' * 10 ** 6) }}",
        "{{ ('\\t' * 10 ** 7).expandtabs(1024) }}",
        "{{ ('a' * 10 ** 6).replace('', 'x' * 10 ** 6) }}",
        "{{ ('a' * 10 ** 6) | replace('', 'x' * 10 ** 6) }}",
        "{{ ('x' * 10 ** 6).join(['a'] * 10 ** 6) }}",
        "{{ ['a'] * 10 ** 6 | join('x' * 10 ** 6) }}",
        "{{ ('a' * 10 ** 6).translate({97: 'x' * 10 ** 6}) }}",
        "{{ (['a' * 10 ** 6] * 1000) | tojson }}",
        "{% for a in range(9999) %}{{ ('%s' * 1000) % (('x' * 9999,) * 1000) }}{% endfor %}",
        "{% for a in range(99999) %}{{ strftime_now('%255d' * 1000) }}{% endfor %}",
        "{% for a in range(9999) %}{{ ('a ' * 99999).split() | length }}{% endfor %}",
        "{% for a in range(9999) %}{{ ('a' * 999999).find('b') }}{% endfor %}",
        &nest("[n.x]", "{{ n.x }}"),
        &nest("[n.x]", "{{ n.x | tojson }}"),
        &nest("[n.x]", "{{ n.x ~ '' }}"),
        &nest("{'a': n.x}", "{{ n.x | string }}"),
        &nest("(n.x,)", "{{ n.x | pprint }}"),
        &nest("n.x | string | list", "{{ n.x == n.x }}"),
        &nest("[n.x]", "{{ n.x == n.x and raise_exception('done') }}"),
        &nest("n", "{{ n ~ '' }}"),
        &nest("namespace(y=n.x)", "{{ n.x ~ '' }}"),
        &nest("n.x * 1", "{{ n.x | list }}{{ raise_exception('done') }}"),
        &nest("(n.x | list)[0:1] | reverse", "{{ n.x | list }}{{ raise_exception('done') }}"),
        &format!("{}{{{{ a ~ '' }}}}", "{% set a = [a] %}".repeat(50_000)),
        &nest("[n.x] + [1]", "{{ raise_exception('done') }}"),
        &nest("n.x | map('upper') | list", "{{ raise_exception('done') }}"),
    ] {
        refused(source, source, false);
    }
}

fn refused(name: &str, source: &str, bounds: bool) {
    let started = std::time::Instant::now();
    let error = render(source, &[(Role::User, "")]).expect_err(name);
    assert!(!bounds || matches!(error, TemplateError::Bounds(_)), "{name}: {error}");
    assert!(error.to_string().len() < 600, "{name}");
    assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
}

#[test]
fn snippets_are_as_jinja2_makes_them() {
    let cases: Vec<(String, Option<String>)> =
        serde_json::from_str(include_str!("../../tests/jinja/snippets.json")).unwrap();
    let messages: Vec<Message> = [
        (Role::System, "Be brief."),
        (Role::User, "Hello there"),
        (Role::Assistant, "Aye. "),
        (Role::User, "Who <are> you?"),
    ]
    .iter()
    .map(|(role, text)| Message::new(*role, *text))
    .collect();
    // As make.py has it: a zone whose day is not that of UTC.
    let now = utc().with_time_zone(TimeZone::fixed(tz::Offset::from_seconds(19_800).unwrap()));
    let (mut wrong, mut unlike) = (Vec::new(), DIFFERENT.iter().flat_map(|(_, sources)| *sources).collect::<Vec<_>>());
    for (source, expected) in &cases {
        let template = Template::new(source, "<s>", "</s>");
        let made = on_large_stack(|| Program::new(&template, &now)?.render(&messages, Content::Text));
        let is_known = unlike.iter().position(|one| **one == source).map(|index| unlike.remove(index)).is_some();
        if (made.as_ref().ok() != expected.as_ref()) != is_known {
            wrong.push(format!("{source:?}\n    jinja2 {expected:?}\n    here   {made:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(unlike.is_empty(), "no such snippets: {unlike:?}");
}

/// Where minijinja is not Jinja2 and no template was seen to mind, by the reason.
const DIFFERENT: &[(&str, &[&str])] = &[
    (
        "numbers of more than 256 bits are refused",
        &[
            "{{ 123456789012345678901234567890123456789012345678901234567890 }}",
            "{{ 123456789012345678901234567890123456789012345678901234567890 | tojson }}",
        ],
    ),
    (
        "values of different types can be compared, where Python raises",
        &["{{ undefined_name < 1 }}", "{{ 'a' < 1 }}", "{{ none < 1 }}", "{{ 1 in 'abc' }}", "{{ none in 'abc' }}"],
    ),
    (
        "what a filter or a function makes is a list, where Python has a generator or a range",
        &[
            "{{ range(3) }}",
            "{{ range(0) }}",
            "{{ range(3) | tojson }}",
            "{{ messages | map(attribute='role') | tojson }}",
            "{{ {'a': 1}.keys()[0] }}",
            "{{ [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}, {'a': 2, 'b': 4}] | groupby('a') | list }}",
        ],
    ),
    (
        "methods are no attributes before they are called, and classes have no names",
        &[
            "{{ 1.5.real }}",
            "{{ true.real }}",
            "{{ {'a': 1}['items'] is defined }}",
            "{{ {'a': 1}.items is defined }}",
            "{{ 'abc'['upper'] is defined }}",
            "{{ namespace }}",
            "{{ self is defined }}",
            "{% macro m(a) %}{{ a }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.catch_varargs }}{{ m.caller }}",
        ],
    ),
    (
        "functions, methods and filters for other things than chats are missing",
        &[
            "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% set _ = c.reset() %}{{ c.next() }}",
            "{{ 'abc'.maketrans('a', 'b') }}",
            "{{ {'a': 1}.fromkeys(['x']) }}",
            "{{ (255).to_bytes(1) }}",
            "{{ lipsum is defined }}",
            "{{ lipsum() is string }}",
            "{{ 'hello world foo bar' | wordwrap(7) }}",
            "{{ 'http://a.example x' | urlize }}",
            "{{ ('<a>' | escape) + '<b>' }}",
        ],
    ),
    (
        "macros take the arguments that they name, and a default can't use another argument",
        &[
            "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}",
            "{% macro m(x, y=x) %}{{ y }}{% endmacro %}{{ m(3) }}",
        ],
    ),
    (
        "the syntax differs at its edges",
        &[
            "{{ '\\x41\\u0042\\N{DIGIT ONE}' }}",
            "{{ -true }}",
            "{% include 'x' ignore missing %}",
            "{% set loop = 1 %}{{ loop }}",
            "{{ 5. }}",
            "{{ [1, 2][1.0] }}",
            "{{ [1,2,3][0,1] }}",
        ],
    ),
];
