//! A template's source, made fit for minijinja.
//!
//! Owned here: what Jinja2 reads and minijinja doesn't, rewritten token by token (line breaks, `{% generation %}`, `%` on
//! strings, `+` as a sign, a tuple without brackets, loops that refuse `none`), and the bounds on nesting, which keep
//! minijinja's recursive parser within its stack, and the places where values are watched for theirs. Absent: a check of
//! the syntax, which is minijinja's.

use std::ops::Range;

/// The function that stands for `%`.
pub(super) const REMAINDER: &str = "__remainder";
/// The function that stands around what a loop goes over.
pub(super) const EACH: &str = "__each";
/// The function that stands around what is given a name.
pub(super) const HELD: &str = "__held";
/// The function that stands around what goes into a namespace.
pub(super) const KEPT: &str = "__kept";

/// How deep brackets may nest in one tag.
const MAX_NESTING: usize = 100;
/// How many tokens may stand one after another without a comma, in all open brackets of a tag together. Each may be a
/// level of the parser's recursion.
const MAX_CHAIN: usize = 10_000;
/// How many `elif` a template may have: they nest in the parser.
const MAX_BRANCHES: usize = 2_000;

/// The source as minijinja reads it, or what is too deep in it.
pub(super) fn readable(source: &str) -> Result<String, String> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut readable = String::with_capacity(source.len() + 64);
    let mut rest = source.as_str();
    let mut branches = 0;
    while let Some((before, opening, after)) = next_tag(rest) {
        readable.push_str(before);
        rest = if opening == "{#" {
            let (comment, after) = split_after(after, "#}");
            readable.push_str(opening);
            readable.push_str(comment);
            after
        } else {
            let tag = Tag::read(after, opening == "{%")?;
            branches += usize::from(tag.name() == Some("elif"));
            if branches > MAX_BRANCHES {
                return Err(format!("it has more than {MAX_BRANCHES} `elif`"));
            }
            readable.push_str(opening);
            tag.write(&mut readable);
            let after = after.get(tag.end..).unwrap_or_default();
            if tag.name() == Some("raw") {
                let (raw, after) = raw_text(after);
                readable.push_str(raw);
                after
            } else {
                after
            }
        };
    }
    readable.push_str(rest);
    Ok(readable)
}

/// The text before the next tag or comment, its opening, and what follows.
fn next_tag(text: &str) -> Option<(&str, &str, &str)> {
    let at = text
        .match_indices('{')
        .map(|(at, _)| at)
        .find(|at| text.get(*at..at + 2).is_some_and(|opening| matches!(opening, "{{" | "{%" | "{#")))?;
    Some((text.get(..at)?, text.get(at..at + 2)?, text.get(at + 2..)?))
}

/// Split behind a mark; all of the text where it is not there.
fn split_after<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_at(text.find(mark).map_or(text.len(), |at| at + mark.len()))
}

/// What stands before `{% endraw %}`, and the rest from there.
fn raw_text(text: &str) -> (&str, &str) {
    let is_end = |at: &usize| {
        let inside = text.get(at + 2..).unwrap_or_default().trim_start_matches(['-', '+']).trim_start();
        inside.strip_prefix("endraw").is_some_and(|rest| rest.starts_with(|c: char| !is_name(c)))
    };
    text.split_at(text.match_indices("{%").map(|(at, _)| at).find(is_end).unwrap_or(text.len()))
}

fn is_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Number,
    Text,
    Operator,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    place: Range<usize>,
    /// Of an opening bracket: the index of the token that closes it.
    closed_by: usize,
}

/// What stands between `{{` or `{%` and its end.
struct Tag<'a> {
    text: &'a str,
    is_block: bool,
    tokens: Vec<Token>,
    /// Where the closing mark begins, with its sign.
    closing: usize,
    /// Behind the closing mark.
    end: usize,
}

