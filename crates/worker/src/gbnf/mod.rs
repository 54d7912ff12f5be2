//! What a GBNF grammar would cost llama.cpp, found before it reads it.
//!
//! Owned here: a reader of GBNF as far as its structure matters, and the grammars over which llama.cpp takes gigabytes or
//! never ends: `{m,n}` with m above n, left recursion behind something that may be empty, rules that multiply. Absent:
//! what a character class means. What is not understood here is llama.cpp's to say.

mod read;
mod rule;

pub use rule::Fault;

use read::Reader;
use rule::{Item, Rule, Sequence};

/// The most elements that all repetitions may unfold to; each takes some bytes, and each is looked at.
const MAX_ELEMENTS: u64 = 1_000_000;
/// The most ways in which an answer may begin before its first character: each is a list that llama.cpp keeps.
const MAX_WAYS: u64 = 50_000;

/// Look whether a grammar can be used.
pub fn check(source: &str) -> Result<(), Fault> {
    let rules = Reader::read(source)?;
    let analysis = Analysis::of(&rules);
    analysis.refuse_left_recursion(&rules)?;
    let elements: u64 = rules
        .iter()
        .flat_map(|rule| &rule.alternatives)
        .flatten()
        .fold(0, |sum: u64, item| sum.saturating_add(item.n_elements()));
    if elements > MAX_ELEMENTS {
        return Err(Fault::Costly(format!(
            "its repetitions unfold to {elements} elements; {MAX_ELEMENTS} are the most"
        )));
    }
    analysis.refuse_multiplying(&rules)
}

/// What may be empty.
struct Analysis {
    nullable: Vec<bool>,
}

impl Analysis {
    fn of(rules: &[Rule]) -> Self {
        let mut analysis = Self { nullable: vec![false; rules.len()] };
        let mut changed = true;
        while changed {
            changed = false;
            for (index, rule) in rules.iter().enumerate() {
                if !analysis.nullable[index] && analysis.any_empty(&rule.alternatives) {
                    analysis.nullable[index] = true;
                    changed = true;
                }
            }
        }
        analysis
    }

    fn any_empty(&self, alternatives: &[Sequence]) -> bool {
        alternatives.iter().any(|sequence| sequence.iter().all(|item| self.is_empty(item)))
    }

    fn is_empty(&self, item: &Item) -> bool {
        match item {
            Item::Terminal => false,
            Item::Empty => true,
            Item::Rule(index) => self.nullable[*index],
            Item::Group(alternatives) => self.any_empty(alternatives),
            Item::Repeat { item, least, .. } => *least == 0 || self.is_empty(item),
        }
    }

    /// Rules that a sequence may begin with, each with whether something is still to come behind it.
    fn begins(&self, sequence: &[Item], more: bool, found: &mut Vec<(usize, bool)>) {
        for (place, item) in sequence.iter().enumerate() {
            let more = more || place + 1 < sequence.len();
            self.begins_item(item, more, found);
            if !self.is_empty(item) {
                break;
            }
        }
    }

    fn begins_item(&self, item: &Item, more: bool, found: &mut Vec<(usize, bool)>) {
        match item {
            Item::Terminal | Item::Empty => {}
            Item::Rule(index) => found.push((*index, more)),
            Item::Group(alternatives) => {
                for sequence in alternatives {
                    self.begins(sequence, more, found);
                }
            }
            Item::Repeat { item, most, .. } => self.begins_item(item, more || most.is_none_or(|most| most > 1), found),
        }
    }

    /// A rule that comes back to itself before any character, with something still to come, grows without end.
    fn refuse_left_recursion(&self, rules: &[Rule]) -> Result<(), Fault> {
        let calls: Vec<Vec<(usize, bool)>> = rules
            .iter()
            .map(|rule| {
                let mut found = Vec::new();
                for sequence in &rule.alternatives {
                    self.begins(sequence, false, &mut found);
                }
                found.sort_unstable();
                found.dedup();
                found
            })
            .collect();
        let component = components(&calls);
        for (index, found) in calls.iter().enumerate() {
            if let Some((other, _)) = found.iter().find(|(other, more)| *more && component[*other] == component[index])
            {
                let (name, other) = (&rules[index].name, &rules[*other].name);
                let through = if name == other { String::new() } else { format!(" through `{other}`") };
                return Err(Fault::Costly(format!(
                    "the rule `{name}` is left-recursive{through}: it comes back to itself before it takes a character"
                )));
            }
        }
        Ok(())
    }

