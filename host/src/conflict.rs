//! Conflicts: two events under one name.

use jifen_loyalty::InvalidEvent;
use serde_json::Value;

/// The name of the refusal of an event whose name another one has.
const CONFLICT: &str = "conflict";

/// Returns the refusal of an event whose name another one has, with the first field in which they differ.
pub(crate) fn conflict(first: &[u8], second: &[u8]) -> InvalidEvent {
    let read = |json: &[u8]| serde_json::from_slice(json).unwrap_or(Value::Null);
    let field = difference("", &read(first), &read(second)).unwrap_or_else(|| "event".to_owned());
    let reason = format!(
        "{CONFLICT}: another event has the same source and id and differs here; send a correction under an id of its own"
    );
    InvalidEvent { field, reason }
}

/// Returns whether a refusal is that of an event whose name another one has.
pub(crate) fn is_conflict(refusal: &InvalidEvent) -> bool {
    refusal.name() == Some(CONFLICT)
}

/// Returns the path of the first value that is not the same in both.
pub(crate) fn difference(path: &str, first: &Value, second: &Value) -> Option<String> {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            let keys = first.keys().chain(second.keys().filter(|key| !first.contains_key(*key)));
            let within = |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let value =
                |object: &serde_json::Map<String, Value>, key| object.get(key).cloned().unwrap_or_default();
            keys.into_iter().find_map(|key| difference(&within(key), &value(first, key), &value(second, key)))
        }
        (Value::Array(first), Value::Array(second)) if first.len() == second.len() => {
            let pairs = first.iter().zip(second).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (first, second))| difference(&format!("{path}[{index}]"), first, second))
        }
        (first, second) => (first != second).then(|| path.to_owned()),
    }
}
