//! Descriptions: what a policy says of itself, in a section of its component.
//!
//! The section is named `jifen-policy` and holds the policy's `policy.toml`. It lies in the component or in its core
//! module, wherever the guest's toolchain put it.

use std::collections::BTreeMap;

use jifen_author::DESCRIPTION;
use serde::Deserialize;
use serde::de::IgnoredAny;
use wasmparser::{Parser, Payload};

use crate::words::Words;

/// What a policy says of itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Description {
    /// Its name.
    pub(crate) name: String,
    /// Its semantic version.
    pub(crate) version: String,
    /// What it does.
    #[serde(default)]
    pub(crate) summary: Words,
    /// Words for the reasons it gives, by code.
    #[serde(default)]
    pub(crate) reasons: BTreeMap<String, Words>,
}

impl Description {
    /// Returns the description in a component, if it has one that can be read.
    pub(crate) fn of(component: &[u8]) -> Option<Self> {
        toml::from_str(&text(component)?).ok()
    }

    /// Returns the words for a reason, English first.
    pub(crate) fn reason(&self, code: &str) -> Option<String> {
        self.words(code).map(|words| format!("{} / {}", words.en, words.zh))
    }

    /// Returns the words for a reason.
    pub(crate) fn words(&self, code: &str) -> Option<&Words> {
        self.reasons.get(code)
    }
}

/// Returns whether a description says by a schema what the parameters are.
pub(crate) fn has_schema(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Described {
        parameters: Option<IgnoredAny>,
    }
    toml::from_str::<Described>(text).is_ok_and(|described| described.parameters.is_some())
}

/// Returns the text of the description in a component, if it has one.
pub(crate) fn text(component: &[u8]) -> Option<String> {
    let sections = Parser::new(0).parse_all(component).map_while(Result::ok);
    let text = sections.into_iter().find_map(|payload| {
        let Payload::CustomSection(section) = payload else { return None };
        (section.name() == DESCRIPTION).then_some(section.data())
    })?;
    String::from_utf8(text.to_vec()).ok()
}