    /// Rules that branch, and whose branches branch again before the first character, multiply.
    fn refuse_multiplying(&self, rules: &[Rule]) -> Result<(), Fault> {
        let mut ways: Vec<Option<u64>> = vec![None; rules.len()];
        // Rules are finished in an order in which what they begin with comes first; a stack of our own, since they may
        // be many.
        for start in 0..rules.len() {
            let mut todo = vec![(start, false)];
            let mut open = vec![false; rules.len()];
            while let Some((index, is_back)) = todo.pop() {
                if ways[index].is_some() || (open[index] && !is_back) {
                    continue;
                }
                if is_back {
                    let count = self.ways_of(&rules[index].alternatives, &ways).saturating_add(1);
                    ways[index] = Some(count);
                    if count > MAX_WAYS {
                        return Err(Fault::Costly(format!(
                            "the rule `{}` can begin in more than {MAX_WAYS} ways: rules that double one another multiply",
                            rules[index].name
                        )));
                    }
                    continue;
                }
                open[index] = true;
                todo.push((index, true));
                let mut found = Vec::new();
                for sequence in &rules[index].alternatives {
                    self.begins(sequence, false, &mut found);
                }
                found.dedup();
                todo.extend(found.into_iter().filter(|(other, _)| !open[*other]).map(|(other, _)| (other, false)));
            }
        }
        Ok(())
    }

    fn ways_of(&self, alternatives: &[Sequence], ways: &[Option<u64>]) -> u64 {
        alternatives.iter().fold(0, |sum: u64, sequence| {
            let mut count: u64 = 0;
            for item in sequence {
                count = count.saturating_add(self.ways_of_item(item, ways));
                if !self.is_empty(item) {
                    break;
                }
            }
            sum.saturating_add(count.max(1))
        })
    }

    fn ways_of_item(&self, item: &Item, ways: &[Option<u64>]) -> u64 {
        match item {
            Item::Terminal | Item::Empty => 1,
            // One that comes back to itself without growing is the same list again.
            Item::Rule(index) => ways[*index].unwrap_or(0),
            Item::Group(alternatives) => self.ways_of(alternatives, ways).saturating_add(1),
            Item::Repeat { item, least, most } => {
                let times = if self.is_empty(item) { most.unwrap_or(*least).max(1) } else { 1 };
                self.ways_of_item(item, ways).saturating_mul(times).saturating_add(1)
            }
        }
    }
}

