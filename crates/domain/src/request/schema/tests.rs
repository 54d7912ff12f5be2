use serde_json::{Value, json};

use super::Schema;

fn parse(schema: &Value) -> Schema {
    Schema::parse(&schema.to_string()).unwrap_or_else(|problem| panic!("{schema}: {problem}"))
}

#[test]
fn schemas_become_what_the_converter_takes() {
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    for (schema, expected) in [
        (json!(true), json!({})),
        (json!({}), json!({})),
        (json!({ "type": "integer" }), json!({ "type": "integer" })),
        (
            json!({ "type": "object", "properties": { "a": true }, "required": ["a"] }),
            object(json!({ "a": {} }), json!(["a"])),
        ),
        (json!({ "properties": { "a": true } }), object(json!({ "a": {} }), json!([]))),
        (
            json!({ "properties": { "a": { "type": "null" }, "b": false } }),
            object(json!({ "a": { "type": "null" } }), json!([])),
        ),
        (json!({ "type": "object", "required": ["a"] }), {
            json!({ "type": "object", "properties": { "a": {} }, "required": ["a"], "additionalProperties": true })
        }),
        (
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }], "items": false }),
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }] }),
        ),
        (
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }], "items": { "type": "null" }, "minItems": 2 }),
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "null" }] }),
        ),
        (json!({ "type": "array", "items": false }), json!({ "type": "array", "maxItems": 0 })),
        (
            json!({ "$defs": { "a": { "$anchor": "A", "type": "integer" } }, "$ref": "#A" }),
            json!({ "$ref": "#/$defs/d0", "$defs": { "d0": { "type": "integer" } } }),
        ),
        (
            json!({ "$defs": { "a/b": { "type": "null" } }, "items": { "$ref": "#/$defs/a~1b" } }),
            json!({ "type": "array", "items": { "$ref": "#/$defs/d0" }, "$defs": { "d0": { "type": "null" } } }),
        ),
        (
            json!({ "$id": "https://x/s", "$defs": { "a": { "$id": "a", "type": "null" } }, "$ref": "a" }),
            json!({ "$ref": "#/$defs/d0", "$defs": { "d0": { "type": "null" } } }),
        ),
        (json!({ "properties": { "child": { "$ref": "#" } } }), {
            let node = object(json!({ "child": { "$ref": "#/$defs/d0" } }), json!([]));
            let mut root = node.clone();
            root["$defs"] = json!({ "d0": node });
            root
        }),
        (json!({ "allOf": [{ "type": "string" }, { "minLength": 3 }] }), json!({ "type": "string", "minLength": 3 })),
        (
            json!({ "type": "object", "properties": { "a": {}, "b": {} }, "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
            json!({ "anyOf": [
                object(json!({ "a": {}, "b": {} }), json!(["a"])), object(json!({ "a": {}, "b": {} }), json!(["b"])),
            ] }),
        ),
        (
            json!({ "$defs": { "s": { "type": "string" } }, "$ref": "#/$defs/s", "maxLength": 4 }),
            json!({ "type": "string", "maxLength": 4 }),
        ),
        (json!({ "enum": [1, "a", null], "type": ["string", "null"] }), json!({ "enum": ["a", null] })),
        (json!({ "const": { "a": [1] } }), json!({ "const": { "a": [1] } })),
        (json!({ "type": ["string", "null"] }), json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })),
        (json!({ "type": "integer", "exclusiveMinimum": 3, "maximum": 9.5 }), {
            json!({ "type": "integer", "minimum": 4, "maximum": 9 })
        }),
        (json!({ "type": "integer", "minimum": -1e300 }), json!({ "type": "integer" })),
        (json!({ "anyOf": [false, { "type": "null" }] }), json!({ "type": "null" })),
        (json!({ "type": "string", "pattern": "^a+$" }), json!({ "type": "string", "pattern": "^a+$" })),
        (json!({ "type": "string", "pattern": "(?=a)" }), json!({ "type": "string" })),
        (json!({ "type": "string", "maxLength": 100_000 }), json!({ "type": "string" })),
        (json!({ "type": "string", "format": "date" }), json!({ "type": "string", "format": "date" })),
    ] {
        let converted: Value = serde_json::from_str(&parse(&schema).converted).unwrap();
        assert_eq!(converted, expected, "{schema}");
    }
}

