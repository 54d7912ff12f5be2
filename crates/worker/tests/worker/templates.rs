//! Real chat templates on the tiny model.

use super::*;

#[expect(unreachable_pub, reason = "other tests use the module as well")]
#[path = "../corpus/mod.rs"]
pub(super) mod corpus;

/// The token that begins and ends a text of the starter's.
const END: &str = "<|endoftext|>";

/// The starter with another template, as long as it likes.
pub(super) fn with_template(template: &str) -> Vec<u8> {
    let bytes = std::fs::read(small().path).unwrap();
    let at = value_at(&bytes, "tokenizer.chat_template");
    let length = usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    // The weights begin at a multiple of 32 bytes behind the header; they end the file, as they did.
    let weights = weights_at(&bytes);
    let header_end = header_end(&bytes);
    let mut made = bytes[..at].to_vec();
    made.extend((template.len() as u64).to_le_bytes());
    made.extend(template.as_bytes());
    made.extend(&bytes[at + 8 + length..header_end]);
    made.resize(made.len().next_multiple_of(32), 0);
    made.extend(&bytes[weights..]);
    made
}

fn weights_at(bytes: &[u8]) -> usize {
    header_end(bytes).next_multiple_of(32)
}

/// Behind a metadata value of this type.
fn value(bytes: &[u8], kind: u32, at: usize, number: &impl Fn(usize) -> usize) -> usize {
    match kind {
        0 | 1 | 7 => at + 1,
        2 | 3 => at + 2,
        4..=6 => at + 4,
        10..=12 => at + 8,
        8 => at + 8 + number(at),
        _ => {
            let item = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            (0..number(at + 4)).fold(at + 12, |at, _| value(bytes, item, at, number))
        }
    }
}

/// Where the list of tensors ends.
fn header_end(bytes: &[u8]) -> usize {
    let number = |at: usize| usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    let kind = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (n_tensors, n_keys) = (number(8), number(16));
    let at = (0..n_keys).fold(24, |at, _| {
        let behind_name = at + 8 + number(at);
        value(bytes, kind(behind_name), behind_name + 4, &number)
    });
    (0..n_tensors).fold(at, |at, _| {
        let behind_name = at + 8 + number(at);
        behind_name + 4 + 8 * kind(behind_name) as usize + 12
    })
}

#[test]
fn real_templates_answer_or_refuse_as_jinja2_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let conversations = corpus::conversations();
    for found in corpus::templates() {
        let name = &found.name;
        std::fs::write(&path, with_template(&found.source)).unwrap();
        let (mut one, _) = Worker::ready(&Load { path: path.clone(), n_ctx: 16_384, ..small() });
        let mut id = 0;
        for (conversation, forms) in &found.expected.prompts {
            let chat = wire::Chat::from(conversations[conversation].clone());
            let said: usize = chat.messages.iter().map(|message| message.text().trim().len()).sum();
            id += 2;
            let begun = loop {
                // A template may tell the date: the same minute before and after.
                let minute = || worker::clock::format(&worker::clock::now(), "%F %R");
                let before = minute();
                let template = worker::template::Template::new(&found.source, END, END);
                let expected = template.render(&chat, &worker::clock::now());
                let asked = Generate { prompt: Prompt::Chat(chat.clone()), ..raw(id, "", 1) };
                let answer = one.answer(&asked);
                if before == minute() {
                    break (expected, answer);
                }
            };
            let what = format!("{name}, {conversation}");
            match begun {
                (Ok(prompt), answer) if prompt.is_empty() => {
                    assert_eq!(answer.end.unwrap_err().kind, FailureKind::Request, "{what}");
                }
                (Ok(prompt), answer) => {
                    let started = answer.started.unwrap_or_else(|| panic!("{what}: {:?}", answer.end));
                    let counted = one.answer(&raw(id + 1, &prompt, 1)).started.unwrap().n_prompt;
                    assert_eq!(started.n_prompt, counted, "{what}");
                    assert!(started.n_prompt as usize * 16 > said, "{what}");
                }
                (Err(error), answer) => {
                    let failure = answer.end.unwrap_err();
                    assert_eq!((failure.kind, failure.message), (FailureKind::Template, error.to_string()), "{what}");
                    let is_left_out = matches!(error, worker::template::TemplateError::LeftOut(_));
                    assert!(is_left_out || forms.iter().all(Option::is_none), "{what}: {error}");
                }
            }
        }
    }
}

#[test]
fn contents_are_given_as_parts_where_a_template_wants_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for template in [
        "{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}",
        "{% for m in messages %}{{ m.content[0]['text'] }}{% endfor %}",
        "{% for m in messages %}{{ m.content | map(attribute='text') | join }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{% endfor %}",
    ] {
        std::fs::write(&path, with_template(template)).unwrap();
        let (mut worker, _) = Worker::ready(&Load { path: path.clone(), ..small() });
        let turns = [(Role::System, "Be brief. "), (Role::User, "Call me what you like")];
        let asked = worker.answer(&chat(1, &turns, 1)).started.unwrap().n_prompt;
        let expected = worker.answer(&raw(2, "Be brief. Call me what you like", 1)).started.unwrap().n_prompt;
        assert_eq!(asked, expected, "{template}");
    }
    for (template, said) in [
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "what the user said"),
        ("{{ messages[-1].text }}", "what the user said"),
        ("{{ messages[-1].content[:3] }}", "the system prompt"),
        ("user: Call me", "what the user said"),
    ] {
        std::fs::write(&path, with_template(template)).unwrap();
        let (mut worker, _) = Worker::ready(&Load { path: path.clone(), ..small() });
        let turns = [(Role::System, "Be brief. "), (Role::User, "Call me"), (Role::Assistant, "Yes")];
        let turns = if said == "the system prompt" { &turns[..1] } else { &turns[1..2] };
        let failure = worker.answer(&chat(1, turns, 1)).end.unwrap_err();
        assert!(failure.message.contains(said), "{template}: {}", failure.message);
    }
}

#[test]
fn without_a_template_the_texts_stand_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, with_template("")).unwrap();
    let (mut worker, loaded) = Worker::ready(&Load { path, ..small() });
    assert!(!loaded.has_template);
    let turns = [(Role::System, "Be brief"), (Role::User, "Who\n"), (Role::Assistant, "I"), (Role::User, "")];
    let asked = worker.answer(&chat(1, &turns, 1)).started.unwrap().n_prompt;
    let expected = worker.answer(&raw(2, "Be brief\n\nWho\n\nI", 1)).started.unwrap().n_prompt;
    assert_eq!(asked, expected);
}
