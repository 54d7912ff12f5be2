//! Splits of answers, whole and piece by piece.

use super::*;
use proptest::prelude::*;

/// The split of a model's answer that has none of the signs.
fn split<'a>(prompt: &str, pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
    split_signed("", prompt, pieces)
}

/// The split of the answer of a model that has this sign.
fn split_signed<'a>(sign: &str, prompt: &str, pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
    let (mut reasoning, mut answer) = (String::new(), String::new());
    let mut emit = |channel, text: &str| match channel {
        Channel::Reasoning => reasoning.push_str(text),
        Channel::Answer => answer.push_str(text),
    };
    let mut splitter = Splitter::after(prompt, |format| format.sign == sign);
    for piece in pieces {
        splitter.push(piece, &mut emit);
    }
    splitter.finish(&mut emit);
    (reasoning, answer)
}

#[test]
fn reasoning_and_answer() {
    for (prompt, text, reasoning, answer) in [
        ("", "Call me Ishmael.", "", "Call me Ishmael."),
        ("", "<think>\nHm.</think>\n\nYes.", "Hm.", "Yes."),
        ("", " \n<think>Hm.</think>Yes.", "Hm.", "Yes."),
        ("<|assistant|><think>\n", "Hm.</think>\n\nYes.", "Hm.", "Yes."),
        ("<|assistant|><think>", "Hm.", "Hm.", ""),
        ("<think>\n\n</think>\n\n", "Yes.", "", "Yes."),
        ("", "<think>\n\n</think>\n\nYes.", "", "Yes."),
        ("", "The tag <think> opens it.", "", "The tag <think> opens it."),
        ("", "<thinking> is another tag", "", "<thinking> is another tag"),
        ("", "<thi", "", "<thi"),
        ("", "<think>a </thin b</think", "a </thin b</think", ""),
        ("", "<think>a <</think>b", "a <", "b"),
        ("", "<think>a</think>b</think>c", "a", "b</think>c"),
        ("", "Yes.</think> No.", "", "Yes.</think> No."),
        ("", "\n\n Yes.", "", "\n\n Yes."),
        ("", "[THINK]Hm.[/THINK]Yes.", "Hm.", "Yes."),
        ("", "[THINK]Hm.</think>No.[/THINK]Yes.", "Hm.</think>No.", "Yes."),
        ("", "[1, 2]", "", "[1, 2]"),
        ("<seed:think>", "Hm.</seed:think>Yes.", "Hm.", "Yes."),
        ("", "<|START_THINKING|>Hm.<|END_THINKING|>Yes.", "Hm.", "Yes."),
        ("", "", "", ""),
    ] {
        let bytes: Vec<_> = text.split_inclusive(|_: char| true).collect();
        let expected = (reasoning.to_owned(), answer.to_owned());
        assert_eq!(split(prompt, [text]), expected, "{text:?} whole");
        assert_eq!(split(prompt, bytes), expected, "{text:?} by character");
    }
}

