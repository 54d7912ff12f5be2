//! Circles in small sources, each seen or rightly not reported.

use super::*;

/// Sources by the paths of their files, as a crate that declares them in its root.
fn of_sources(sources: &[(&str, &str)]) -> Modules {
    let known: BTreeMap<&str, &str> = sources.iter().copied().collect();
    let root: String = ["a", "b", "c"].map(|name| format!("pub mod {name};\n")).concat();
    read(&|file| match file.to_str()? {
        "lib.rs" => Some(format!("{root}{}", known.get("lib.rs").unwrap_or(&""))),
        path => known.get(path).map(|text| (*text).to_owned()),
    })
}

#[test]
fn each_circle_is_seen() {
    let item = "pub struct A; pub fn f() {}";
    for (what, sources) in [
        ("by `use`", &[("a.rs", "use crate::b::B; pub struct A;"), ("b.rs", "use crate::a::A; pub struct B;")][..]),
        ("by a path", &[("a.rs", "pub fn f() { crate::b::f() }"), ("b.rs", "pub fn f() { super::a::f() }")]),
        (
            "by a group",
            &[
                ("a.rs", "use crate::{b::{self, B}, c}; pub struct A(B);"),
                ("b.rs", "use crate::a::A as X; pub struct B;"),
            ],
        ),
        (
            "by a module's name",
            &[("a.rs", "use crate::b; pub fn f() { b::f() }"), ("b.rs", "use crate::a; pub fn f() { a::f() }")],
        ),
        ("by `*`", &[("a.rs", "use crate::b::*; pub struct A;"), ("b.rs", "use crate::a::A; pub struct B;")]),
        (
            "by an inline module",
            &[("a.rs", "mod inner { use crate::b::B; } pub struct A;"), ("b.rs", "use crate::a::A; pub struct B;")],
        ),
        (
            "by a function of serde",
            &[
                ("a.rs", "struct A { #[serde(with = \"crate::b::form\")] a: u8 }"),
                ("b.rs", "use crate::a::A; pub mod form {}"),
            ],
        ),
        (
            "over a third",
            &[
                ("a.rs", "use crate::b::B; pub struct A;"),
                ("b.rs", "use crate::c::C; pub struct B;"),
                ("c.rs", "use crate::a::A; pub struct C;"),
            ],
        ),
        (
            "over a re-export of the root",
            &[
                ("a.rs", "use crate::B; pub struct A;"),
                ("b.rs", "use crate::a::A; pub struct B;"),
                ("lib.rs", "pub use b::B;"),
            ],
        ),
        (
            "with a parent that has items",
            &[("a.rs", "mod inner; pub struct A(inner::B);"), ("a/inner.rs", "use super::A; pub struct B;")],
        ),
        (
            "with a parent that uses what it re-exports",
            &[("a.rs", "mod inner; pub use inner::B; pub struct A(B);"), ("a/inner.rs", "use super::A; pub struct B;")],
        ),
        (
            "between siblings",
            &[
                ("a/mod.rs", "mod one; mod two;"),
                ("a/one.rs", "use super::two::B; pub struct A;"),
                ("a/two.rs", "use super::one::A; pub struct B;"),
            ],
        ),
    ] {
        assert_eq!(circles(&of_sources(sources)).len(), 1, "{what}");
    }
    assert_eq!(circles(&of_sources(&[("a.rs", item), ("b.rs", "use crate::a::{A, f};")])), [""; 0]);
}

#[test]
fn a_function_with_its_modules_name_makes_no_circle() {
    let sources = [
        ("lib.rs", "pub use a::a;"),
        ("a.rs", "mod inner; mod one; mod two; pub fn a() { inner::f() }"),
        ("a/inner.rs", "use crate::a::{one, two}; pub(in crate::a) fn f() { one::f(); two::f() }"),
        ("a/one.rs", "pub fn f() {}"),
        ("a/two.rs", "pub fn f() {}"),
    ];
    assert_eq!(circles(&of_sources(&sources)), [""; 0]);
}

#[test]
fn what_is_no_circle_is_not_reported() {
    for (what, sources) in [
        (
            "a parent that declares and re-exports",
            &[
                ("a.rs", "mod inner; mod other; pub use inner::B;"),
                ("a/inner.rs", "pub struct B;"),
                ("a/other.rs", "use super::B;"),
            ][..],
        ),
        (
            "a re-export of the root",
            &[
                ("a.rs", "use crate::B; pub struct A;"),
                ("b.rs", "pub struct B;"),
                ("lib.rs", "pub use a::A; pub use b::B;"),
            ],
        ),
        (
            "a module that tests",
            &[
                ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
                ("b.rs", "use crate::a::A; pub struct B;"),
            ],
        ),
        (
            "an item for tests",
            &[
                (
                    "a.rs",
                    "pub struct A; #[cfg(any(test, feature = \"testing\"))] #[must_use] pub fn f() { crate::b::f() }",
                ),
                ("b.rs", "use crate::a::A; pub fn f() {}"),
            ],
        ),
        (
            "a field and a comment",
            &[
                ("a.rs", "use crate::b::f; pub struct A { g: u8 } // crate::b::g"),
                ("b.rs", "pub fn f() {} pub fn g() { \"crate::a::A\"; }"),
            ],
        ),
        ("another crate", &[("a.rs", "use b::B; pub struct A; use std::fmt;"), ("b.rs", "use crate::a::A;")]),
    ] {
        assert_eq!(circles(&of_sources(sources)), [""; 0], "{what}");
    }
}
