//! The messages as sent over the pipe. A change here is a protocol change: a field that an older peer can do without
//! needs `#[serde(default)]`, anything else a new [`wire::VERSION`].
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use serde::{Serialize, de::DeserializeOwned};
use wire::{
    CacheType, Channel, Chat, Counters, Device, DeviceKind, DeviceMemory, Distributions, Event, Failure, FailureKind,
    Finish, FlashAttention, Generate, Grammar, Hello, Input, Ledger, Load, Loaded, LogitBias, Measure, Measured,
    Message, Piece, Prompt, Queried, Query, QueryJob, QueryResult, Request, Role, Sampling, Score, Scored, Started,
    Tool, ToolCall, ToolCallDelta, ToolChoice, Weight,
};

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(cases: &[(T, &str)]) {
    for (message, json) in cases {
        assert_eq!(serde_json::to_string(message).unwrap(), *json);
        assert_eq!(serde_json::from_str::<T>(json).unwrap(), *message);
    }
}

/// Unit variants are written as their names.
fn check_names<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(cases: &[(T, &str)]) {
    for (value, name) in cases {
        assert_eq!(serde_json::to_value(value).unwrap(), serde_json::Value::from(*name));
        assert_eq!(serde_json::from_value::<T>((*name).into()).unwrap(), *value);
    }
}

