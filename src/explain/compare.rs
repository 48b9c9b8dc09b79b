//! Owns the comparison of two records, field by field.

use serde_json::Value;

/// A field that is not as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its name, those of the parts it lies in before it, as `evidence.log_sr`.
    pub field: String,
    /// What the topic says; null where it lacks the field.
    pub told: Value,
    /// What follows from the records; null where they give none.
    pub recomputed: Value,
}

/// The fields in which two records differ, in the order of their names.
pub(super) fn differences(told: &Value, recomputed: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", told, recomputed, &mut found);
    found
}

fn compare(field: &str, told: &Value, recomputed: &Value, found: &mut Vec<Difference>) {
    let inside = |name: &str| match field {
        "" => name.to_owned(),
        _ => format!("{field}.{name}"),
    };
    match (told, recomputed) {
        (Value::Object(told), Value::Object(recomputed)) => {
            let mut names: Vec<&String> = told.keys().chain(recomputed.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let (one, other) = (told.get(name), recomputed.get(name));
                let (one, other) = (one.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null));
                compare(&inside(name), one, other, found);
            }
        }
        (Value::Array(told), Value::Array(recomputed)) if told.len() == recomputed.len() => {
            for (n, (one, other)) in told.iter().zip(recomputed).enumerate() {
                compare(&inside(&n.to_string()), one, other, found);
            }
        }
        _ if told == recomputed => {}
        _ => found.push(Difference {
            field: field.to_owned(),
            told: told.clone(),
            recomputed: recomputed.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_differ_are_named_with_the_parts_they_lie_in() {
        let told =
            json!({"a": 1, "b": {"c": 2.5, "d": "x"}, "e": [1, {"f": 2}], "g": [1], "h": null});
        let other =
            json!({"a": 1, "b": {"c": 2.6, "d": "x"}, "e": [1, {"f": 3}], "g": [1, 2], "i": 0});
        let found = differences(&told, &other);
        let names: Vec<&str> = found.iter().map(|d| d.field.as_str()).collect();
        assert_eq!(names, ["b.c", "e.1.f", "g", "i"]);
        assert_eq!(
            (&found[0].told, &found[0].recomputed),
            (&json!(2.5), &json!(2.6))
        );
        assert_eq!(differences(&told, &told), []);
    }
}
