//! References within a schema: pointers, anchors, identifiers.

use std::collections::HashMap;

use serde_json::Value;

/// Where names in a schema point.
pub(super) struct References<'a> {
    root: &'a Value,
    /// Places, as pointers, by anchor or identifier.
    names: HashMap<String, String>,
}

impl<'a> References<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        let mut references = Self { root, names: HashMap::new() };
        references.collect(root, "");
        references
    }

    fn collect(&mut self, value: &Value, at: &str) {
        match value {
            Value::Object(object) => {
                for keyword in ["$anchor", "$dynamicAnchor"] {
                    if let Some(name) = object.get(keyword).and_then(Value::as_str) {
                        self.names.entry(format!("#{name}")).or_insert_with(|| at.to_owned());
                    }
                }
                for keyword in ["$id", "id"] {
                    if let Some(name) = object.get(keyword).and_then(Value::as_str) {
                        self.names.entry(name.trim_end_matches('#').to_owned()).or_insert_with(|| at.to_owned());
                    }
                }
                for (name, value) in object {
                    // Values of these are data.
                    if !matches!(name.as_str(), "const" | "enum" | "default" | "examples") {
                        self.collect(value, &join(at, name));
                    }
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.collect(value, &join(at, &index.to_string()));
                }
            }
            _ => {}
        }
    }

    /// The place that a reference points to, as a JSON pointer, and the value there.
    pub(super) fn resolve(&self, reference: &str) -> Option<(String, &'a Value)> {
        let place = self.place(reference)?;
        Some((place.clone(), self.root.pointer(&place)?))
    }

    fn place(&self, reference: &str) -> Option<String> {
        if let Some(place) = self.names.get(reference) {
            return Some(place.clone());
        }
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = if document.is_empty() {
            String::new()
        } else {
            let is_it = |name: &str| name == document || name.rsplit('/').next() == Some(document);
            self.names.iter().find(|(name, _)| is_it(name)).map(|(_, place)| place.clone())?
        };
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
        match fragment.as_ref() {
            "" => Some(base),
            pointer if pointer.starts_with('/') => Some(format!("{base}{pointer}")),
            anchor => self.names.get(&format!("#{anchor}")).cloned(),
        }
    }
}

/// A pointer with one more step.
pub(super) fn join(at: &str, step: &str) -> String {
    format!("{at}/{}", step.replace('~', "~0").replace('/', "~1"))
}
