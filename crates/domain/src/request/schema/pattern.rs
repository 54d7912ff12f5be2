//! Regular expressions of a schema, as llama.cpp's converter takes them: anchored at both ends, without classes such as `\d`,
//! and never with a character that would end the JSON text that they describe.
//!
//! What it can't say is given up: the answer is held against the schema afterwards.

use std::fmt::Write as _;

/// What may not stand in a JSON text as it is, inside a negated class.
const BARRED: &str = r#""\\\x00-\x1F\x7F"#;

/// An expression for llama.cpp that matches nothing but what `pattern` matches; `None` where there is none.
pub(super) fn rewrite(pattern: &str) -> Option<String> {
    let (inner, from_start) = pattern.strip_prefix('^').map_or((pattern, false), |inner| (inner, true));
    let (inner, to_end) = match inner.strip_suffix('$') {
        Some(rest) if !ends_in_escape(rest) => (rest, true),
        _ => (inner, false),
    };
    let (body, branches) = body(inner)?;
    // An anchor binds to one branch alone.
    if branches && from_start != to_end {
        return None;
    }
    let any = format!("[^{BARRED}]*");
    let body = if branches { format!("({body})") } else { body };
    let before = if from_start { "" } else { any.as_str() };
    let after = if to_end { "" } else { any.as_str() };
    Some(format!("^{before}{body}{after}$"))
}

/// Whether the character behind `text` would be escaped.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The expression between its anchors, and whether it has branches outside of groups.
fn body(pattern: &str) -> Option<(String, bool)> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let (mut depth, mut branches) = (0_u32, false);
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push_str(&escape(characters.next()?)?),
            '[' => {
                let mut class = String::new();
                loop {
                    match characters.next()? {
                        ']' if !class.is_empty() && class != "^" => break,
                        '\\' => class.push_str(&escape_in_class(characters.next()?)?),
                        // Sets within sets, and what a JSON text can't hold as it is.
                        '[' | '&' | ']' | '"' => return None,
                        character if character.is_control() => return None,
                        character => class.push(character),
                    }
                }
                match class.strip_prefix('^') {
                    Some(class) => write!(out, "[^{class}{BARRED}]").ok()?,
                    None if reaches_barred(&class) => return None,
                    None => write!(out, "[{class}]").ok()?,
                }
            }
            '.' => write!(out, "[^{BARRED}]").ok()?,
            '(' => {
                if characters.peek() == Some(&'?') {
                    characters.next();
                    // Only a group that captures nothing; the others look around or change the meaning.
                    characters.next_if_eq(&':')?;
                }
                depth += 1;
                out.push('(');
            }
            ')' => {
                depth = depth.checked_sub(1)?;
                out.push(')');
            }
            '|' => {
                branches |= depth == 0;
                out.push('|');
            }
            '*' | '+' | '?' => {
                out.push(character);
                // As few as possible is as many as one likes, for a grammar.
                characters.next_if_eq(&'?');
                if characters.peek() == Some(&'+') {
                    return None;
                }
            }
            '{' => {
                let times: String = std::iter::from_fn(|| characters.next_if(|c| *c != '}')).collect();
                characters.next_if_eq(&'}')?;
                let (least, most) = times.split_once(',').unwrap_or((&times, &times));
                let least: u32 = least.trim().parse().ok()?;
                let most = if most.trim().is_empty() { None } else { Some(most.trim().parse::<u32>().ok()?) };
                if least > 200 || most.is_some_and(|most| most < least || most > 200) {
                    return None;
                }
                let most = most.map_or_else(String::new, |most| most.to_string());
                write!(out, "{{{least},{most}}}").ok()?;
                characters.next_if_eq(&'?');
            }
            '^' | '$' | '"' | ']' | '}' => return None,
            character if character.is_control() => return None,
            character => out.push(character),
        }
    }
    (depth == 0).then_some((out, branches))
}

/// An escape outside of a class.
fn escape(character: char) -> Option<String> {
    Some(match character {
        'd' => "[0-9]".to_owned(),
        'w' => "[A-Za-z0-9_]".to_owned(),
        's' => "[ ]".to_owned(),
        'D' => format!("[^0-9{BARRED}]"),
        'W' => format!("[^A-Za-z0-9_{BARRED}]"),
        'S' => format!("[^ {BARRED}]"),
        '/' | '-' | '_' | ' ' | '@' | ',' | ':' | ';' | '=' | '!' | '#' | '%' | '&' | '~' | '<' | '>' | '\'' => {
            character.to_string()
        }
        '.' | '^' | '$' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '*' | '+' | '?' => format!("\\{character}"),
        _ => return None,
    })
}

/// An escape within a class.
fn escape_in_class(character: char) -> Option<String> {
    Some(match character {
        'd' => "0-9".to_owned(),
        'w' => "A-Za-z0-9_".to_owned(),
        's' => " ".to_owned(),
        '-' | ']' | '[' => format!("\\{character}"),
        '.' | '/' | '$' | '|' | '(' | ')' | '{' | '}' | '*' | '+' | '?' | '@' | ',' | ':' | '_' | ' ' | '#' => {
            character.to_string()
        }
        _ => return None,
    })
}

/// Whether a range of a class runs over the quote or the backslash.
fn reaches_barred(class: &str) -> bool {
    let characters: Vec<char> = class.chars().collect();
    characters.windows(3).any(|window| {
        window[1] == '-'
            && ['"', '\\'].iter().any(|barred| window[0] <= *barred && *barred <= window[2])
            && window[0] != '\\'
    })
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn what_llama_takes() {
        let any = r#"[^"\\\x00-\x1F\x7F]"#;
        for (pattern, expected) in [
            ("^[a-z]+$", Some("^[a-z]+$".to_owned())),
            (r"^\d{3}-\d{4}$", Some("^[0-9]{3,3}-[0-9]{4,4}$".to_owned())),
            ("^(yes|no)$", Some("^(yes|no)$".to_owned())),
            ("^yes|no$", Some("^(yes|no)$".to_owned())),
            ("whale", Some(format!("^{any}*whale{any}*$"))),
            ("a|b", Some(format!("^{any}*(a|b){any}*$"))),
            ("^a", Some(format!("^a{any}*$"))),
            ("^a.b$", Some(format!("^a{any}b$"))),
            ("^[^,]+$", Some(r#"^[^,"\\\x00-\x1F\x7F]+$"#.to_owned())),
            ("^(?:ab)+?$", Some("^(ab)+$".to_owned())),
            (r"^\w+@\w+\.com$", Some(r"^[A-Za-z0-9_]+@[A-Za-z0-9_]+\.com$".to_owned())),
            (r"^a\$", Some(format!(r"^a\${any}*$"))),
            ("^a|b", None),
            ("^(?=a)b$", None),
            (r"^\ba$", None),
            ("^\"a\"$", None),
            (r"^a\\b$", None),
            ("^a{5,2}$", None),
            ("^a{1000}$", None),
            ("^[ -~]+$", None),
            (r"^\p{L}$", None),
            ("^(a$", None),
        ] {
            assert_eq!(rewrite(pattern), expected, "{pattern}");
        }
    }
}
