//! Import circles between the modules of a crate.
//!
//! A module is a file; what stands in an inline module counts for the file. A module imports another one where it names
//! something that is defined there: by `use`, by a path, or by a name that a `use` brought. A re-export is followed to
//! where the item is defined and is no import itself, so that a parent that only declares and re-exports its children
//! is part of no circle. Not seen: methods and fields, which have no path, and what macros make. What is for tests
//! alone does not count.

#[path = "circles/tests.rs"]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path as FilePath, PathBuf};

use super::tokens::{is_name, tokens};
use super::{CRATES, root};

type Path = Vec<String>;

/// A module, or an inline module of a file.
#[derive(Default)]
struct Module {
    /// The path of the file's module.
    file: Path,
    /// Names that `use` brings here, with what they stand for.
    names: BTreeMap<String, Path>,
    /// Modules whose names are all brought here.
    globs: Vec<Path>,
    /// Names that are defined here.
    items: BTreeSet<String>,
    /// What is imported for use here, and the paths of the code.
    used: Vec<Path>,
}

/// All modules of a crate by their paths.
type Modules = BTreeMap<Path, Module>;

/// How many re-exports lead to an item at most: a bound on mistakes.
const MAX_STEPS: usize = 16;

const ITEMS: &[&str] = &["fn", "struct", "enum", "trait", "const", "static", "type", "union"];

/// What begins an item, so that a `,` in it is no end.
const BEGINS: &[&str] = &[
    "pub",
    "fn",
    "struct",
    "enum",
    "trait",
    "const",
    "static",
    "type",
    "union",
    "mod",
    "impl",
    "use",
    "async",
    "unsafe",
    "extern",
    "macro_rules",
];

