//! What is written fits the schema that is printed.

use serde_json::Value;

use super::{NODE, QUESTIONS, podnet, run};

#[test]
fn what_is_written_fits_the_schema_that_is_printed() {
    for question in QUESTIONS {
        let schema: Value = serde_json::from_str(&run(&mut podnet(&["schema", question[0]])).out).unwrap();
        let ran = run(podnet(&["--from", NODE, "-o", "json"]).args(question));
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        let mut faults = Vec::new();
        Checker { root: &schema }.whole(&document, &schema, question[0], &mut faults);
        assert_eq!(faults, Vec::<String>::new(), "{question:?}");
    }
}

/// The part of JSON Schema that tells which fields there are: `$ref`, `properties`, `required`,
/// `items`, `type`, `enum`, `const` and unions.
struct Checker<'a> {
    root: &'a Value,
}

impl<'a> Checker<'a> {
    fn target(&self, schema: &Value) -> Option<&'a Value> {
        self.root.pointer(schema["$ref"].as_str()?.trim_start_matches('#'))
    }

    fn choices(schema: &Value) -> impl Iterator<Item = &Vec<Value>> {
        ["anyOf", "oneOf"].into_iter().filter_map(|union| schema[union].as_array())
    }

    /// Every field that a value of this schema may have, through references and unions.
    fn fields(&self, schema: &Value, found: &mut Vec<String>) {
        found.extend(schema["properties"].as_object().into_iter().flat_map(|known| known.keys().cloned()));
        if let Some(target) = self.target(schema) {
            self.fields(target, found);
        }
        Self::choices(schema).flatten().for_each(|choice| self.fields(choice, found));
    }

    /// A value, and that it has no field which the schema does not know.
    fn whole(&self, value: &Value, schema: &Value, place: &str, faults: &mut Vec<String>) {
        self.part(value, schema, place, faults);
        if let Some(fields) = value.as_object()
            && schema.get("additionalProperties").is_none()
        {
            let mut known = Vec::new();
            self.fields(schema, &mut known);
            if !known.is_empty() {
                let unknown = fields.keys().filter(|name| !known.contains(name));
                faults.extend(unknown.map(|name| format!("{place}: {name} is not in the schema")));
            }
        }
    }

    fn part(&self, value: &Value, schema: &Value, place: &str, faults: &mut Vec<String>) {
        if schema.get("$ref").is_some() {
            match self.target(schema) {
                Some(target) => self.part(value, target, place, faults),
                None => faults.push(format!("{place}: {} leads nowhere", schema["$ref"])),
            }
        }
        for choices in Self::choices(schema) {
            let tried = choices.iter().map(|choice| {
                let mut found = Vec::new();
                self.part(value, choice, place, &mut found);
                found
            });
            let tried: Vec<Vec<String>> = tried.collect();
            if !tried.iter().any(Vec::is_empty) {
                faults.push(format!("{place}: fits none of {}: {tried:?}", choices.len()));
            }
        }
        Self::plain(value, schema, place, faults);
        if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
            for (at, item) in items.iter().enumerate() {
                self.whole(item, schema, &format!("{place}[{at}]"), faults);
            }
        }
        if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            for (name, field) in fields {
                if let Some(schema) = known.get(name) {
                    self.whole(field, schema, &format!("{place}.{name}"), faults);
                }
            }
        }
    }

    fn plain(value: &Value, schema: &Value, place: &str, faults: &mut Vec<String>) {
        if schema.get("const").is_some_and(|wanted| wanted != value) {
            faults.push(format!("{place}: {value} is not {}", schema["const"]));
        }
        if schema["enum"].as_array().is_some_and(|wanted| !wanted.contains(value)) {
            faults.push(format!("{place}: {value} is not in {}", schema["enum"]));
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is_number = kind == "integer" && kinds.contains(&"number");
        if !(kinds.is_empty() || kinds.contains(&kind) || is_number) {
            faults.push(format!("{place}: is {kind}, should be {kinds:?}"));
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(fields) = value.as_object() {
            faults.extend(
                required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{place}: {name} is missing")),
            );
        }
    }
}
