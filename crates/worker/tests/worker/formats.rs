//! Reasoning in other formats than `<think>`, by models that write one sequence of tokens.

use gguf::testing::Builder;

use super::*;

/// Types of tokens: what is text, and what is not shown.
const USER_DEFINED: i32 = 4;
const CONTROL: i32 = 3;

/// A model that writes after each of these tokens the next one, and at last the first after `back`.
fn script(tokens: &[(&str, i32)], back: usize) -> Builder {
    const N_EMBD: usize = 32;
    const N_VOCAB: usize = 64;
    let text = |token: usize| tokens.get(token).map_or_else(|| format!("<{token}>"), |(text, _)| (*text).to_owned());
    let kind = |token: usize| tokens.get(token).map_or(1, |(_, kind)| *kind);
    let mut embedding = vec![0.0; N_EMBD * N_VOCAB];
    let mut output = vec![0.0; N_EMBD * N_VOCAB];
    for token in 0..tokens.len() {
        embedding[token * N_EMBD + token] = 1.0;
        let next = if token + 1 < tokens.len() { token + 1 } else { back };
        output[next * N_EMBD + token] = 1.0;
    }
    Builder::tiny_llama()
        .u32("llama.context_length", 512)
        .strings("tokenizer.ggml.tokens", (0..N_VOCAB).map(text))
        .i32s("tokenizer.ggml.token_type", (0..N_VOCAB).map(kind))
        .u32("tokenizer.ggml.eos_token_id", 0)
        .u32("tokenizer.ggml.bos_token_id", 0)
        .bool("tokenizer.ggml.add_bos_token", false)
        .tensor("output.weight", &[32, 64], gguf::TensorType::F32)
        .fill("token_embd.weight", &embedding)
        .fill("output.weight", &output)
        .fill("output_norm.weight", &[1.0; N_EMBD])
}

fn ready(builder: &Builder) -> (tempfile::TempDir, Worker) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, builder.build()).unwrap();
    let (worker, _) = Worker::ready(&Load { path, ..small() });
    (folder, worker)
}

fn greedy(id: u64, prompt: &str, max_tokens: u32) -> Generate {
    Generate { sampling: Sampling { temperature: Some(0.0), ..Sampling::default() }, ..raw(id, prompt, max_tokens) }
}

#[test]
fn channels_of_gemma_are_split() {
    let tokens = [
        ("<eos>", CONTROL),
        ("go", USER_DEFINED),
        ("<|channel>", CONTROL),
        ("thought", USER_DEFINED),
        ("Hm.", USER_DEFINED),
        ("<channel|>", CONTROL),
        ("Yes.", USER_DEFINED),
    ];
    let (_folder, mut worker) = ready(&script(&tokens, 0));
    let answer = worker.answer(&greedy(1, "go", 40));
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("Hm.", "Yes."));
    assert_eq!((answer.finish(), answer.counters().n_reasoning), (Finish::Stop, 3));
    let grammar = Some(Grammar::Gbnf(r#"root ::= "Yes.""#.to_owned()));
    let answer = worker.answer(&Generate { grammar, ..greedy(2, "go", 40) });
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str(), answer.finish()), ("Hm.", "Yes.", Finish::Stop));
    // A stop text that is a special token ends the answer where the token comes.
    let answer = worker.answer(&Generate { stop: vec!["<channel|>".to_owned()], ..greedy(3, "go", 40) });
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str(), answer.finish()), ("Hm.", "", Finish::StopText(0)));
}

#[test]
fn messages_of_harmony_are_split() {
    let tokens = [
        ("<|return|>", CONTROL),
        ("<|call|>", CONTROL),
        ("<|start|>", CONTROL),
        ("assistant", USER_DEFINED),
        ("<|channel|>", CONTROL),
        ("analysis", USER_DEFINED),
        ("<|message|>", CONTROL),
        ("Hm.", USER_DEFINED),
        ("<|end|>", CONTROL),
    ];
    let mut all = tokens.to_vec();
    // It never comes to an answer by itself.
    let builder = script(&all, 2);
    let (_folder, mut worker) = ready(&builder);
    let answer = worker.answer(&greedy(1, "<|start|>assistant", 20));
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str()), ("Hm.Hm.Hm.", ""));
    assert_eq!(answer.finish(), Finish::Length);
    // Straight to the answer.
    all.splice(5..6, [("final", USER_DEFINED)]);
    let (_folder, mut worker) = ready(&script(&all[..8], 0));
    let answer = worker.answer(&greedy(1, "<|start|>assistant", 20));
    assert_eq!((answer.reasoning.as_str(), answer.text.as_str(), answer.finish()), ("", "Hm.", Finish::Stop));
    assert_eq!(answer.counters().n_reasoning, 0);
    // A grammar holds from the answer on, which is opened by force where the model does not.
    let mut all = tokens.to_vec();
    all.extend(["yes", "no", "final"].map(|text| (text, USER_DEFINED)));
    let builder = script(&all, 2);
    let (_folder, mut worker) = ready(&builder);
    let grammar = Some(Grammar::Gbnf(r#"root ::= "yes" | "no""#.to_owned()));
    for (id, prompt, max_tokens, some_reasoning) in [
        (1, "<|start|>assistant", 60, true),
        (2, "<|start|>assistant<|channel|>analysis<|message|>", 60, true),
        (3, "<|start|>assistant<|channel|>final<|message|>", 60, false),
        (4, "<|start|>assistant", 1, false),
    ] {
        let answer = worker.answer(&Generate { grammar: grammar.clone(), ..greedy(id, prompt, max_tokens) });
        assert!(["yes", "no"].contains(&answer.text.as_str()), "{prompt}: {:?} {:?}", answer.reasoning, answer.text);
        assert_eq!(!answer.reasoning.is_empty(), some_reasoning, "{prompt}");
    }
}
