//! Real templates give the prompts that Jinja2 gives.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::*;

#[expect(unreachable_pub, reason = "other tests use the module as well")]
#[path = "../../tests/corpus/mod.rs"]
pub(crate) mod corpus;

/// The conversations of which templates leave out a part, which is an error here: a system prompt that stands alone, or
/// after others have spoken.
const LEFT_OUT: [&str; 2] = ["system prompt alone", "a system prompt in between"];
/// The templates that refuse a system prompt, which is then put before the user's words.
const FOLDED: [&str; 1] = ["google-gemma-2-2b-it.jinja"];

#[test]
fn real_templates_make_jinja2s_prompts() {
    let zone = TimeZone::fixed(Offset::from_seconds(19_800).unwrap());
    let now = Timestamp::from_second(1_732_492_799).unwrap().to_zoned_datetime(zone);
    let conversations = corpus::conversations();
    let mut differ = Vec::new();
    for corpus::Found { name, source, expected } in corpus::templates() {
        let template = Template::new(&source, "<s>", "</s>");
        for (conversation, forms) in &expected.prompts {
            let messages = conversations.get(conversation).unwrap();
            for (content, expected) in [Content::Text, Content::Parts].into_iter().zip(forms) {
                let made = on_large_stack(|| Program::new(&template, &now)?.render(messages, content));
                if made.as_deref().ok().map(corpus::hash) != *expected {
                    differ.push(format!("{name}, {conversation}, {content:?}"));
                }
            }
            let fits = match template.render(&messages.clone().into(), &now) {
                Ok(prompt) => forms.contains(&Some(corpus::hash(&prompt))) || FOLDED.contains(&name.as_str()),
                Err(TemplateError::LeftOut(_)) => LEFT_OUT.contains(&conversation.as_str()),
                Err(_) => forms.iter().all(Option::is_none),
            };
            if !fits {
                differ.push(format!("{name}, {conversation}, as it is sent"));
            }
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}
