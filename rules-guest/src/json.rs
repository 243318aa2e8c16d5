//! JSON that says where it went wrong.

use serde::Deserialize;

/// Where and why a text is not what it should be.
pub(crate) struct Fault {
    /// The path of the field, such as `lines[0].amount`; empty where it is the text as a whole.
    pub(crate) path: String,
    error: serde_json::Error,
}

/// Reads the whole of a text.
pub(crate) fn parse<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(Fault::at_path)?;
    deserializer.end().map_err(|error| Fault { path: String::new(), error })?;
    Ok(value)
}

impl Fault {
    /// Returns what is wrong, with line and column.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn reason(&self) -> String {
        self.error.to_string()
    }

    /// Returns what is wrong, without line and column: for a text that its reader did not write as it stands.
    pub(crate) fn reason_without_place(&self) -> String {
        const PLACE: &[u8] = b" at line ";
        let mut reason = self.error.to_string();
        // Bytes, because a search for text would add 900 bytes to every policy.
        if let Some(place) = reason.as_bytes().windows(PLACE.len()).rposition(|window| window == PLACE) {
            reason.truncate(place);
        }
        reason
    }

    fn at_path(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        Self { path: if path == "." { String::new() } else { path }, error: error.into_inner() }
    }
}
