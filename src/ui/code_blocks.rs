//! The blocks of code in an answer, to be copied.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A block of code in a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CodeBlock {
    /// Its language, as the text names it.
    pub(super) language: String,
    /// The code, with its indentation.
    pub(super) text: String,
}

/// The blocks of code in a text, in order.
pub(super) fn code_blocks(source: &str) -> Vec<CodeBlock> {
    let mut blocks = Vec::new();
    let mut open: Option<CodeBlock> = None;
    for event in Parser::new(source) {
        match (event, &mut open) {
            (Event::Start(Tag::CodeBlock(kind)), _) => {
                let info = if let CodeBlockKind::Fenced(info) = kind { info.to_string() } else { String::new() };
                let language = info.split([' ', ',']).next().unwrap_or_default().to_owned();
                open = Some(CodeBlock { language, text: String::new() });
            }
            (Event::Text(text), Some(block)) => block.text.push_str(&text),
            (Event::End(TagEnd::CodeBlock), _) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_blocks_are_found_with_their_indentation() {
        let source = "a\n\n```py\ndef f():\n    return 1\n```\n\n- item\n\n  ```rust,ignore\n  let a = 1;\n  ```\n\n    indented\n";
        let blocks = code_blocks(source);
        let found: Vec<_> = blocks.iter().map(|block| (block.language.as_str(), block.text.as_str())).collect();
        assert_eq!(found, [("py", "def f():\n    return 1\n"), ("rust", "let a = 1;\n")]);
        assert_eq!(code_blocks("```\nnot closed").len(), 1);
        assert!(code_blocks("no `code` here").is_empty());
    }
}