impl<'a> Tag<'a> {
    fn read(text: &'a str, is_block: bool) -> Result<Self, String> {
        let mut tag = Self { text, is_block, tokens: Vec::new(), closing: text.len(), end: text.len() };
        let mut open: Vec<usize> = Vec::new();
        // The tokens since the last comma, in each open bracket.
        let mut chains = vec![0_usize];
        let mut chained = 0_usize;
        let closings: &[&str] = if is_block { &["-%}", "+%}", "%}"] } else { &["-}}", "}}"] };
        let mut at = text.chars().next().filter(|sign| matches!(sign, '-' | '+')).map_or(0, |_| 1);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if let Some(mark) = closings.iter().find(|mark| open.is_empty() && rest.starts_with(**mark)) {
                tag.closing = at;
                tag.end = at + mark.len();
                break;
            }
            let Some((kind, length)) = token(rest) else {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let index = tag.tokens.len();
            match rest.chars().next() {
                Some('(' | '[' | '{') => {
                    open.push(index);
                    chains.push(0);
                }
                Some(')' | ']' | '}') => {
                    if let Some(opening) = open.pop().and_then(|opening| tag.tokens.get_mut(opening)) {
                        opening.closed_by = index;
                        chained -= chains.pop().unwrap_or_default();
                    }
                }
                Some(',') => chained -= chains.last_mut().map_or(0, std::mem::take),
                _ => {}
            }
            if let Some(chain) = chains.last_mut() {
                *chain += 1;
                chained += 1;
            }
            if open.len() > MAX_NESTING || chained > MAX_CHAIN {
                return Err("an expression is nested too deep".to_owned());
            }
            tag.tokens.push(Token { kind, place: at..at + length, closed_by: usize::MAX });
            at += length;
        }
        Ok(tag)
    }

    fn text(&self, token: &Token) -> &'a str {
        self.text.get(token.place.clone()).unwrap_or_default()
    }

    /// The text of a token by its index.
    fn at(&self, index: usize) -> Option<&'a str> {
        self.tokens.get(index).map(|token| self.text(token))
    }

    /// A block's name.
    fn name(&self) -> Option<&'a str> {
        self.at(0).filter(|_| self.is_block)
    }

    /// The tag as minijinja reads it, with its closing mark.
    fn write(&self, out: &mut String) {
        let begin = self.tokens.first().map_or(self.closing, |token| token.place.start);
        out.push_str(self.text.get(..begin).unwrap_or_default());
        let all = 0..self.tokens.len();
        match self.name() {
            // What it sets stays inside, as in a function's body.
            Some("generation") => out.push_str("with"),
            Some("endgeneration") => out.push_str("endwith"),
            Some("for") => self.write_for(out),
            Some("set") => self.write_set(out),
            _ if self.is_block => self.write_expressions(all, out),
            _ if self.commas(&all) => {
                out.push('(');
                self.write_expressions(all, out);
                out.push(')');
            }
            _ => self.write_expressions(all, out),
        }
        let last = self.tokens.last().map_or(begin, |token| token.place.end);
        out.push_str(self.text.get(last..self.end).unwrap_or_default());
    }

    /// Whether a comma stands outside of brackets.
    fn commas(&self, range: &Range<usize>) -> bool {
        self.outside(range.clone()).any(|index| self.at(index) == Some(","))
    }

    /// The tokens of a range that are in no bracket of it, the brackets included.
    fn outside(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        let mut index = range.start;
        std::iter::from_fn(move || {
            let this = (index < range.end).then_some(index)?;
            let closed_by = self.tokens.get(this)?.closed_by;
            index = if closed_by == usize::MAX { this + 1 } else { closed_by.max(this + 1) };
            Some(this)
        })
    }

    /// `for x in y if z`: what is looped over goes through a function that refuses what Python can't loop over.
    fn write_for(&self, out: &mut String) {
        let all = 0..self.tokens.len();
        let found = self.outside(all.clone()).find(|index| self.at(*index) == Some("in"));
        let Some(begin) = found.map(|index| index + 1) else { return self.write_expressions(all, out) };
        let ends = |index: &usize| {
            matches!(self.at(*index), Some("if" | "recursive")) && self.at(index.saturating_sub(1)) != Some(".")
        };
        let end = self.outside(begin..all.end).find(ends).unwrap_or(all.end);
        if begin >= end {
            return self.write_expressions(all, out);
        }
        self.write_call(EACH, begin..end, out);
        if end < all.end {
            self.write_space(end, out);
            self.write_expressions(end..all.end, out);
        }
    }

    /// `set x = y`: how deep the value nests is looked at.
    fn write_set(&self, out: &mut String) {
        let all = 0..self.tokens.len();
        let found = self.outside(all.clone()).find(|index| self.at(*index) == Some("="));
        match found.map(|index| index + 1).filter(|begin| *begin < all.end) {
            None => self.write_expressions(all, out),
            Some(begin) => {
                let is_dotted = (0..begin).any(|index| self.at(index) == Some("."));
                self.write_call(if is_dotted { KEPT } else { HELD }, begin..all.end, out);
            }
        }
    }

    /// The tokens up to a range as they are, and a call of a function with the range.
    fn write_call(&self, function: &str, range: Range<usize>, out: &mut String) {
        self.write_expressions(0..range.start, out);
        self.write_space(range.start, out);
        // A tuple may have no brackets of its own.
        let (open, close) = if self.commas(&range) { ("((", "))") } else { ("(", ")") };
        out.push_str(function);
        out.push_str(open);
        self.write_expressions(range, out);
        out.push_str(close);
    }

    /// The white space before a token.
    fn write_space(&self, index: usize, out: &mut String) {
        let before = index.checked_sub(1).and_then(|before| self.tokens.get(before)).map(|token| token.place.end);
        if let (Some(from), Some(token)) = (before, self.tokens.get(index)) {
            out.push_str(self.text.get(from..token.place.start).unwrap_or_default());
        }
    }

    /// Tokens of one level of brackets, those inside by recursion, which [`MAX_NESTING`] bounds.
    fn write_expressions(&self, range: Range<usize>, out: &mut String) {
        let mut chain = Chain { begin: None, is_open: false, after_operand: false };
        let mut index = range.start;
        while index < range.end {
            let Some(token) = self.tokens.get(index) else { break };
            if index > range.start {
                self.write_space(index, out);
            }
            let text = self.text(token);
            let before = index.checked_sub(1).filter(|before| *before >= range.start).and_then(|index| self.at(index));
            // A word that follows these is a name, whatever it is.
            let is_named = matches!(before, Some("." | "|" | "is")) || self.follows_is_not(index, &range);
            if token.closed_by != usize::MAX {
                chain.begin.get_or_insert(out.len());
                out.push_str(text);
                self.write_expressions(index + 1..token.closed_by, out);
                index = token.closed_by;
                self.write_space(index, out);
                out.push_str(self.at(index).unwrap_or_default());
                chain.after_operand = true;
            } else if index == 0 && self.is_block && OPENERS.contains(&text) {
                chain.begin_anew(text, out);
            } else {
                chain.write(token.kind, text, is_named, out);
            }
            index += 1;
        }
        chain.close(out);
    }

    fn follows_is_not(&self, index: usize, range: &Range<usize>) -> bool {
        index >= range.start + 2 && self.at(index - 1) == Some("not") && self.at(index - 2) == Some("is")
    }
}