/// Which rules can reach one another: the same number for each of them. Tarjan's algorithm, with a stack of our own.
fn components(calls: &[Vec<(usize, bool)>]) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let n = calls.len();
    let (mut order, mut low, mut component) = (vec![NONE; n], vec![0; n], vec![NONE; n]);
    let (mut path, mut next) = (Vec::new(), 0);
    for start in 0..n {
        if order[start] != NONE {
            continue;
        }
        let mut work = vec![(start, 0)];
        while let Some((index, edge)) = work.pop() {
            if edge == 0 {
                order[index] = next;
                low[index] = next;
                next += 1;
                path.push(index);
            }
            if let Some((other, _)) = calls[index].get(edge) {
                work.push((index, edge + 1));
                if order[*other] == NONE {
                    work.push((*other, 0));
                } else if component[*other] == NONE {
                    low[index] = low[index].min(order[*other]);
                }
                continue;
            }
            if low[index] == order[index] {
                while let Some(member) = path.pop() {
                    component[member] = index;
                    if member == index {
                        break;
                    }
                }
            }
            if let Some((parent, _)) = work.last() {
                low[*parent] = low[*parent].min(low[index]);
            }
        }
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammars_that_llama_runs_pass() {
        let many = (0..1500).map(|n| format!("a{n} ::= \"{n}\" a{}\n", n + 1)).collect::<Vec<_>>().concat();
        for source in [
            "root ::= \"yes\" | \"no\"".to_owned(),
            "root ::= [a-z]+ (\" \" [^\"\\]]{2,5})* \".\"?\n# a comment\nspace ::= | \" \"".to_owned(),
            "root ::= item{0,2000}\nitem ::= \"a\"".to_owned(),
            "root ::= (a?)* \"x\"\na ::= \"b\"".to_owned(),
            "root ::= \"(\" root \")\" | \"x\"".to_owned(),
            "root ::= s root | \"x\"\ns ::= \"\" | \" \"".to_owned(),
            "root ::= <think> !</think>* .".to_owned(),
            "root ::=\n  \"a\" |\n  \"b\"\r\nws ::= [ \\t\\n]*".to_owned(),
            "root ::= ( # in a group\n \"a\"\n | \"b\" ) \"\\\"\"".to_owned(),
            format!("root ::= a0\n{many}a1500 ::= \"\""),
        ] {
            assert_eq!(check(&source), Ok(()), "{}", &source[..source.len().min(80)]);
        }
    }

    #[test]
    fn grammars_without_end_are_refused_with_the_reason() {
        let doubling = (0..40).map(|n| format!("a{n} ::= a{0} a{0}\n", n + 1)).collect::<Vec<_>>().concat();
        let branching =
            (0..40).map(|n| format!("a{n} ::= a{0} \"x\" | a{0} \"y\"\n", n + 1)).collect::<Vec<_>>().concat();
        for (source, reason) in [
            ("root ::= \"a\"{5,2}".to_owned(), "line 1: `{5,2}` asks for at least 5 and at most 2"),
            ("root ::= x\n\nx ::= [a]{3,1}".to_owned(), "line 3: `{3,1}`"),
            ("root ::= \"a\"{99999999999999999999999}".to_owned(), "more often than llama.cpp allows"),
            ("root ::= \"a\"{5000,}".to_owned(), "more often than llama.cpp allows"),
            ("root ::= root \"a\" | \"b\"".to_owned(), "`root` is left-recursive"),
            ("root ::= a\na ::= b \"x\" | \"y\"\nb ::= a \"z\"".to_owned(), "left-recursive through"),
            ("root ::= s root \"x\" | \"y\"\ns ::= \"\" | \" \"".to_owned(), "`root` is left-recursive"),
            ("root ::= (\" \"?) s* root \"x\"\ns ::= \"z\"".to_owned(), "`root` is left-recursive"),
            (format!("root ::= a0\n{doubling}a40 ::= \"x\"?"), "multiply"),
            (format!("root ::= a0\n{branching}a40 ::= \"x\""), "multiply"),
            (format!("root ::= {}", "a{2000} ".repeat(3000)) + "\na ::= \"a\"", "unfold to"),
            (format!("root ::= {}\"a\"{}", "(".repeat(100_000), ")".repeat(100_000)), "nest deeper"),
        ] {
            match check(&source) {
                Err(Fault::Costly(said)) => assert!(said.contains(reason), "{said}"),
                other => panic!("{}: {other:?}", &source[..source.len().min(80)]),
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (source, reason) in [
            ("", "no rule named root"),
            ("start ::= \"a\"", "no rule named root"),
            ("root ::= \"a\nb", "line 1: the text that begins here has no end"),
            ("root ::= a\nb ::= c\na ::= \"x\"", "line 2: there is no rule `c`"),
            ("root = \"a\"", "line 1: `::=` is expected after `root`"),
            ("root ::= (\"a\"", "`)` is expected"),
            ("root ::= [a-z", "have no `]`"),
            ("root ::= *", "nothing before to repeat"),
            ("root ::= \"a\" }", "the end of the rule `root` is expected"),
            ("root ::= \"a\"{x}", "a number is expected"),
        ] {
            match check(source) {
                Err(Fault::Unread(said)) => assert!(said.contains(reason), "{source}: {said}"),
                other => panic!("{source}: {other:?}"),
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_the_reader(source in "(root ::= )?[a-c\"\\[\\](){}|*+?:= \\n0-9,<>!\\\\.]{0,60}") {
            let _ = check(&source);
        }
    }
}