/// The text of an answer, whole and by character, with the sign that the model's template has.
#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn reasoning_in_the_formats_of_some_models() {
    const GRANITE: &str = "between <response></response>";
    const STEPS: &str = "Here are my reasoning steps:";
    const SENTENCE: &str = "Here is my thought process:";
    for (sign, prompt, text, reasoning, answer) in [
        // gpt-oss.
        (
            "<|channel|>",
            "<|start|>assistant",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
            "Hm.",
            "Yes.",
        ),
        ("<|channel|>", "<|start|>assistant", "<|channel|>final<|message|>Yes.", "", "Yes."),
        (
            "<|channel|>",
            "<|start|>assistant",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>analysis<|message|>Or.<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>{}",
            "Hm.Or.",
            "{}",
        ),
        (
            "<|channel|>",
            "<|start|>assistant",
            "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
            "",
            "I look.Yes.",
        ),
        ("<|channel|>", "<|start|>assistant", " to=assistant<|channel|>analysis<|message|>Hm.<|end|>", "Hm.", ""),
        ("<|channel|>", "<|start|>assistant", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assis", "Hm.", ""),
        ("<|channel|>", "<|start|>assistant", "Yes, <|message|> is a token.", "", "Yes, <|message|> is a token."),
        ("<|channel|>", "<|start|>assistant", "<|channel|>final<|message|>a <|en", "", "a <|en"),
        // LLM-jp writes a space after each special token.
        (
            "<|channel|>",
            "<|start|> assistant",
            "<|channel|> analysis<|message|> Hm.<|end|><|start|> assistant<|channel|> final<|message|> Yes.",
            "Hm.",
            "Yes.",
        ),
        (
            "",
            "<|start|>assistant<|channel|>analysis<|message|>",
            "Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
            "Hm.",
            "Yes.",
        ),
        (
            "",
            "",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
            "Hm.",
            "Yes.",
        ),
        ("", "<|start|>assistant", "to=user<|message|>Yes.", "", "to=user<|message|>Yes."),
        // Gemma 4.
        ("<|channel>", "", "<|channel>thought\nHm.\n<channel|>Yes.", "Hm.\n", "Yes."),
        ("<|channel>", "", "<|channel>thought\n<channel|>Yes.<|channel>thought\n<channel|>", "", "Yes."),
        ("<|channel>", "", "<|channel>thought\nHm.<channel|>Yes.<channel|>", "Hm.", "Yes."),
        ("<|channel>", "<|channel>thought\n", "Hm.<channel|>Yes.", "Hm.", "Yes."),
        // Granite 3.3, and what others say in its tags.
        (GRANITE, "", "<think>Hm.</think> <response>Yes.</response>\n", "Hm.", "Yes."),
        (GRANITE, "", "<think>Hm.</think><response>Of </response> I say.", "Hm.", "Of </response> I say."),
        (GRANITE, "", "<think>Hm.</think>Yes.", "Hm.", "Yes."),
        ("", "", "<think>Hm.</think><response>Yes.</response>", "Hm.", "<response>Yes.</response>"),
        ("<answer>", "", "<think>\nHm.</think>\n<answer>\nYes.</answer>", "Hm.", "Yes."),
        ("<answer>", "<think>\n\n</think>\n<answer>\n", "Yes.</answer>", "", "Yes."),
        // Granite 3.2.
        (SENTENCE, "", "Here is my thought process: Hm.\nHere is my response: Yes.", "Hm.\n", "Yes."),
        ("", "", "Here is my thought process: Hm.", "", "Here is my thought process: Hm."),
        // Apriel.
        (
            STEPS,
            "Here are my reasoning steps:\n",
            "Hm.\n[BEGIN FINAL RESPONSE]\nYes.[END FINAL RESPONSE]",
            "Hm.\n",
            "Yes.",
        ),
        // Command A, North Code, Apertus, MiniMax, EXAONE, Kimi, OpenThinker.
        ("", "", "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>", "Hm.", "Yes."),
        ("<|START_TEXT|>", "<|START_THINKING|>", "Hm.<|END_THINKING|><|START_TEXT|>Yes.<|END_TEXT|>", "Hm.", "Yes."),
        ("", "", "<|inner_prefix|>Hm.<|inner_suffix|>Yes.", "Hm.", "Yes."),
        ("", "", "<mm:think>Hm.</mm:think>Yes.", "Hm.", "Yes."),
        ("", "<thought>\n", "Hm.</thought>Yes.", "Hm.", "Yes."),
        ("", "", "◁think▷Hm.◁/think▷Yes.", "Hm.", "Yes."),
        (
            "",
            "<|open|>think<|sep|>",
            "Hm.<|close|>think<|sep|><|open|>response<|sep|>Yes.<|close|>response<|sep|>",
            "Hm.",
            "Yes.",
        ),
        ("<|open|>", "<|open|>response<|sep|>", "Yes.<|close|>response<|sep|>", "", "Yes."),
        (
            "",
            "",
            "<|begin_of_thought|>Hm.<|end_of_thought|>\n\n<|begin_of_solution|>Yes.<|end_of_solution|>",
            "Hm.",
            "Yes.",
        ),
    ] {
        let pieces: Vec<_> = text.split_inclusive(|_: char| true).collect();
        let expected = (reasoning.to_owned(), answer.to_owned());
        assert_eq!(split_signed(sign, prompt, [text]), expected, "{text:?} whole");
        assert_eq!(split_signed(sign, prompt, pieces), expected, "{text:?} by character");
    }
}