/// Tokens without those of items, fields and statements that are for tests alone.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let end = attribute_end(tokens, at);
        if end > at && is_for_tests(&tokens[at..end]) {
            at = end;
            while attribute_end(tokens, at) > at {
                at = attribute_end(tokens, at);
            }
            at = item_end(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The position behind an outer attribute that begins here; the position itself where none does.
fn attribute_end(tokens: &[String], at: usize) -> usize {
    let begins =
        tokens.get(at).is_some_and(|token| token == "#") && tokens.get(at + 1).is_some_and(|token| token == "[");
    if begins { group_end(tokens, at + 1) } else { at }
}

/// The position behind the bracket that closes the one here.
fn group_end(tokens: &[String], at: usize) -> usize {
    let mut depth = 0usize;
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

fn is_for_tests(attribute: &[String]) -> bool {
    let has = |name: &str| attribute.iter().any(|token| token == name);
    has("cfg") && has("test") && !has("not")
}

/// The position behind the item, field or statement that begins here.
fn item_end(tokens: &[String], mut at: usize) -> usize {
    let is_item = tokens.get(at).is_some_and(|token| BEGINS.contains(&token.as_str()));
    let is_use = tokens[at..].iter().take(6).any(|token| token == "use");
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            "}" => return at,
            "{" if !is_use => return group_end(tokens, at),
            "(" | "[" | "{" => at = group_end(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Reads one file into its module and its inline modules.
struct Reader<'a> {
    tokens: &'a [String],
    file: Path,
    modules: &'a mut Modules,
    /// Modules with a file of their own that this one declares.
    declared: Vec<Path>,
}

impl Reader<'_> {
    /// Read up to a position as the content of a module.
    fn read(&mut self, module: &Path, mut at: usize, end: usize) {
        let file = self.file.clone();
        let entry = self.modules.entry(module.clone()).or_default();
        entry.file = file;
        while at < end {
            let token = self.tokens[at].as_str();
            let before = at.checked_sub(1).map_or("", |before| self.tokens[before].as_str());
            let next = self.tokens.get(at + 1).map_or("", String::as_str);
            match token {
                "mod" if is_name(next) => {
                    let path = child(module, next);
                    if self.tokens.get(at + 2).is_some_and(|token| token == "{") {
                        let close = group_end(self.tokens, at + 2);
                        self.read(&path, at + 3, close - 1);
                        at = close;
                    } else {
                        self.declared.push(path);
                        at += 3;
                    }
                }
                "use" => at = self.read_use(module, at),
                // `pub(in crate::a)` names where something is seen, and imports nothing.
                "in" if before == "(" && matches!(next, "crate" | "super" | "self") => at = self.path(at + 1).1,
                _ if ITEMS.contains(&token) && is_name(next) => {
                    self.modules.entry(module.clone()).or_default().items.insert(next.to_owned());
                    at += 2;
                }
                _ if is_name(token) && before != "::" && before != "." => {
                    let (path, after) = self.path(at);
                    // `name:` is a field or an argument.
                    let is_label = path.len() == 1 && self.tokens.get(after).is_some_and(|token| token == ":");
                    if !is_label {
                        self.modules.entry(module.clone()).or_default().used.push(path);
                    }
                    at = after;
                }
                _ => at += 1,
            }
        }
    }

    /// A path that begins here, and the position behind it.
    fn path(&self, mut at: usize) -> (Path, usize) {
        let mut path = vec![self.tokens[at].clone()];
        at += 1;
        while self.tokens.get(at).is_some_and(|token| token == "::")
            && self.tokens.get(at + 1).is_some_and(|token| is_name(token))
        {
            path.push(self.tokens[at + 1].clone());
            at += 2;
        }
        (path, at)
    }

    fn read_use(&mut self, module: &Path, at: usize) -> usize {
        // `pub use` and `pub(crate) use` re-export.
        let is_public = at > 0 && matches!(self.tokens[at - 1].as_str(), "pub" | ")");
        let mut leaves = Vec::new();
        let end = self.tree(at + 1, &[], &mut leaves);
        let entry = self.modules.entry(module.clone()).or_default();
        for (path, name) in leaves {
            // Whatever a `*` brings is named somewhere.
            let used = if name == "*" { child(&path, "*") } else { path.clone() };
            if name == "*" {
                entry.globs.push(path);
            } else {
                entry.names.insert(name, path);
            }
            if !is_public {
                entry.used.push(used);
            }
        }
        end
    }

    /// Read one tree of a `use`: each path with the name that it gets here.
    fn tree(&self, mut at: usize, prefix: &[String], leaves: &mut Vec<(Path, String)>) -> usize {
        let mut path = prefix.to_vec();
        if self.tokens.get(at).is_some_and(|token| token == ",") {
            return at + 1;
        }
        loop {
            match self.tokens.get(at).map(String::as_str) {
                Some("{") => {
                    let end = group_end(self.tokens, at);
                    at += 1;
                    while at + 1 < end {
                        at = self.tree(at, &path, leaves).max(at + 1);
                    }
                    return end;
                }
                Some("*") => {
                    leaves.push((path, "*".to_owned()));
                    return at + 1;
                }
                Some("self") if !path.is_empty() => {}
                Some(name) if is_name(name) => path.push(name.to_owned()),
                Some("::") => {}
                _ => break,
            }
            at += 1;
            if self.tokens.get(at).is_some_and(|token| token == "as") {
                let name = self.tokens.get(at + 1).cloned().unwrap_or_default();
                leaves.push((path, name));
                return at + 2;
            }
            if self.tokens.get(at).is_none_or(|token| token != "::") {
                break;
            }
            at += 1;
        }
        if let Some(name) = path.last().cloned().filter(|_| path.len() > prefix.len() || path == prefix) {
            leaves.push((path, name));
        }
        at
    }
}

fn child(module: &[String], name: &str) -> Path {
    let mut path = module.to_vec();
    path.push(name.to_owned());
    path
}

/// Where the file of a module may lie, under the folder of its crate's source.
fn files_of(module: &[String]) -> [PathBuf; 2] {
    let path: PathBuf = module.iter().collect();
    [path.with_extension("rs"), path.join("mod.rs")]
}

/// Read a crate, from its `lib.rs` on.
fn read(source: &dyn Fn(&FilePath) -> Option<String>) -> Modules {
    let mut modules = Modules::new();
    let mut open: Vec<(Path, String)> =
        source(FilePath::new("lib.rs")).map(|text| (Path::new(), text)).into_iter().collect();
    while let Some((module, text)) = open.pop() {
        let mut tokens = without_tests(&tokens(&text));
        // serde names functions in strings.
        tokens.extend(named_in_strings(&text));
        let end = tokens.len();
        let mut reader = Reader { tokens: &tokens, file: module.clone(), modules: &mut modules, declared: Vec::new() };
        reader.read(&module, 0, end);
        for path in reader.declared {
            let text = files_of(&path).iter().find_map(|file| source(file));
            open.extend(text.map(|text| (path, text)));
        }
    }
    modules
}

/// The tokens of paths such as `#[serde(with = "crate::portable::votes")]`.
fn named_in_strings(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let named = code.split("with = \"crate::").skip(1).filter_map(|rest| rest.split_once('"'));
    // The function of that module.
    named.flat_map(|(path, _)| tokens(&format!("; crate::{path}::serialize"))).collect()
}

/// Where a path leads.
#[derive(Debug, PartialEq)]
enum Target {
    /// A module as a whole.
    Module(Path),
    /// An item of a module.
    Item(Path),
}

/// What a path leads to that is named in a module; `None` outside of the crate.
fn resolve(modules: &Modules, module: &[String], path: &[String], steps: usize) -> Option<Target> {
    if steps > MAX_STEPS {
        return None;
    }
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => walk(modules, Path::new(), rest, steps),
        "self" => walk(modules, module.to_vec(), rest, steps),
        "super" => {
            let (_, parent) = module.split_last()?;
            // `super::super`.
            if rest.first().is_some_and(|name| name == "super") {
                return resolve(modules, parent, rest, steps);
            }
            walk(modules, parent.to_vec(), rest, steps)
        }
        name => {
            let scope = &modules[module];
            let is_known = modules.contains_key(&child(module, name)) || scope.names.contains_key(name);
            is_known.then(|| walk(modules, module.to_vec(), path, steps)).flatten()
        }
    }
}

/// Follow a path from a module on.
fn walk(modules: &Modules, module: Path, path: &[String], steps: usize) -> Option<Target> {
    let scope = modules.get(&module)?;
    let Some((name, rest)) = path.split_first() else { return Some(Target::Module(module)) };
    if let Some(named) = scope.names.get(name)
        // A module may name itself: `use self::a::a`.
        && !(rest.is_empty() && modules.contains_key(&child(&module, name)) && scope.items.contains(name))
    {
        match resolve_use(modules, &module, named, steps + 1) {
            Some(Target::Module(module)) => return walk(modules, module, rest, steps + 1),
            // A module and a function may have one name, and only the module has something within.
            Some(Target::Item(_)) if !rest.is_empty() && modules.contains_key(&child(&module, name)) => {}
            other => return other,
        }
    }
    if modules.contains_key(&child(&module, name)) {
        return walk(modules, child(&module, name), rest, steps);
    }
    if !scope.items.contains(name) {
        for glob in &scope.globs {
            if let Some(Target::Module(other)) = resolve_use(modules, &module, glob, steps + 1)
                && other != module
                && (modules[&other].items.contains(name) || modules[&other].names.contains_key(name))
            {
                return walk(modules, other, path, steps + 1);
            }
        }
    }
    Some(Target::Item(module))
}

/// What the path of a `use` leads to. It never leads to the name that it brings itself.
fn resolve_use(modules: &Modules, module: &[String], path: &[String], steps: usize) -> Option<Target> {
    let first = path.first()?;
    let is_child = modules.contains_key(&child(module, first));
    let is_relative = !matches!(first.as_str(), "crate" | "self" | "super");
    if is_relative && is_child {
        let (name, rest) = path.split_first()?;
        return walk(modules, child(module, name), rest, steps);
    }
    if is_relative && path.len() == 1 {
        return None;
    }
    resolve(modules, module, path, steps)
}

/// Which modules import which, by their files' paths, each with what it names.
fn imports(modules: &Modules) -> BTreeMap<Path, BTreeMap<Path, String>> {
    let mut all: BTreeMap<Path, BTreeMap<Path, String>> = BTreeMap::new();
    for (path, module) in modules {
        let from = all.entry(module.file.clone()).or_default();
        for used in &module.used {
            let Some(Target::Item(target)) = resolve(modules, path, used, 0) else { continue };
            let target = modules[&target].file.clone();
            if target != module.file {
                from.entry(target).or_insert_with(|| used.join("::"));
            }
        }
    }
    all
}

/// The modules that a module leads to, itself only over others.
fn reached(imports: &BTreeMap<Path, BTreeMap<Path, String>>, from: &Path) -> BTreeSet<Path> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in imports.get(module).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

/// The import circles of a crate: the modules of each, and what they name of each other.
fn circles(modules: &Modules) -> Vec<String> {
    let imports = imports(modules);
    let reach: BTreeMap<&Path, BTreeSet<Path>> =
        imports.keys().map(|module| (module, reached(&imports, module))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for module in imports.keys() {
        if seen.contains(module) || !reach[module].contains(module) {
            continue;
        }
        let members: BTreeSet<_> = reach[module].iter().filter(|other| reach[other].contains(module)).collect();
        seen.extend(members.iter().copied().cloned());
        let edges = members.iter().flat_map(|from| {
            let names = imports[*from].iter().filter(|(to, _)| members.contains(to));
            names.map(|(to, name)| format!("    {} → {} by `{name}`", named(from), named(to)))
        });
        let edges: Vec<_> = edges.collect();
        let count = members.len();
        found.push(format!("a circle of {count} modules:\n{}", edges.join("\n")));
    }
    found
}

fn named(module: &[String]) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("::") }
}

#[test]
fn no_modules_import_each_other() {
    let mut wrong = Vec::new();
    for (name, ..) in CRATES {
        let source = if *name == "." { root().join("src") } else { root().join("crates").join(name).join("src") };
        let modules = read(&|file| fs::read_to_string(source.join(file)).ok());
        assert!(modules.len() > 3, "the modules of {name} were not found");
        wrong.extend(circles(&modules).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
