//! Rust source as tokens and paths, so that neither a comment nor a string counts.

/// All paths that the source names, those of `use` groups one by one: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
pub(super) fn paths(text: &str) -> Vec<Vec<String>> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // The rest of a longer path was taken with its beginning; a field or method is no path.
        if is_name(&tokens[at]) && (at == 0 || !matches!(tokens[at - 1].as_str(), "::" | ".")) {
            at = tree(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Read one path, or one tree of paths, from a position; gives the position behind it.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while !matches!(tokens.get(at).map(String::as_str), None | Some("}")) {
                    let after = tree(tokens, at, &path, found);
                    at = after.max(at + 1);
                }
                return at + 1;
            }
            Some(name) if is_name(name) => path.push(name.to_owned()),
            _ => break,
        }
        at += 1;
        if tokens.get(at).map(String::as_str) != Some("::") {
            break;
        }
        at += 1;
    }
    if path.len() > prefix.len() {
        found.push(path);
    }
    at
}

pub(super) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single characters; without comments, strings, characters and white space.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, wanted: &str| wanted.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let mut tokens: Vec<String> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let is_raw = || matches!(tokens.last().map(String::as_str), Some("r" | "br" | "cr"));
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '/' if starts(at, "//") => at += chars[at..].iter().take_while(|c| **c != '\n').count(),
            '/' if starts(at, "/*") => {
                let mut depth = 0;
                loop {
                    (depth, at) = match () {
                        () if starts(at, "/*") => (depth + 1, at + 2),
                        () if starts(at, "*/") => (depth - 1, at + 2),
                        () => (depth, at + 1),
                    };
                    if depth == 0 || at >= chars.len() {
                        break;
                    }
                }
            }
            '"' | '#' if is_raw() => {
                let n_marks = chars[at..].iter().take_while(|c| **c == '#').count();
                at += n_marks;
                if chars.get(at) == Some(&'"') {
                    let end = format!("\"{}", "#".repeat(n_marks));
                    at += 1;
                    while at < chars.len() && !starts(at, &end) {
                        at += 1;
                    }
                    at += end.len();
                }
                tokens.pop();
            }
            '"' => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            '\'' if chars.get(at + 1) == Some(&'\\') => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if chars.get(at + 2) == Some(&'\'') => at += 3,
            c if c.is_alphabetic() || c == '_' => {
                let name: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                at += name.chars().count();
                tokens.push(name);
            }
            ':' if starts(at, "::") => {
                tokens.push("::".to_owned());
                at += 2;
            }
            c => {
                tokens.push(c.to_string());
                at += 1;
            }
        }
    }
    tokens
}