/// The words that begin a block with an expression.
const OPENERS: [&str; 6] = ["set", "for", "call", "macro", "with", "filter"];

/// A row of operands with `*`, `/`, `//` and `%` between them, while it is written.
struct Chain {
    /// Where it begins in what is written; `None` before its first operand.
    begin: Option<usize>,
    /// Whether the call that stands for `%` still needs its closing bracket.
    is_open: bool,
    after_operand: bool,
}

impl Chain {
    fn close(&mut self, out: &mut String) {
        if std::mem::take(&mut self.is_open) {
            // Before the white space that is there already.
            let end = out.trim_end().len();
            out.insert(end, ')');
        }
    }

    fn write(&mut self, kind: Kind, text: &str, is_named: bool, out: &mut String) {
        match text {
            _ if is_named && text != "not" || matches!(kind, Kind::Number | Kind::Text) => {
                self.write_operand(text, out);
            }
            "%" if self.after_operand => {
                self.close(out);
                let left = out.split_off(self.begin.unwrap_or(out.len()));
                out.extend([REMAINDER, "(", left.trim_end(), ","]);
                self.is_open = true;
                self.after_operand = false;
            }
            "*" | "/" | "//" => {
                self.close(out);
                out.push_str(text);
                self.after_operand = false;
            }
            "**" | "." | "|" | "is" => {
                out.push_str(text);
                self.after_operand = false;
            }
            // A sign.
            "+" if !self.after_operand => {}
            "-" if !self.after_operand => {
                self.begin.get_or_insert(out.len());
                out.push_str(text);
            }
            "not" if is_named => out.push_str(text),
            "and" | "or" | "not" | "if" | "elif" | "else" | "in" | "recursive" if kind == Kind::Name => {
                self.begin_anew(text, out);
            }
            _ if kind == Kind::Operator => self.begin_anew(text, out),
            _ => self.write_operand(text, out),
        }
    }

