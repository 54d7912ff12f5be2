//! What goes into `run` and comes out of it: prompts, forms of answers, what a store wants for its models, full disks.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

use crate::support::{Home, Ran, starter};

/// A starter model with another chat template, which is no longer than its own.
fn with_template(home: &Home, template: &str) -> String {
    let mut bytes = fs::read(starter("ishmael-1m")).unwrap();
    let key = b"tokenizer.chat_template";
    // Behind the key: a type, a length of 8 bytes, the text.
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 4;
    let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
    let comment = length.checked_sub(template.len() + 4).expect("a template that is short enough");
    let template = format!("{{#{}#}}{template}", " ".repeat(comment));
    bytes[at + 8..at + 8 + length].copy_from_slice(template.as_bytes());
    home.write("m/t.gguf", bytes).to_str().unwrap().to_owned()
}

const OPENS_THINK: &str = "{%for m in messages%}{{m.content}}{%endfor%}<think>\n";

fn input(home: &Home, arguments: &[&str], bytes: &[u8]) -> Ran {
    let file = home.write("input", bytes);
    home.command(arguments).stdin(File::open(file).unwrap()).output().unwrap().into()
}

#[test]
fn a_grammar_holds_behind_the_reasoning() {
    let home = Home::new();
    let model = with_template(&home, OPENS_THINK);
    let grammar = home.write("yes-no.gbnf", "\u{feff}root ::= \"yes\" | \"no\"\n");
    let grammar = grammar.to_str().unwrap();
    for tokens in ["60", "12", "100000"] {
        let arguments =
            ["run", &model, "-p", "Is the sea wet?", "--grammar", grammar, "-n", tokens, "--seed", "1", "--json"];
        let ran = home.run(&arguments);
        let document = ran.json();
        assert!(["yes", "no"].contains(&document["text"].as_str().unwrap()), "{document:#}");
        assert!(!document["reasoning"].as_str().unwrap().is_empty(), "the reasoning is free: {document:#}");
        assert_eq!((ran.code, &document["finish"]), (Some(0), &"stop".into()));
    }
    let schema = home.write("s.json", r#"{"enum": ["wet", "dry"]}"#);
    let ran =
        home.run(&["run", &model, "-p", "x", "--json-schema", schema.to_str().unwrap(), "-n", "60", "--seed", "2"]);
    assert!(["\"wet\"", "\"dry\""].contains(&ran.stdout.trim()) && ran.code == Some(0), "{ran:?}");
    // Without a grammar nothing closes the reasoning.
    let ran = home.run(&["run", &model, "-p", "x", "-n", "9", "--seed", "1"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert!(ran.stderr.contains("ended within its reasoning, at the token limit"), "{ran:?}");
}

#[test]
fn an_answer_that_breaks_its_schema_is_told() {
    let home = Home::new();
    let schema = home.write("s.json", "\u{feff}{\"type\": \"integer\", \"minimum\": 1, \"multipleOf\": 999999937}");
    let arguments = ["run", "ishmael-1m", "-p", "Answer:", "--json-schema", schema.to_str().unwrap(), "--seed", "3"];
    let ran = home.run(&arguments);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for said in ["checked afterwards: multipleOf at #", "the answer breaks its JSON schema", "is not a multiple of"] {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    let ran = home.run(&[&arguments[..], &["--json"]].concat());
    assert_eq!((ran.code, &ran.json()["json_schema"]["obeyed"]), (Some(1), &false.into()), "{ran:?}");
    // One that is cut off.
    let schema =
        home.write("o.json", r#"{"properties": {"a": {"type": "string", "minLength": 200}}, "required": ["a"]}"#);
    let ran = home.run(&["run", "ishmael-1m", "-p", "x", "-n", "5", "--json-schema", schema.to_str().unwrap()]);
    assert!(ran.code == Some(1) && ran.stderr.contains("(it was cut off): it ends before its JSON does"), "{ran:?}");
    let refused = home.write("r.json", r#"{"properties": {"age": {"type": "strin"}}}"#);
    let ran = home.run(&["run", "ishmael-1m", "-p", "x", "--json-schema", refused.to_str().unwrap()]);
    assert!(ran.code == Some(2) && ran.stderr.contains("#/properties/age/type"), "{ran:?}");
    for (grammar, said) in [
        ("root ::= \"a\"{5,2}", "`{5,2}` asks for at least 5 and at most 2"),
        ("root ::= s root \"x\" | \"y\"\ns ::= \" \"?", "left-recursive"),
        ("root ::= item", "there is no rule `item`"),
    ] {
        let file = home.write("g.gbnf", grammar);
        let ran = home.run(&["run", "ishmael-1m", "-p", "x", "-n", "5", "--grammar", file.to_str().unwrap()]);
        assert!(ran.code == Some(1) && ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn standard_input_is_a_prompt_whatever_its_line_ends() {
    let home = Home::new();
    let run = |bytes: &[u8], more: &[&str]| {
        input(&home, &[&["run", "ishmael-1m", "-n", "8", "--seed", "1", "--json"], more].concat(), bytes)
    };
    let prompt = |ran: &Ran| ran.json()["tokens"]["prompt"].as_u64().unwrap();
    let plain = run(b"a\nb", &[]);
    for bytes in [&b"a\r\nb"[..], b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n", b"\xff\xfea\0\n\0b\0"] {
        let ran = run(bytes, &[]);
        assert_eq!((prompt(&ran), &ran.json()["text"]), (prompt(&plain), &plain.json()["text"]), "{bytes:?}");
    }
    let raw: Vec<u64> = [&b"a\nb"[..], b"a\nb\n", b"a\r\nb", b"\xef\xbb\xbfa\nb"]
        .iter()
        .map(|bytes| prompt(&run(bytes, &["--raw"])))
        .collect();
    assert!(raw[1] > raw[0] && raw[2] > raw[0] && raw[3] > raw[0], "{raw:?}");
    for (bytes, more, said) in [
        (&b""[..], &[][..], "the prompt is empty"),
        (b" \n", &[], "the prompt is empty"),
        (b"", &["--raw"], "the prompt is empty"),
        (b"a\nb\xffc", &[], "not UTF-8 at byte 3, line 2"),
        (b"a\xff", &["--raw"], "not UTF-8 at byte 1, line 1"),
    ] {
        let ran = run(bytes, more);
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn values_that_begin_with_a_dash_are_taken() {
    let home = Home::new();
    let ran =
        home.run(&["run", "ishmael-1m", "-p", "- one", "--system", "-x", "--stop", "-", "-n", "3", "--seed", "1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (arguments, said) in [
        (["--seed", "-1"], "'--seed <SEED>': must be a whole number from 0 to 4294967295"),
        (["--temperature", "-1"], "'--temperature <VALUE>': must be a number from 0 to 10"),
        (["-n", "-1"], "'--max-tokens <TOKENS>': must be a whole number from 1"),
        (["--context", "-2"], "'--context <TOKENS>': must be a whole number from 0"),
    ] {
        let ran = home.run(&[&["run", "ishmael-1m", "-p", "x"][..], &arguments].concat());
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn a_stop_text_ends_the_answer() {
    let home = Home::new();
    let run = |more: &[&str]| {
        home.run(&[&["run", "ishmael-1m", "-p", "Call me", "-n", "40", "--seed", "1", "--json"], more].concat()).json()
    };
    let whole = run(&[]);
    let whole = whole["text"].as_str().unwrap();
    // Texts from the middle of the answer, across tokens as they come.
    for (from, length) in [(20, 1), (30, 5), (41, 12)] {
        let stop: String = whole.chars().skip(from).take(length).collect();
        let document = run(&["--stop", "no such text", "--stop", &stop]);
        let expected = &whole[..whole.find(&stop).unwrap()];
        assert_eq!((document["text"].as_str().unwrap(), &document["finish"]), (expected, &"stop".into()), "{stop:?}");
        assert_eq!(document["stopped_at_stop_text"], true);
    }
    // A race's columns and a suite's answers end so as well.
    let stop: String = whole.chars().skip(30).take(5).collect();
    let race = ["race", "ishmael-1m", "ishmael-1m@seed=2", "-p", "Call me", "-n", "40", "--json", "--stop", "e"];
    let document = home.run(&race).json();
    assert_eq!(document["stop"], serde_json::json!(["e"]));
    for column in document["columns"].as_array().unwrap() {
        assert!(column["finish"] == "stop" && !column["text"].as_str().unwrap().contains('e'), "{column}");
    }
    let command = home.run(&["history", "--rerun", "5"]);
    assert!(command.stdout.contains(" --stop e"), "{command:?}");
    let text = "name = \"s\"\n[[prompt]]\ntext = \"Call me\"\nmax_tokens = 40\nchecks = [{ min_words = 1 }]\n";
    let suite = home.write("s.toml", text);
    let ask = |more: &[&str]| {
        let suite = ["suite", suite.to_str().unwrap(), "ishmael-1m", "--json"];
        let ran = home.run(&[&suite[..], more].concat());
        (ran.json()["models"][0]["answers"][0]["tokens"].clone(), ran)
    };
    let (all, ran) = ask(&[]);
    let (some, stopped) = ask(&["--stop", "e", "--stop", &stop]);
    assert!(some.as_u64().unwrap() < all.as_u64().unwrap(), "{ran:?} {stopped:?}");
    assert_eq!(ask(&[]).0, all, "answers with other stop texts are kept separately");
}

#[test]
fn hints_can_be_followed() {
    let home = Home::new();
    let ran =
        input(&home, &["run", "ishmael-1m", "-n", "3", "-c", "4096"], "the whale and the sea\n".repeat(200).as_bytes());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for said in [
        "the context is 512 tokens, the most that the model was made for, and not 4096 as asked",
        "the model has no longer context",
    ] {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    assert!(!ran.stderr.contains("raise"), "{ran:?}");
    let ran =
        input(&home, &["run", "ishmael-1m", "-n", "3", "-c", "64"], "the whale and the sea\n".repeat(20).as_bytes());
    assert!(ran.stderr.contains("raise `context` (at most 512), or shorten the prompt"), "{ran:?}");
}

/// An Ollama store with the starter model and these layers.
fn ollama(home: &Home, layers: &[(&str, &str)]) {
    let layer = |kind: &str, bytes: &[u8]| {
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
        home.write(&format!(".ollama/models/blobs/sha256-{digest}"), bytes);
        serde_json::json!({ "digest": format!("sha256:{digest}"), "size": bytes.len(),
            "mediaType": format!("application/vnd.ollama.image.{kind}") })
    };
    let mut all = vec![layer("model", &fs::read(starter("ishmael-1m")).unwrap())];
    all.extend(layers.iter().map(|(kind, text)| layer(kind, text.as_bytes())));
    let manifest = serde_json::json!({ "schemaVersion": 2, "config": layer("config", b"{}"), "layers": all });
    home.write(".ollama/models/manifests/registry.ollama.ai/library/whale/latest", manifest.to_string());
}

#[test]
fn what_an_ollama_model_carries_is_used_and_told() {
    let home = Home::new();
    let parameters = r#"{"temperature": 0.25, "top_k": 7, "stop": ["the", "<|x|>"], "num_ctx": 128, "num_predict": 30, "mirostat": 2, "penalize_newline": true}"#;
    ollama(&home, &[("params", parameters), ("system", "Be brief."), ("template", "{{ .Prompt }}")]);
    let run = |more: &[&str]| {
        home.run(&[&["run", "ollama:whale:latest", "-p", "Call me", "--seed", "1", "--json"], more].concat())
    };
    let ran = run(&[]);
    let document = ran.json();
    assert_eq!(document["settings"]["sampling"]["temperature"], 0.25, "{ran:?}");
    assert_eq!(
        (&document["settings"]["sampling"]["top_k"], &document["settings"]["context"]),
        (&7.into(), &128.into())
    );
    assert!(!document["text"].as_str().unwrap().contains("the"), "{document:#}");
    assert!(document["tokens"]["generated"].as_u64().unwrap() <= 30);
    for said in [
        "from ollama: temperature 0.25, top-k 7, mirostat 2, max tokens 30, context 128, stop \"the\", \"<|x|>\", system prompt \"Be brief.\"",
        "not used: penalize_newline",
    ] {
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    // The user's own settings go before it.
    let own = run(&["--temperature", "0.5", "--context", "256", "--stop", "zzz", "--system", "", "-n", "5"]);
    let document = own.json();
    assert_eq!(document["settings"]["sampling"]["temperature"], 0.5, "{own:?}");
    assert_eq!(document["settings"]["context"], 256);
    assert!(document["tokens"]["prompt"].as_u64() < ran.json()["tokens"]["prompt"].as_u64(), "no system prompt");
    assert!(own.stderr.contains("from ollama: top-k 7, mirostat 2\n"), "{own:?}");
    let shown = home.run(&["show", "ollama:whale:latest"]).stdout;
    assert!(shown.contains("from ollama: temperature 0.25") && shown.contains("mirostat"), "{shown}");
}

/// Run what `history --rerun` prints, as it would be pasted.
pub(crate) fn rerun(home: &Home, id: &str) -> Ran {
    let printed = home.run(&["history", "--rerun", id]).stdout;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_taffrail")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let same = home.command::<&str>(&[]);
    let mut command = Command::new("sh");
    command.env_clear().envs(same.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", path);
    command.arg("-c").arg(printed.trim_end_matches('\n')).stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn what_rerun_prints_works_when_it_is_pasted() {
    let home = Home::new();
    let grammar = home.write("g.gbnf", "root ::= [a-z' ]+ # it's a comment\n");
    let grammar = grammar.to_str().unwrap();
    let long = "whale ".repeat(25_000);
    let runs: [(&[&str], &str); 6] = [
        (&["-p", "- one"], ""),
        (&["-p", "it's \"$HOME\" `id`\tand\\n!\n\n", "--system", "-s", "--stop", "-\t"], ""),
        (&["-p", "a\r\nb\u{1b}[2J"], ""),
        (&["-p", "x", "--grammar", grammar], ""),
        (&["--raw"], "-"),
        (&["--grammar", grammar, "--raw"], "-"),
    ];
    for (number, (arguments, text)) in (1..).zip(runs) {
        let arguments = [&["run", "ishmael-1m", "-n", "6", "--seed", "1"], arguments].concat();
        let first = input(&home, &arguments, text.as_bytes());
        assert_eq!(first.code, Some(0), "{first:?}");
        let again = rerun(&home, &(2 * number - 1).to_string());
        assert_eq!((again.code, &again.stdout), (Some(0), &first.stdout), "{arguments:?}: {again:?}");
        let records = home.run(&["history", "--json"]).json();
        let [newer, older] = [0, 1].map(|index| records["records"][index]["body"].clone());
        for key in ["turns", "options", "grammar", "stop", "raw"] {
            assert_eq!(newer[key], older[key], "{arguments:?}");
        }
    }
    // Longer than one word of a command line may be: it fails for its length alone, and is kept as the others.
    let ran = input(&home, &["run", "ishmael-1m", "-n", "3"], long.as_bytes());
    assert!(ran.stderr.contains("does not fit the context"), "{ran:?}");
    let race = ["race", "ishmael-1m@seed=3", "ishmael-4m", "-p", "- it's", "--system", "--", "-n", "4"];
    assert_eq!(home.run(&race).code, Some(0));
    assert_eq!(rerun(&home, "14").code, Some(0));
    let bench = ["bench", "ishmael-1m", "--pp", "16", "--tg", "4", "-r", "1", "--keep-outliers"];
    assert_eq!(home.run(&bench).code, Some(0));
    let again = rerun(&home, "16");
    assert_eq!(again.code, Some(0), "{again:?}");
    let suite =
        home.write("-my suite.toml", "\u{feff}name = \"s\"\n[[prompt]]\ntext = \"x\"\nchecks = [{ min_words = 1 }]\n");
    assert_eq!(home.run(&["suite", suite.to_str().unwrap(), "ishmael-1m", "-n", "4"]).code, Some(0));
    let again = rerun(&home, "18");
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    let home = Home::new();
    let suite = home.write("s.toml", "name = \"s\"\n[[prompt]]\ntext = \"x\"\nchecks = [{ min_words = 1 }]\n");
    let suite = suite.to_str().unwrap();
    let text = home.write("t.txt", "the whale and the sea ".repeat(200));
    let text = text.to_str().unwrap();
    for arguments in [
        &["ls"][..],
        &["ls", "--json"],
        &["show", "ishmael-1m"],
        &["run", "ishmael-1m", "-p", "x", "-n", "5"],
        &["run", "ishmael-1m", "-p", "x", "-n", "5", "--json"],
        &["race", "ishmael-1m", "ishmael-4m", "-p", "x", "-n", "5"],
        &["race", "ishmael-1m", "ishmael-4m", "-p", "x", "-n", "5", "--json"],
        &["race", "ishmael-1m", "ishmael-4m", "-p", "x", "-n", "5", "--html"],
        &["bench", "ishmael-1m", "--pp", "16", "--tg", "8", "-r", "1", "--keep-outliers", "--json"],
        &["bench", "ishmael-1m", "--pp", "16", "--tg", "8", "-r", "1", "--keep-outliers"],
        &["suite", suite, "ishmael-1m", "-n", "5", "--json"],
        &["suite", suite, "ishmael-1m", "-n", "5"],
        &["pick", "--suite", suite, "ishmael-1m", "-n", "5", "--at-least", "0"],
        &["perplexity", "ishmael-1m", "--text", text, "--chunk", "64", "--chunks", "1"],
        &["history"],
        &["history", "--json"],
        &["history", "--rerun", "1"],
        &["top", "--once"],
        &["top", "--once", "--json"],
        &["doctor"],
        &["usage"],
        &["config"],
        &["--help"],
        &["--version"],
        &["run", "--help"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran: Ran = home.command(arguments).stdout(full).output().unwrap().into();
        assert!(ran.code == Some(1) && ran.stderr.contains("No space left"), "{arguments:?}: {ran:?}");
    }
}
