//! The grammar of a forced call, without the text that llama.cpp lets come before and behind it.
//!
//! Owned here: which rules of a grammar are such text. llama.cpp's grammar of a call that must come begins with text of
//! any length, since its parser reads that; a model that doesn't know of tools would never get to the call.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// llama.cpp's parser as `common_peg_arena::save` writes it, as far as it matters.
#[derive(Deserialize)]
struct Arena {
    parsers: Vec<Node>,
    rules: BTreeMap<String, usize>,
    root: usize,
}

#[derive(Deserialize)]
struct Node {
    r#type: String,
    #[serde(default)]
    children: Vec<usize>,
    child: Option<usize>,
    /// Of a reference to a rule, or of a schema.
    name: Option<String>,
    tag: Option<String>,
}

impl Node {
    /// It holds a schema, by whose name it goes.
    fn is_schema(&self, is_named: impl Fn(&str) -> bool) -> bool {
        self.r#type == "schema" && self.name.as_deref().is_some_and(is_named)
    }

    /// What an assistant says.
    fn is_content(&self) -> bool {
        self.r#type == "tag" && self.tag.as_deref() == Some("content")
    }
}

impl Arena {
    /// The runs of free text beneath a node, as rule numbers; without the assistant's content unless `with_content`.
    fn texts(&self, root: usize, with_content: bool) -> BTreeSet<usize> {
        let (mut seen, mut found, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![root]);
        while let Some(place) = open.pop() {
            let Some(node) = self.parsers.get(place).filter(|_| seen.insert(place)) else { continue };
            if node.is_content() && !with_content {
                continue;
            }
            if node.r#type == "until" {
                found.insert(place);
            }
            open.extend(node.children.iter().chain(&node.child));
            if node.r#type == "ref" {
                open.extend(node.name.as_ref().and_then(|name| self.rules.get(name)));
            }
        }
        found
    }
}

