//! Reads GBNF as llama.cpp does, as far as its structure matters.

use std::collections::HashMap;

use super::rule::{Fault, Item, MAX_REPETITIONS, Rule, Sequence};

/// How deep groups may nest; llama.cpp reads them by calling itself.
const MAX_DEPTH: usize = 200;

/// Reads the rules.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    rules: Vec<Rule>,
    names: HashMap<String, usize>,
    used: HashMap<usize, usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn read(source: &'a str) -> Result<Vec<Rule>, Fault> {
        let mut reader = Self {
            text: source.as_bytes(),
            at: 0,
            depth: 0,
            rules: Vec::new(),
            names: HashMap::new(),
            used: HashMap::new(),
        };
        reader.space(true);
        while reader.peek().is_some() {
            reader.rule()?;
        }
        if !reader.names.contains_key("root") {
            return Err(Fault::Unread("it has no rule named root, where an answer begins".to_owned()));
        }
        let undefined = reader.rules.iter().enumerate().find(|(_, rule)| rule.alternatives.is_empty());
        if let Some((index, rule)) = undefined {
            reader.at = reader.used.get(&index).copied().unwrap_or(0);
            return Err(reader.unread(&format!("there is no rule `{}`", rule.name)));
        }
        Ok(reader.rules)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn line(&self) -> usize {
        self.text[..self.at.min(self.text.len())].split(|byte| *byte == b'\n').count()
    }

    fn unread(&self, what: &str) -> Fault {
        Fault::Unread(format!("line {}: {what}", self.line()))
    }

    /// Skip blanks and comments, and line ends where those mean nothing.
    fn space(&mut self, lines: bool) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' if lines => self.at += 1,
                b'#' => {
                    while self.peek().is_some_and(|byte| byte != b'\r' && byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn name(&mut self) -> Result<String, Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            self.at += 1;
        }
        if start == self.at {
            return Err(self.unread("a rule's name is expected: letters, digits and dashes"));
        }
        Ok(String::from_utf8_lossy(&self.text[start..self.at]).into_owned())
    }

    fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        self.rules.push(Rule { name: name.to_owned(), alternatives: Vec::new() });
        self.names.insert(name.to_owned(), self.rules.len() - 1);
        self.rules.len() - 1
    }

    fn rule(&mut self) -> Result<(), Fault> {
        let name = self.name()?;
        let index = self.index(&name);
        self.space(false);
        if !self.text[self.at..].starts_with(b"::=") {
            return Err(self.unread(&format!("`::=` is expected after `{name}`")));
        }
        self.at += 3;
        self.space(true);
        let alternatives = self.alternatives(false)?;
        self.rules[index].alternatives = alternatives;
        match self.peek() {
            None | Some(b'\r' | b'\n') => self.space(true),
            Some(_) => return Err(self.unread(&format!("the end of the rule `{name}` is expected"))),
        }
        Ok(())
    }

    fn alternatives(&mut self, nested: bool) -> Result<Vec<Sequence>, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Costly(format!("line {}: groups nest deeper than {MAX_DEPTH}", self.line())));
        }
        let mut alternatives = vec![self.sequence(nested)?];
        while self.take(b'|') {
            self.space(true);
            alternatives.push(self.sequence(nested)?);
        }
        self.depth -= 1;
        Ok(alternatives)
    }

    fn sequence(&mut self, nested: bool) -> Result<Sequence, Fault> {
        let mut items: Sequence = Vec::new();
        loop {
            let item = match self.peek() {
                Some(b'"') => self.literal()?,
                Some(b'[') => self.class()?,
                Some(b'.') => {
                    self.at += 1;
                    Item::Terminal
                }
                Some(b'<' | b'!') => self.token()?,
                Some(b'(') => {
                    self.at += 1;
                    self.space(true);
                    let group = Item::Group(self.alternatives(true)?);
                    if !self.take(b')') {
                        return Err(self.unread("`)` is expected"));
                    }
                    group
                }
                Some(byte) if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' => {
                    let at = self.at;
                    let name = self.name()?;
                    let index = self.index(&name);
                    self.used.entry(index).or_insert(at);
                    Item::Rule(index)
                }
                Some(b'*' | b'+' | b'?' | b'{') => {
                    let (least, most) = self.times()?;
                    let Some(item) = items.pop() else {
                        return Err(self.unread("there is nothing before to repeat"));
                    };
                    Item::Repeat { item: Box::new(item), least, most }
                }
                _ => return Ok(items),
            };
            items.push(item);
            self.space(nested);
        }
    }

    fn literal(&mut self) -> Result<Item, Fault> {
        let start = self.at;
        self.at += 1;
        let mut is_empty = true;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = start;
                    return Err(self.unread("the text that begins here has no end"));
                }
            }
            is_empty = false;
        }
        self.at += 1;
        Ok(if is_empty { Item::Empty } else { Item::Terminal })
    }

    fn class(&mut self) -> Result<Item, Fault> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b']') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => {
                    self.at = start;
                    return Err(self.unread("the characters that begin here with `[` have no `]`"));
                }
            }
        }
        self.at += 1;
        Ok(Item::Terminal)
    }

    /// `<text>`, `<[number]>`, with `!` before them or not.
    fn token(&mut self) -> Result<Item, Fault> {
        let start = self.at;
        while !self.take(b'>') {
            if self.peek().is_none_or(|byte| byte == b'\n') {
                self.at = start;
                return Err(self.unread("the token that begins here with `<` has no `>`"));
            }
            self.at += 1;
        }
        Ok(Item::Terminal)
    }

    fn times(&mut self) -> Result<(u64, Option<u64>), Fault> {
        let start = self.at;
        let sign = self.peek();
        self.at += 1;
        match sign {
            Some(b'*') => return Ok((0, None)),
            Some(b'+') => return Ok((1, None)),
            Some(b'?') => return Ok((0, Some(1))),
            _ => {}
        }
        self.space(true);
        let least = self.number().ok_or_else(|| self.unread("a number is expected after `{`"))?;
        self.space(true);
        let mut most = Some(least);
        if self.take(b',') {
            self.space(true);
            most = self.number();
            self.space(true);
        }
        if !self.take(b'}') {
            return Err(self.unread("`}` is expected"));
        }
        let shown = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        let refuse = |what: String| Err(Fault::Costly(format!("line {}: {what}", self.line())));
        match most {
            Some(most) if most < least => refuse(format!("`{shown}` asks for at least {least} and at most {most}")),
            _ if least > MAX_REPETITIONS => {
                refuse(format!("`{shown}` repeats more often than llama.cpp allows, which is {MAX_REPETITIONS} times"))
            }
            // llama.cpp takes more than it can count as without an end.
            most => Ok((least, most.filter(|most| *most <= MAX_REPETITIONS))),
        }
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.text[start..self.at]).ok()?;
        if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u64::MAX)) }
    }
}
