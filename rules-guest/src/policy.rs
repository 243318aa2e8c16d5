//! A policy: its parameters, one function, and the macro that makes a component of them.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use crate::{Facts, Line, Occasion, Points, Proposal, Purchase, Today, json};

/// A rule that awards points when something happened. The struct that implements it is its parameters.
///
/// Give it `#[serde(deny_unknown_fields)]`, so that a misspelt parameter is refused instead of ignored.
pub trait EarningPolicy: DeserializeOwned + Send + Sync + 'static {
    /// Checks what the types of the parameters cannot say. Called once, when the deployment is configured.
    ///
    /// # Errors
    ///
    /// With words for the operator: the field, what is wrong, and what would be right.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Proposes awards for one event. Called once per instance: nothing is remembered from one event to the next.
    ///
    /// A panic traps: this deployment proposes nothing for the event, and a fault is reported to its owner.
    fn evaluate(&self, event: &Event, facts: &impl Facts) -> Proposal;
}

/// Returns `message` as an error unless the condition holds: for [`EarningPolicy::check`].
///
/// # Errors
///
/// When the condition does not hold.
pub fn ensure(holds: bool, message: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message.to_owned()) }
}

/// What happened, when, and what was granted for it so far.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub occasion: Occasion,
    /// The business day in every calendar.
    pub today: Today,
    /// What earlier lanes granted the member for this event, in the deployment's unit.
    pub points_so_far: Points,
}

impl Event {
    /// Returns the purchase, if this is one.
    pub fn purchase(&self) -> Option<&Purchase> {
        match &self.occasion {
            Occasion::Purchase(purchase) => Some(purchase),
            Occasion::Registration => None,
        }
    }

    /// Returns the lines of the purchase; none if this is no purchase.
    pub fn lines(&self) -> &[Line] {
        self.purchase().map_or(&[], |purchase| &purchase.lines)
    }
}

/// Exports a policy as a component, and puts the crate's `policy.toml` into it as the custom section `jifen-policy`.
///
/// ```text
/// rules_guest::policy!(MarketDay);
/// ```
///
/// Natively it does nothing, so that the same crate is tested without WebAssembly.
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::exports::jifen::policy::{configuration, earning};

            static CONFIGURED: ::std::sync::OnceLock<$policy> = ::std::sync::OnceLock::new();

            struct Component;

            impl configuration::Guest for Component {
                fn configure(parameters: ::std::string::String) -> Result<(), ::std::string::String> {
                    $crate::export::configure(&CONFIGURED, &parameters)
                }
            }

            impl earning::Guest for Component {
                fn evaluate(
                    occasion: $crate::Occasion,
                    today: $crate::Today,
                    points_so_far: $crate::Points,
                ) -> $crate::Proposal {
                    let event = $crate::Event { occasion, today, points_so_far };
                    let policy = $crate::export::configured(&CONFIGURED);
                    $crate::EarningPolicy::evaluate(policy, &event, &$crate::export::HostFacts)
                }
            }

    $crate::bindings::export_earning_policy!(Component with_types_in $crate::bindings);

            // SAFETY: on wasm a section of this name is a custom section, which nothing ever runs or reads as memory.
            #[unsafe(link_section = "jifen-policy")]
            #[used]
            static DESCRIPTION: [u8; DESCRIPTION_TOML.len()] = *DESCRIPTION_TOML;
            const DESCRIPTION_TOML: &[u8; include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/policy.toml"
            ))
             .len()] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/policy.toml"));
        };
    };
}

/// Reads parameters into a slot that outlives the call.
pub fn configure<P: EarningPolicy>(slot: &OnceLock<P>, parameters: &str) -> Result<(), String> {
    let policy = parse(parameters)?;
    slot.set(policy).map_err(|_| "this instance is configured already; configure a fresh one".to_owned())
}

/// Returns the policy that [`configure`] read. The host configures before it evaluates, so a panic is its fault.
pub fn configured<P>(slot: &OnceLock<P>) -> &P {
    slot.get().expect("the host configures before it evaluates")
}

/// Reads and checks parameters. The message names the field, and no line or column: parameters are mostly written as
/// TOML, and reach the policy as JSON.
pub(crate) fn parse<P: EarningPolicy>(parameters: &str) -> Result<P, String> {
    let policy: P = json::parse(parameters).map_err(|fault| match fault.path.as_str() {
        "" => fault.reason_without_place(),
        field => [field, ": ", &fault.reason_without_place()].concat(),
    })?;
    policy.check()?;
    Ok(policy)
}