/// What in llama.cpp's grammars may be repeated without an end, and bounds that leave room for what is meant.
const BOUNDS: [(&str, &str); 4] = [
    (r#""\n"{1,2} [ \t]{0,20}"#, r#""\n" [ \t]{0,8}"#),
    ("[0-9]+", "[0-9]{1,16}"),
    ("[0-9]*", "[0-9]{0,16}"),
    ("[A-Za-z0-9_-]+", "[A-Za-z0-9_-]{1,32}"),
];

/// The rule of models that open each call on its own, and what lets several come within one, which no model writes.
const CALLS: &str = "tool-calls ::= (tool-call space)+";
const WITHIN_CALL: &str = " (space \",\" space ";

/// The grammar of a forced call without the free text that an assistant may write around it. `parser` is what the
/// grammar was made from; if it can't be read, the grammar is returned unchanged.
pub(super) fn without_text(gbnf: &str, parser: &str) -> String {
    let Ok(arena) = serde_json::from_str::<Arena>(parser) else { return gbnf.to_owned() };
    // A text that is reasoning elsewhere in the grammar is the same rule there.
    let kept = arena.texts(arena.root, false);
    let contents = arena.parsers.iter().enumerate().filter(|(_, node)| node.is_content());
    let (shared, said): (BTreeSet<usize>, BTreeSet<usize>) =
        contents.flat_map(|(place, _)| arena.texts(place, true)).partition(|place| kept.contains(place));
    let said: BTreeSet<String> = said.into_iter().map(|place| format!("until-{place}")).collect();
    let opens_each = gbnf.lines().any(|line| line == CALLS);
    let lines = gbnf.lines().map(|line| {
        let Some((name, rule)) = line.split_once(" ::= ") else { return format!("{line}\n") };
        if said.contains(name) {
            return format!("{name} ::= \"\"\n");
        }
        let mut rule = rule.to_owned();
        for (endless, bounded) in BOUNDS {
            rule = rule.replace(endless, bounded);
        }
        if name == "tool-call" && opens_each {
            rule = without_more(&rule);
        }
        // Harmony: reasoning may come once, and no other message.
        if name == "root" {
            rule = rule.replace(")* start", ")? start");
        }
        if name == "any" && !shared.is_empty() {
            rule = rule.replace("preamble | ", "");
        }
        format!("{name} ::= {rule}\n")
    });
    lines.collect()
}

/// The rule of a call without further ones in it.
fn without_more(rule: &str) -> String {
    let cut = || {
        let (before, rest) = rule.split_once(WITHIN_CALL)?;
        let (_, behind) = rest.split_once(")*")?;
        Some(format!("{before}{}", behind.strip_prefix(')').unwrap_or(behind)))
    };
    cut().unwrap_or_else(|| rule.to_owned())
}

/// Whether a grammar of calls constrains the arguments of all these tools to their schemas. For some models llama.cpp
/// leaves strings free despite the schema, or makes required properties optional.
pub(super) fn holds(gbnf: &str, parser: &str, tools: &[super::openai::Tool]) -> bool {
    let Ok(arena) = serde_json::from_str::<Arena>(parser) else { return false };
    let has_schema = |name: &str| arena.parsers.iter().any(|node| node.is_schema(|own| own == name));
    let rules: BTreeMap<&str, &str> = gbnf.lines().filter_map(|line| line.split_once(" ::= ")).collect();
    tools.iter().all(|tool| {
        let name = tool.name();
        if has_schema(&format!("tool-{name}-schema")) {
            return true;
        }
        let Some(schema) = tool.schema() else { return false };
        let always = always(&rules, &format!("tool-{}", rule_name(name)));
        let mut properties = schema["properties"].as_object().into_iter().flatten();
        let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_held = |(property, schema): (&String, &Value)| {
            let suffix = format!("arg-{property}-schema");
            is_plain_text(schema) || arena.parsers.iter().any(|node| node.is_schema(|own| own.ends_with(&suffix)))
        };
        properties.all(is_held) && required.all(|property| always.contains(&format!("\"{property}\"")))
    })
}

/// A name as llama.cpp makes a rule's of it.
fn rule_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Whether a schema only says that the value is a string.
fn is_plain_text(schema: &Value) -> bool {
    let says = ["enum", "const", "pattern", "format", "minLength", "maxLength", "anyOf", "oneOf", "allOf", "$ref"];
    schema["type"] == "string" && says.iter().all(|word| schema.get(word).is_none())
}

/// What a rule and those that it refers to say outside of what may be repeated, and so be left out.
fn always(rules: &BTreeMap<&str, &str>, root: &str) -> String {
    let (mut said, mut seen, mut open) = (String::new(), BTreeSet::new(), vec![root.to_owned()]);
    while let Some(name) = open.pop() {
        let Some(rule) = rules.get(name.as_str()).filter(|_| seen.insert(name)) else { continue };
        let kept = without_repeated(rule);
        let words = kept.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        open.extend(words.filter(|word| rules.contains_key(word)).map(str::to_owned));
        said.push_str(&kept);
        said.push('\n');
    }
    said
}

/// A rule without the groups that a star follows.
fn without_repeated(rule: &str) -> String {
    // The open groups, and the one just closed.
    let (mut open, mut closed): (Vec<String>, Option<String>) = (vec![String::new()], None);
    // The end of the text or of the characters that are open.
    let (mut end, mut is_escaped): (Option<char>, bool) = (None, false);
    for c in rule.chars() {
        let group = closed.take().filter(|_| c != '*');
        if let (Some(group), Some(top)) = (group, open.last_mut()) {
            top.push_str(&group);
        }
        let was_escaped = is_escaped;
        is_escaped = end.is_some() && c == '\\' && !was_escaped;
        match (end, c) {
            (None, '(') => open.push(String::new()),
            (None, ')') if open.len() > 1 => closed = open.pop(),
            _ => {
                match (end, c) {
                    (None, '"') => end = Some('"'),
                    (None, '[') => end = Some(']'),
                    (Some(last), c) if last == c && !was_escaped => end = None,
                    _ => {}
                }
                if let Some(top) = open.last_mut() {
                    top.push(c);
                }
            }
        }
    }
    open.into_iter().chain(closed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_left_out_is_left_out() {
        for (rule, expected) in [
            (r#""a" (b | c)* d"#, r#""a" * d"#),
            (r#"(("<p=\"" "a") x) space"#, r#""<p=\"" "a" x space"#),
            (r#"(("a" x) space)* "e(" [)(]+"#, r#"* "e(" [)(]+"#),
        ] {
            assert_eq!(without_repeated(rule), expected, "{rule}");
        }
    }

    #[test]
    fn one_call_is_in_one_call() {
        for (rule, expected) in [
            (r#""<t>" space (a | b) (space "," space (a | b))* space "</t>""#, r#""<t>" space (a | b) space "</t>""#),
            (r#""<t>" space a (space "," space a)* space "</t>""#, r#""<t>" space a space "</t>""#),
            (r#""<t>" a "</t>""#, r#""<t>" a "</t>""#),
        ] {
            assert_eq!(without_more(rule), expected);
        }
    }
}