#[test]
fn what_leads_to_the_answer_in_harmony_is_known_at_each_point() {
    for (text, closing) in [
        ("", "<|channel|>final<|message|>"),
        ("<|channel|>fi", "nal<|message|>"),
        ("<|channel|>ana", "<|message|><|end|><|start|>assistant<|channel|>final<|message|>"),
        ("<|channel|>analysis<|message|>Hm. <|", "end|><|start|>assistant<|channel|>final<|message|>"),
        ("<|channel|>analysis<|message|>Hm.<|end|>", "<|start|>assistant<|channel|>final<|message|>"),
        ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>", "final<|message|>"),
    ] {
        let mut splitter = Splitter::after("<|start|>assistant", |format| format.sign == "<|channel|>");
        splitter.push(text, |_, _| {});
        let closed = splitter.closing();
        assert_eq!(closed.as_deref(), Some(closing), "{text}");
        splitter.push(&format!("{closing}Yes."), |channel, text| {
            assert!(channel == Channel::Reasoning || text == "Yes.", "{text}");
        });
        assert_eq!(splitter.closing(), None, "{text}");
    }
}

#[test]
fn what_closes_the_reasoning_is_known_at_each_point() {
    for (text, closing) in [("", "</think>"), ("Hm.", "</think>"), ("Hm. </th", "ink>"), ("a <", "/think>")] {
        let mut splitter = Splitter::after("<think>", |_| false);
        splitter.push(text, |_, _| {});
        assert_eq!(splitter.closing(), Some(format!("{closing}\n\n")), "{text}");
    }
    assert_eq!(Splitter::after("", |_| false).closing(), None);
}

#[test]
fn the_first_text_may_open_a_tag() {
    let opened = |text| Splitter::after("", |_| false).opening(text).map(|(tag, n)| (tag.open, n));
    for (text, expected) in [
        ("<think>", Some(("<think>", 7))),
        ("\n<th", Some(("<think>", 3))),
        ("<s", Some(("<seed:think>", 2))),
        ("[", Some(("[THINK]", 1))),
        (" \n", None),
        ("{", None),
        ("<think>x", None),
    ] {
        assert_eq!(opened(text), expected, "{text:?}");
    }
    assert_eq!(Splitter::after("<think>", |_| false).opening("<think>"), None);
}

#[test]
fn white_space_without_end_is_not_held_for_ever() {
    let mut streamed = String::new();
    let mut splitter = Splitter::after("", |_| false);
    for _ in 0..=MAX_LEADING {
        splitter.push("\n", |_, text| streamed.push_str(text));
    }
    assert_eq!(streamed.len(), MAX_LEADING + 1);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_split(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("<|channel|>"), Just("<|message|>"), Just("analysis"), Just("<|end|>"), Just("<|start|>assistant"),
                Just("<|channel>thought"), Just("<channel|>"), Just("<response>"), Just("</response>"), Just("<|"),
                Just("<think>"), Just("</think>"), Just("</"), Just("<"), Just("think>"), Just("<th"), Just("\n"), Just(" "),
                Just("é"), Just("x"),
                Just("                                                                                                    "),
            ],
            0..12,
        ),
        opened in 0_usize..3,
        sign in 0..FORMATS.len(),
        size in 1_usize..9,
    ) {
        let text = parts.concat();
        let prompt = ["", "<think>\n", "<|start|>assistant"][opened];
        let sign = FORMATS[sign].sign;
        let characters: Vec<char> = text.chars().collect();
        let chunks: Vec<String> = characters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
        prop_assert_eq!(
            split_signed(sign, prompt, [text.as_str()]),
            split_signed(sign, prompt, chunks.iter().map(String::as_str))
        );
    }

    #[test]
    fn an_answer_without_tags_passes_unchanged(text in "[a-z<>/ \n]{0,40}") {
        prop_assume!(!text.trim_start().starts_with("<think>"));
        prop_assert_eq!(split("", [text.as_str()]), (String::new(), text.clone()));
    }
}
