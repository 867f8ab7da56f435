//! The JSON Schema of the definitions files and of config.yaml, from the very table that `check` goes by.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::grammar::{Keys, Shape};
use super::{file, table};

/// Of the definitions files (`rules/*.yaml`, `flows/*.yaml`), draft 2020-12.
pub fn schema() -> Value {
    whole("ifthen definitions", &table::FILE)
}

/// Of config.yaml, draft 2020-12.
pub fn schema_config() -> Value {
    whole("ifthen config.yaml", &file::table::FILE)
}

fn whole(title: &str, shape: &'static Shape) -> Value {
    let mut defs = Defs::default();
    let root = of(shape, &mut defs);
    let named: Map<String, Value> = defs.done.into_iter().collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "$ref": root["$ref"],
        "$defs": named,
    })
}

/// Objects by name, each written once.
#[derive(Default)]
struct Defs {
    names: BTreeMap<usize, String>,
    done: BTreeMap<String, Value>,
}

fn of(shape: &'static Shape, defs: &mut Defs) -> Value {
    let scalar = json!({ "type": ["string", "number", "boolean"] });
    match shape {
        Shape::Text | Shape::Name | Shape::Condition | Shape::Secret => scalar,
        Shape::Word(words) => json!({ "enum": words }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Count(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Duration => json!({ "type": "string", "pattern": r"^(\s*\d+[smhdw])+$" }),
        Shape::Span => json!({ "type": "string" }),
        Shape::Rate => json!({ "type": "string", "pattern": r"^\d+\s*/(\s*\d+[smhdw])+$" }),
        Shape::Address | Shape::Network | Shape::Zone | Shape::Url => json!({ "type": "string" }),
        Shape::Hours => json!({ "type": "string", "pattern": r"^\d?\d:\d\d\s*-\s*\d?\d:\d\d$" }),
        Shape::Days => json!({ "type": "string", "pattern": r"^\d{4}-\d\d-\d\d(\s*\.\.\s*\d{4}-\d\d-\d\d)?$" }),
        Shape::Any => json!(true),
        Shape::List(item) => json!({ "type": "array", "minItems": 1, "items": of(item, defs) }),
        Shape::OneOrMore(item) => {
            let item = of(item, defs);
            json!({ "anyOf": [item, { "type": "array", "minItems": 1, "items": item }] })
        }
        Shape::Map(value) | Shape::Ids(value) => json!({ "type": "object", "additionalProperties": of(value, defs) }),
        Shape::Keys(keys) => object(keys, defs),
        Shape::ScalarOr(first, second) | Shape::With(_, first, second) => json!({ "anyOf": [of(first, defs), of(second, defs)] }),
        Shape::ListOr(item, second) => {
            json!({ "anyOf": [{ "type": "array", "minItems": 1, "items": of(item, defs) }, of(second, defs)] })
        }
    }
}

fn object(keys: &'static Keys, defs: &mut Defs) -> Value {
    let place = std::ptr::from_ref(keys).addr();
    if let Some(name) = defs.names.get(&place) {
        return json!({ "$ref": format!("#/$defs/{name}") });
    }
    let word: String = keys.what.0.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let mut name = word.trim_matches('_').trim_start_matches("a_").trim_start_matches("an_").to_owned();
    while defs.names.values().any(|n| *n == name) {
        name.push('_'); // `http` the action and `http` the connection are never in one schema; still, none may hide another
    }
    defs.names.insert(place, name.clone());
    let mut properties = Map::new();
    for key in keys.all() {
        let mut value = of(&key.shape, defs);
        if !value.is_object() {
            value = json!({});
        }
        value["description"] = json!(format!("{} / {}", key.doc.0, key.doc.1));
        properties.insert(key.name.to_owned(), value);
    }
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let required: Vec<_> = keys.all().filter(|k| k.required).map(|k| k.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if let Some(groups) = (!keys.one_of.is_empty()).then_some(keys.one_of) {
        let one = |group: &[&str]| json!({ "oneOf": group.iter().map(|k| json!({ "required": [k] })).collect::<Vec<_>>() });
        schema["allOf"] = groups.iter().map(|g| one(g)).collect();
    }
    defs.done.insert(name.clone(), schema);
    json!({ "$ref": format!("#/$defs/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        for schema in [schema(), schema_config()] {
            let text = schema.to_string();
            for part in text.split("\"#/$defs/").skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(schema["$defs"].get(name).is_some(), "{name}");
            }
            assert!(schema["$defs"].as_object().unwrap().len() > 8);
        }
    }
}