#[test]
fn what_is_not_held_is_noted_with_its_place() {
    for (schema, expected) in [
        (json!({ "items": { "type": "integer", "multipleOf": 3 }, "uniqueItems": true }), {
            vec!["multipleOf at #/items", "uniqueItems at #"]
        }),
        (json!({ "properties": { "a": { "type": "string", "pattern": "\\bx" } } }), vec!["pattern at #/properties/a"]),
        (json!({ "not": { "type": "null" }, "type": ["integer", "null"] }), vec!["not at #"]),
        (json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] }, "type": "object" }), vec!["if at #"]),
        (json!({ "oneOf": [{ "type": "null" }, { "type": "string" }] }), vec!["oneOf at #"]),
        (json!({ "type": "number", "minimum": 3 }), vec!["minimum at #"]),
        (json!({ "uniqueItems": false, "type": "array" }), vec![]),
    ] {
        assert_eq!(parse(&schema).loose, expected, "{schema}");
    }
}

#[test]
fn what_is_refused_names_the_keyword_and_its_place() {
    let deep = "[".repeat(5000);
    for (schema, at, reason) in [
        ("{", "#", "no JSON"),
        (deep.as_str(), "#", "no JSON"),
        ("7", "#", "an object, or true or false"),
        ("false", "#", "nothing can match: `false`"),
        (r##"{"$ref":"#/$defs/none"}"##, "#/$ref", "there is no `#/$defs/none`"),
        (r#"{"$ref":"https://example.org/s.json"}"#, "#/$ref", "there is no `https://example.org/s.json`"),
        (
            r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##,
            "#/$defs/b/$ref",
            "without end",
        ),
        (
            r##"{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}},"$ref":"#/$defs/a"}"##,
            "#/$defs/a/anyOf/0/$ref",
            "without end",
        ),
        (r#"{"type":"object","properties":{"age":{"type":"strin"}}}"#, "#/properties/age/type", "strin"),
        (r#"{"type":"string","minLength":5,"maxLength":2}"#, "#/minLength", "`minLength` 5 is above `maxLength` 2"),
        (r#"{"type":"integer","minimum":5,"maximum":2}"#, "#/minimum", "above"),
        (r#"{"type":"array","minItems":3,"maxItems":2}"#, "#/minItems", "above"),
        (r#"{"properties":{"a":false},"required":["a"]}"#, "#/properties/a", "`false` matches nothing"),
        (r#"{"required":["b"],"additionalProperties":false}"#, "#/required", "`b` is required"),
        (r#"{"enum":[1,2],"type":"string"}"#, "#/enum", "no value"),
        (r#"{"allOf":[{"type":"string"},{"type":"null"}]}"#, "#/allOf/1/type", "nothing in common"),
        (r#"{"not":{}}"#, "#/not", "excludes everything"),
        (r#"{"type":"string","maxLength":"3"}"#, "#/maxLength", "maxLength"),
        (r#"{"type":"string","pattern":"("}"#, "#/pattern", "regex"),
    ] {
        let problem = Schema::parse(schema).unwrap_err();
        assert!(problem.at.starts_with(at) && problem.reason.contains(reason), "{schema}: {problem}");
    }
}

#[test]
fn many_optional_properties_take_no_time() {
    let properties: serde_json::Map<String, Value> =
        (0..3000).map(|n| (format!("p{n}"), json!({ "type": "integer" }))).collect();
    let schema = parse(&json!({ "type": "object", "properties": properties, "required": ["p7"] }));
    assert!(schema.converted.len() < 1000, "{}", schema.converted);
    assert_eq!(schema.loose.len(), 1);
    let branches: Vec<Value> =
        (0..300).map(|n| json!({ "anyOf": [{ "const": n }, { "$ref": "#/$defs/a" }] })).collect();
    let wide = json!({ "$defs": { "a": { "anyOf": branches } }, "allOf": [{ "$ref": "#/$defs/a" }] });
    assert!(Schema::parse(&wide.to_string()).is_err(), "it refers to itself");
}

#[test]
fn an_answer_is_held_against_its_schema() {
    let schema = parse(&json!({ "properties": { "n": { "multipleOf": 3 } }, "required": ["n"] }));
    for (answer, breach) in [
        ("{\"n\": 9}\n", None),
        ("{\"n\": 7}", Some("/n: 7 is not a multiple of 3")),
        ("{}", Some("\"n\" is a required property")),
        ("{\"n\": ", Some("it ends before its JSON does")),
        (" ", Some("it is empty")),
        ("yes", Some("it is no JSON")),
    ] {
        match (schema.breach(answer), breach) {
            (None, None) => {}
            (Some(said), Some(breach)) => assert!(said.contains(breach), "{answer}: {said}"),
            (said, _) => panic!("{answer}: {said:?}"),
        }
    }
}