#[test]
fn the_version_is_the_one_of_these_messages() {
    assert_eq!(wire::VERSION, 13);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one list of messages")]
fn requests() {
    let sampling = Sampling { temperature: Some(0.5), top_k: Some(40), seed: Some(7), ..Sampling::default() };
    let load = Load {
        path: "/models/a.gguf".into(),
        n_ctx: 4096,
        n_batch: 2048,
        n_ubatch: 512,
        n_threads: 2,
        n_gpu_layers: None,
        devices: None,
        cache_type_k: CacheType::Q8_0,
        cache_type_v: CacheType::BF16,
        flash_attention: FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel: 1,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    };
    let chat = Prompt::from(vec![Message::new(Role::System, "Be brief."), Message::new(Role::User, "Who?")]);
    check(&[
        (
            Request::Load(load),
            r#"{"request":"load","path":"/models/a.gguf","n_ctx":4096,"n_batch":2048,"n_ubatch":512,"n_threads":2,"n_gpu_layers":null,"devices":null,"cache_type_k":"q8_0","cache_type_v":"bf16","flash_attention":"auto","mmap":true,"mlock":false,"n_parallel":1,"kv_unified":false,"amx":true,"prompt_cache":0,"kept_prompts":null}"#,
        ),
        (
            Request::Generate(Generate {
                id: 1,
                prompt: chat,
                max_tokens: Some(64),
                sampling,
                grammar: None,
                stop: Vec::new(),
                n_top_logprobs: 0,
                logit_bias: vec![LogitBias { token: 7, bias: -1.5 }],
                credits: None,
                min_room: 0,
                context_shift: false,
            }),
            r#"{"request":"generate","id":1,"prompt":{"chat":{"messages":[{"role":"system","parts":[{"text":"Be brief."}],"reasoning":"","tool_calls":[],"tool_call_id":null,"name":null},{"role":"user","parts":[{"text":"Who?"}],"reasoning":"","tool_calls":[],"tool_call_id":null,"name":null}],"tools":[],"tool_choice":"auto","parallel_tool_calls":true,"reasoning":null,"template_options":null}},"max_tokens":64,"sampling":{"temperature":0.5,"top_k":40,"top_p":null,"min_p":null,"typical_p":null,"top_n_sigma":null,"xtc_probability":null,"xtc_threshold":null,"repeat_penalty":null,"frequency_penalty":null,"presence_penalty":null,"repeat_last_n":null,"mirostat":null,"mirostat_tau":null,"mirostat_eta":null,"seed":7},"logit_bias":[{"token":7,"bias":-1.5}],"grammar":null}"#,
        ),
        (
            Request::Score(Score {
                id: 1,
                text: Some("Call me".into()),
                n_chunk: 512,
                chunk: 0,
                every: false,
                distributions: Distributions::Write("/tmp/d".into()),
            }),
            r#"{"request":"score","id":1,"text":"Call me","n_chunk":512,"chunk":0,"distributions":{"write":"/tmp/d"}}"#,
        ),
        (
            Request::Score(Score {
                id: 2,
                text: None,
                n_chunk: 512,
                chunk: 1,
                every: true,
                distributions: Distributions::Drop,
            }),
            r#"{"request":"score","id":2,"text":null,"n_chunk":512,"chunk":1,"every":true,"distributions":"drop"}"#,
        ),
        (
            Request::Generate(Generate {
                id: u64::MAX,
                prompt: Prompt::Raw("Call me".into()),
                max_tokens: None,
                sampling: Sampling::default(),
                logit_bias: vec![LogitBias { token: 7, bias: -1.5 }],
                grammar: Some(Grammar::Gbnf("root ::= \"a\"".into())),
                stop: vec!["\n\n".into()],
                n_top_logprobs: 5,
                credits: None,
                min_room: 0,
                context_shift: false,
            }),
            r#"{"request":"generate","id":18446744073709551615,"prompt":{"raw":"Call me"},"max_tokens":null,"sampling":{"temperature":null,"top_k":null,"top_p":null,"min_p":null,"typical_p":null,"top_n_sigma":null,"xtc_probability":null,"xtc_threshold":null,"repeat_penalty":null,"frequency_penalty":null,"presence_penalty":null,"repeat_last_n":null,"mirostat":null,"mirostat_tau":null,"mirostat_eta":null,"seed":null},"logit_bias":[{"token":7,"bias":-1.5}],"grammar":{"gbnf":"root ::= \"a\""},"stop":["\n\n"],"n_top_logprobs":5}"#,
        ),
        (Request::Cancel { id: 1 }, r#"{"request":"cancel","id":1}"#),
        (Request::Threads { n_threads: 2 }, r#"{"request":"threads","n_threads":2}"#),
        (Request::Ping { nonce: 3 }, r#"{"request":"ping","nonce":3}"#),
        (Request::Continue { id: 7, n_tokens: 1 }, r#"{"request":"continue","id":7,"n_tokens":1}"#),
        (Request::ClearCache, r#"{"request":"clear_cache"}"#),
        (
            Request::Measure(Measure {
                id: 4,
                n_prompt: 512,
                n_generate: 128,
                n_depth: 4096,
                n_parallel: 2,
                n_batch: 2048,
                n_ubatch: 512,
                n_ctx: 4864,
            }),
            r#"{"request":"measure","id":4,"n_prompt":512,"n_generate":128,"n_depth":4096,"n_parallel":2,"n_batch":2048,"n_ubatch":512,"n_ctx":4864}"#,
        ),
        (Request::Shutdown, r#"{"request":"shutdown"}"#),
    ]);
}

#[test]
fn a_chat_with_tools() {
    let call = ToolCall { id: "call_1".into(), name: "add".into(), arguments: r#"{"a":1}"#.into() };
    let chat = Chat {
        messages: vec![
            Message {
                reasoning: "Hm.".into(),
                tool_calls: vec![call],
                parts: Vec::new(),
                ..Message::new(Role::Assistant, "")
            },
            Message { tool_call_id: Some("call_1".into()), name: Some("add".into()), ..Message::new(Role::Tool, "3") },
        ],
        tools: vec![Tool { name: "add".into(), description: "Adds".into(), parameters: "{}".into() }],
        tool_choice: ToolChoice::Named("add".into()),
        parallel_tool_calls: false,
        reasoning: Some(false),
        template_options: Some("{}".into()),
    };
    check(&[(
        chat,
        r#"{"messages":[{"role":"assistant","parts":[],"reasoning":"Hm.","tool_calls":[{"id":"call_1","name":"add","arguments":"{\"a\":1}"}],"tool_call_id":null,"name":null},{"role":"tool","parts":[{"text":"3"}],"reasoning":"","tool_calls":[],"tool_call_id":"call_1","name":"add"}],"tools":[{"name":"add","description":"Adds","parameters":"{}"}],"tool_choice":{"named":"add"},"parallel_tool_calls":false,"reasoning":false,"template_options":"{}"}"#,
    )]);
}

#[test]
fn a_load_is_for_one_sequence_where_it_names_none() {
    let frame = r#"{"request":"load","path":"/a","n_ctx":0,"n_batch":1,"n_ubatch":1,"n_threads":1,"n_gpu_layers":null,"cache_type_k":"f16","cache_type_v":"f16","flash_attention":"auto","mmap":true,"mlock":false}"#;
    assert!(matches!(serde_json::from_str(frame).unwrap(), Request::Load(Load { n_parallel: 1, .. })));
}

#[test]
fn sampling_may_leave_everything_open() {
    assert_eq!(serde_json::from_str::<Sampling>("{}").unwrap(), Sampling::default());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one list of messages")]
fn events() {
    let counters = Counters {
        n_prompt: 1,
        prompt_us: 2,
        ttft_us: Some(3),
        n_generated: 4,
        n_reasoning: 5,
        generation_us: 6,
        decode_us: 7,
        n_past: 8,
        n_shifted: 9,
        engine_ttft_us: None,
        n_decodes: 7,
    };
    let hello = Hello {
        version: 1,
        pid: 2,
        engine: "llama.cpp".into(),
        devices: vec![Device {
            name: "CUDA0".into(),
            description: "A card".into(),
            kind: DeviceKind::IntegratedGpu,
            total: Some(3),
            free: Some(4),
        }],
    };
    let loaded = Loaded {
        n_ctx: 1,
        n_ctx_train: 2,
        n_gpu_layers: 3,
        n_layers: 4,
        ledger: Ledger {
            devices: vec![DeviceMemory { device: "CPU_Mapped".into(), weights: 5, context: 6, compute: 7 }],
        },
        has_template: true,
        embeds_only: false,
        sampling: Sampling::default(),
        load_us: 8,
        load_cpu_us: Some(9),
    };
    let failure =
        Failure { id: None, kind: FailureKind::PromptTooLong, message: "too long".into(), hint: Some("less".into()) };
    let pieces = vec![
        Piece { channel: Channel::Reasoning, text: "Hm.".into() },
        Piece { channel: Channel::Answer, text: "Yes\n".into() },
    ];
    check(&[
        (
            Event::Hello(hello),
            r#"{"event":"hello","version":1,"pid":2,"engine":"llama.cpp","devices":[{"name":"CUDA0","description":"A card","kind":"integrated_gpu","total":3,"free":4}]}"#,
        ),
        (Event::Loading { fraction: 0.5 }, r#"{"event":"loading","fraction":0.5}"#),
        (
            Event::Loaded(Box::new(loaded)),
            r#"{"event":"loaded","n_ctx":1,"n_ctx_train":2,"n_gpu_layers":3,"n_layers":4,"ledger":{"devices":[{"device":"CPU_Mapped","weights":5,"context":6,"compute":7}]},"has_template":true,"embeds_only":false,"sampling":{"temperature":null,"top_k":null,"top_p":null,"min_p":null,"typical_p":null,"top_n_sigma":null,"xtc_probability":null,"xtc_threshold":null,"repeat_penalty":null,"frequency_penalty":null,"presence_penalty":null,"repeat_last_n":null,"mirostat":null,"mirostat_tau":null,"mirostat_eta":null,"seed":null},"load_us":8,"load_cpu_us":9}"#,
        ),
        (
            Event::Started(Started { id: 1, n_prompt: 2, n_cached: 3, sampling: Sampling::default() }),
            r#"{"event":"started","id":1,"n_prompt":2,"n_cached":3,"sampling":{"temperature":null,"top_k":null,"top_p":null,"min_p":null,"typical_p":null,"top_n_sigma":null,"xtc_probability":null,"xtc_threshold":null,"repeat_penalty":null,"frequency_penalty":null,"presence_penalty":null,"repeat_last_n":null,"mirostat":null,"mirostat_tau":null,"mirostat_eta":null,"seed":null}}"#,
        ),
        (Event::Prompt { id: 1, n_done: 2 }, r#"{"event":"prompt","id":1,"n_done":2}"#),
        (
            Event::Text { id: 1, pieces, tool_calls: Vec::new(), counters, tokens: Vec::new() },
            r#"{"event":"text","id":1,"pieces":[{"channel":"reasoning","text":"Hm."},{"channel":"answer","text":"Yes\n"}],"counters":{"n_prompt":1,"prompt_us":2,"ttft_us":3,"n_generated":4,"n_reasoning":5,"generation_us":6,"decode_us":7,"n_past":8,"n_shifted":9,"engine_ttft_us":null,"n_decodes":7}}"#,
        ),
        (
            Event::Scored(Box::new(Scored {
                id: 1,
                chunk: 2,
                n_chunks: 3,
                vocabulary: [4; 32],
                before: vec![65],
                tokens: vec![Weight { bytes: vec![66], surprise: 0.5, divergence: Some(0.25), agrees: Some(true) }],
            })),
            r#"{"event":"scored","id":1,"chunk":2,"n_chunks":3,"vocabulary":[4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4],"before":[65],"tokens":[{"bytes":[66],"surprise":0.5,"divergence":0.25,"agrees":true}]}"#,
        ),
        (
            Event::Finished { id: 1, finish: Finish::ContextFull, counters: Counters::default() },
            r#"{"event":"finished","id":1,"finish":"context_full","counters":{"n_prompt":0,"prompt_us":0,"ttft_us":null,"n_generated":0,"n_reasoning":0,"generation_us":0,"decode_us":0,"n_past":0,"n_shifted":0,"engine_ttft_us":null,"n_decodes":0}}"#,
        ),
        (
            Event::Failed(failure),
            r#"{"event":"failed","id":null,"kind":"prompt_too_long","message":"too long","hint":"less"}"#,
        ),
        (
            Event::Measured(Measured {
                id: 4,
                is_whole: true,
                prompt_us: 9,
                step_us: vec![1, 2],
                generation_us: Some(3),
                ttft_us: Some(8),
                engine_ttft_us: None,
            }),
            r#"{"event":"measured","id":4,"is_whole":true,"prompt_us":9,"step_us":[1,2],"generation_us":3,"ttft_us":8,"engine_ttft_us":null}"#,
        ),
        (
            Event::Pong { nonce: 1, n_decodes: 2, n_steps: Some(3) },
            r#"{"event":"pong","nonce":1,"n_decodes":2,"n_steps":3}"#,
        ),
    ]);
}

#[test]
fn calls_of_tools_come_in_parts() {
    let deltas = vec![
        ToolCallDelta { index: 0, id: Some("a".into()), name: Some("f".into()), arguments: "{".into() },
        ToolCallDelta { index: 0, arguments: "}".into(), ..ToolCallDelta::default() },
    ];
    check(&[(
        Event::Text {
            id: 1,
            pieces: Vec::new(),
            tool_calls: deltas,
            counters: Counters::default(),
            tokens: Vec::new(),
        },
        r#"{"event":"text","id":1,"pieces":[],"tool_calls":[{"index":0,"id":"a","name":"f","arguments":"{"},{"index":0,"id":null,"name":null,"arguments":"}"}],"counters":{"n_prompt":0,"prompt_us":0,"ttft_us":null,"n_generated":0,"n_reasoning":0,"generation_us":0,"decode_us":0,"n_past":0,"n_shifted":0,"engine_ttft_us":null,"n_decodes":0}}"#,
    )]);
}

#[test]
fn every_name() {
    check_names(&[
        (Role::System, "system"),
        (Role::User, "user"),
        (Role::Assistant, "assistant"),
        (Role::Tool, "tool"),
    ]);
    check_names(&[(ToolChoice::Auto, "auto"), (ToolChoice::None, "none"), (ToolChoice::Required, "required")]);
    check_names(&[
        (CacheType::F32, "f32"),
        (CacheType::F16, "f16"),
        (CacheType::BF16, "bf16"),
        (CacheType::Q8_0, "q8_0"),
        (CacheType::Q5_1, "q5_1"),
        (CacheType::Q5_0, "q5_0"),
        (CacheType::Q4_1, "q4_1"),
        (CacheType::Q4_0, "q4_0"),
    ]);
    check_names(&[(FlashAttention::Auto, "auto"), (FlashAttention::On, "on"), (FlashAttention::Off, "off")]);
    assert_eq!(serde_json::to_string(&Finish::StopText(3)).unwrap(), r#"{"stop_text":3}"#);
    check_names(&[
        (Finish::Stop, "stop"),
        (Finish::Length, "length"),
        (Finish::ContextFull, "context_full"),
        (Finish::Cancelled, "cancelled"),
    ]);
    check_names(&[
        (FailureKind::Request, "request"),
        (FailureKind::Load, "load"),
        (FailureKind::Context, "context"),
        (FailureKind::Template, "template"),
        (FailureKind::PromptTooLong, "prompt_too_long"),
        (FailureKind::Busy, "busy"),
        (FailureKind::Decode, "decode"),
    ]);
    check_names(&[
        (DeviceKind::Cpu, "cpu"),
        (DeviceKind::Gpu, "gpu"),
        (DeviceKind::IntegratedGpu, "integrated_gpu"),
        (DeviceKind::Accelerator, "accelerator"),
    ]);
}

#[test]
fn rates_are_unknown_rather_than_zero() {
    let counters =
        Counters { n_prompt: 10, prompt_us: 500_000, n_generated: 11, generation_us: 2_000_000, ..Counters::default() };
    assert_eq!((counters.prompt_rate(), counters.generation_rate()), (Some(20.0), Some(5.0)));
    let one = Counters { n_generated: 1, generation_us: 5, ..Counters::default() };
    assert_eq!((one.prompt_rate(), one.generation_rate()), (None, None));
}

#[test]
fn queries() {
    let query = |job| Request::Query(Query { id: 1, job });
    let inputs = vec![Input::Text("a".into()), Input::Tokens(vec![1, 2])];
    let (add_special, parse_special, with_pieces) = (true, false, true);
    check(&[
        (
            query(QueryJob::Embed { inputs, normalize: true, truncate: false }),
            r#"{"request":"query","id":1,"job":{"embed":{"inputs":[{"text":"a"},{"tokens":[1,2]}],"normalize":true,"truncate":false}}}"#,
        ),
        (
            query(QueryJob::Tokenize { text: "a".into(), add_special, parse_special, with_pieces }),
            r#"{"request":"query","id":1,"job":{"tokenize":{"text":"a","add_special":true,"parse_special":false,"with_pieces":true}}}"#,
        ),
        (
            query(QueryJob::Detokenize { tokens: vec![3] }),
            r#"{"request":"query","id":1,"job":{"detokenize":{"tokens":[3]}}}"#,
        ),
    ]);
    let queried = |result| Event::Queried(Box::new(Queried { id: 1, result }));
    check(&[
        (
            queried(QueryResult::Embedded { vectors: vec![vec![0.1, -1.0]], n_tokens: vec![2] }),
            r#"{"event":"queried","id":1,"result":{"embedded":{"vectors":[[0.1,-1.0]],"n_tokens":[2]}}}"#,
        ),
        (
            queried(QueryResult::Tokenized { tokens: vec![7], pieces: vec![vec![97]] }),
            r#"{"event":"queried","id":1,"result":{"tokenized":{"tokens":[7],"pieces":[[97]]}}}"#,
        ),
        (
            queried(QueryResult::Detokenized { text: "a".into() }),
            r#"{"event":"queried","id":1,"result":{"detokenized":{"text":"a"}}}"#,
        ),
        (
            queried(QueryResult::Applied { prompt: "a".into(), n_tokens: 1 }),
            r#"{"event":"queried","id":1,"result":{"applied":{"prompt":"a","n_tokens":1}}}"#,
        ),
    ]);
}
