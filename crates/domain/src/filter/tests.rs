use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    Name,
    License,
    Is,
    Size,
    Parameters,
    Context,
    Rate,
    Ttft,
}

const FIELDS: &[Field<Of>] = &[
    Field { field: Of::Name, names: &["name"], kind: Kind::Text },
    Field { field: Of::License, names: &["license", "licence"], kind: Kind::Text },
    Field { field: Of::Is, names: &["is"], kind: Kind::Words(&["ready", "damaged"]) },
    Field { field: Of::Size, names: &["size"], kind: Kind::Number(Unit::Bytes) },
    Field { field: Of::Parameters, names: &["params", "parameters"], kind: Kind::Number(Unit::Count) },
    Field { field: Of::Context, names: &["ctx"], kind: Kind::Number(Unit::Tokens) },
    Field { field: Of::Rate, names: &["tok/s"], kind: Kind::Number(Unit::Plain) },
    Field { field: Of::Ttft, names: &["ttft"], kind: Kind::Number(Unit::Millis) },
];

/// 8.2 B parameters in 5 GB with 32768 tokens of context; its speed is unknown.
struct Model;

impl Row<Of> for Model {
    fn has(&self, part: &str) -> bool {
        "qwen3:8b".contains(part) || "apache-2.0".contains(part)
    }

    fn is(&self, field: Of, part: &str) -> bool {
        match field {
            Of::Name => "qwen3:8b".contains(part),
            Of::License => "apache-2.0".contains(part),
            Of::Is => "ready".starts_with(part),
            _ => false,
        }
    }

    fn figure(&self, field: Of) -> Option<f64> {
        match field {
            Of::Size => Some(5e9),
            Of::Parameters => Some(8.2e9),
            Of::Context => Some(32_768.0),
            Of::Ttft => Some(250.0),
            _ => None,
        }
    }
}

fn read(text: &str) -> Filter<Of> {
    Filter::parse(text, FIELDS).settle(|part| Model.has(part))
}

#[test]
fn questions() {
    for (text, fits) in [
        ("", true),
        ("QWEN apache", true),
        ("qwen llama", false),
        ("-qwen", false),
        ("-llama", true),
        ("-license:apache", false),
        ("-size>6gb", true),
        ("-", true),
        ("size>50mb", true),
        ("size:>50mb", true),
        ("size>4.9gib", false),
        ("size=5gb", true),
        ("size:5GB", true),
        ("size:<=5gb", true),
        ("params>7b", true),
        ("params:<500m", false),
        (">7b", true),
        ("<7b", false),
        (">=8.2b", true),
        (">4gb", true),
        ("<4gb", false),
        ("ctx:32k", true),
        ("ctx>32k", false),
        ("ctx>=32k", true),
        ("ctx>32000", true),
        ("licence:apache", true),
        ("license=apache", true),
        ("is:re", true),
        ("is:damaged", false),
        ("ttft<300", true),
        ("ttft<1s", true),
        ("ttft>250ms", false),
        // A figure that is not known fits no comparison, not even a negated one.
        ("tok/s>20", false),
        ("-tok/s>20", false),
        // A name can have a colon.
        ("qwen3:8b", true),
        // Not finished.
        ("size:", true),
        ("size>", true),
        ("size>=", true),
        ("size>.", true),
        ("license:", true),
        ("is:", true),
        (">", true),
    ] {
        let filter = read(text);
        assert_eq!(filter.fits(&Model), fits, "{text}");
        assert_eq!(filter.problem(), None, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_and_hides_nothing() {
    for (text, problem) in [
        ("sise>5gb", "no field `sise`; there are name, license, is, size, params, ctx, tok/s, ttft"),
        ("sise:5gb", "no field `sise`; there are name, license, is, size, params, ctx, tok/s, ttft"),
        ("size>abc", "`size` takes an amount of bytes, such as size>5gb"),
        ("size>7b", "`size` takes an amount of bytes, such as size>5gb"),
        ("params>7gb", "`params` takes a count, such as params>7b"),
        ("ctx:many", "`ctx` takes a number of tokens, such as ctx>32k"),
        ("tok/s>fast", "`tok/s` takes a number, such as tok/s>20"),
        ("ttft<2h", "`ttft` takes a time in milliseconds, such as ttft>200"),
        ("name>5", "`name` is not a number; write name:WORD"),
        ("is:nonsense", "`is` is one of ready, damaged"),
        ("-is:nonsense", "`is` is one of ready, damaged"),
        (">7", "`>7` of what? Put size, params, ctx, tok/s, ttft before it"),
        (">fast", "`>fast` of what? Put size, params, ctx, tok/s, ttft before it"),
    ] {
        let filter = read(text);
        assert_eq!(filter.problem(), Some(problem), "{text}");
        assert!(filter.fits(&Model), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "((-?[a-z]{0,9}[:<>=]?)?[<>=]{0,2}[0-9.a-zé]{0,6} ?){0,4}|.{0,30}") {
        let filter = read(&text);
        let _ = filter.fits(&Model);
    }
}