    fn write_operand(&mut self, text: &str, out: &mut String) {
        self.begin.get_or_insert(out.len());
        out.push_str(text);
        self.after_operand = true;
    }

    fn begin_anew(&mut self, text: &str, out: &mut String) {
        self.close(out);
        out.push_str(text);
        self.begin = None;
        self.after_operand = false;
    }
}

/// The token that a text begins with: its kind and length in bytes; `None` for white space.
fn token(text: &str) -> Option<(Kind, usize)> {
    let first = text.chars().next().filter(|first| !first.is_whitespace())?;
    if matches!(first, '"' | '\'') {
        return Some((Kind::Text, quoted(text, first)));
    }
    if first.is_ascii_digit() {
        return Some((Kind::Number, number(text)));
    }
    if is_name(first) {
        return Some((Kind::Name, text.find(|c| !is_name(c)).unwrap_or(text.len())));
    }
    let two = text.get(..2).filter(|two| matches!(*two, "//" | "**" | "==" | "!=" | "<=" | ">="));
    Some((Kind::Operator, two.map_or(first.len_utf8(), str::len)))
}

/// The length of a quoted text, up to the end where it isn't closed.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a number. A dot belongs to it where a digit follows, as in Jinja2.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        let is_sign = matches!(byte, b'+' | b'-') && matches!(bytes.get(at - 1), Some(b'e' | b'E')) && next;
        if !(byte.is_ascii_alphanumeric() || *byte == b'_' || (*byte == b'.' && next) || is_sign) {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_minijinja_does_not_read_is_rewritten() {
        for (source, expected) in [
            ("a\r\nb\rc", "a\nb\nc"),
            ("{%- generation -%} x {%- endgeneration %}", "{%- with -%} x {%- endwith %}"),
            ("{{ a % b }}", "{{ __remainder(a, b) }}"),
            ("{{a%b}}", "{{__remainder(a,b)}}"),
            ("{{ x + a.b['c'] % 2 == 0 }}", "{{ x + __remainder(a.b['c'], 2) == 0 }}"),
            ("{{ a * b % c * d % -e }}", "{{ __remainder(__remainder(a * b, c) * d, -e) }}"),
            ("{{ 2 ** 3 % f(a % b) | int }}", "{{ __remainder(2 ** 3, f(__remainder(a, b)) | int) }}"),
            ("{% if not a % 2 and b %}", "{% if not __remainder(a, 2) and b %}"),
            ("{% if a is not in [1] and b %}", "{% if a is not in [1] and b %}"),
            ("{% set x = '%s' % ('%', b) %}", "{% set x = __held(__remainder('%s', ('%', b))) %}"),
            ("{{ +5 - +x }}", "{{ 5 - x }}"),
            ("{{ 1, 2 }}", "{{ (1, 2) }}"),
            ("{% for x in y %}", "{% for x in __each(y) %}"),
            ("{% for x in 1, y %}", "{% for x in __each((1, y)) %}"),
            (
                "{% for a, b in y.z if a % 2 recursive %}",
                "{% for a, b in __each(y.z) if __remainder(a, 2) recursive %}",
            ),
            ("{% raw %}{{ a % b }}{%- endraw -%}", "{% raw %}{{ a % b }}{%- endraw -%}"),
            ("{# {{ a % b }} #}{{ '}}' }}{{ {'a': {}} }}", "{# {{ a % b }} #}{{ '}}' }}{{ {'a': {}} }}"),
            ("{{ 'a", "{{ 'a"),
            ("{{ a.if % b.in }}", "{{ __remainder(a.if, b.in) }}"),
            ("{{ 1e-5 - 1.5 }}{% set ns.x = 1 %}", "{{ 1e-5 - 1.5 }}{% set ns.x = __kept(1) %}"),
        ] {
            assert_eq!(readable(source).as_deref(), Ok(expected), "{source}");
        }
    }
}
