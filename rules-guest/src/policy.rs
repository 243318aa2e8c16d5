//! A policy: its parameters, one function, and the macros that make a component of them.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;

use crate::{Action, Answer, Facts, Line, Occasion, Points, Proposal, Purchase, Purpose, Today, json};

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

/// A rule that says what points buy. The struct that implements it is its parameters, as with [`EarningPolicy`].
pub trait RedemptionPolicy: DeserializeOwned + Send + Sync + 'static {
    /// Checks what the types of the parameters cannot say. Called once, when the deployment is configured.
    ///
    /// # Errors
    ///
    /// With words for the operator: the field, what is wrong, and what would be right.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Quotes one request. Called once per instance: nothing is remembered from one request to the next.
    ///
    /// Points that the member does not have are the host's affair. A panic traps: nothing is offered, and a fault is
    /// reported to the owner of the deployment.
    fn quote(&self, request: &Request, facts: &impl Facts) -> Answer;
}

/// A rule that runs on a schedule, for one member at a time. The struct that implements it is its parameters, as with
/// [`EarningPolicy`].
pub trait CampaignPolicy: DeserializeOwned + Send + Sync + 'static {
    /// Checks what the types of the parameters cannot say. Called once, when the deployment is configured.
    ///
    /// # Errors
    ///
    /// With words for the operator: the field, what is wrong, and what would be right.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Says what is done for one member on a day that begins; nothing is an empty list. Called once per instance: that
    /// something was done before is not remembered, and can be told from the facts.
    ///
    /// A panic traps: nothing is done, and a fault is reported to the owner of the deployment.
    fn run(&self, today: &Today, facts: &impl Facts) -> Vec<Action>;
}

/// Returns `message` as an error unless the condition holds: for `check` of a policy.
///
/// # Errors
///
/// When the condition does not hold.
pub fn ensure(holds: bool, message: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message.to_owned()) }
}

/// Returns whether a text is a code that the host takes: at most 64 bytes in kebab case, such as `market-day`.
pub fn is_code(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= 64 && text.split('-').all(is_word)
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

/// A wish to use points.
#[derive(Clone, Debug)]
pub struct Request {
    /// What for.
    pub purpose: Purpose,
    /// The business day in every calendar.
    pub today: Today,
    /// How many points the member wants to use; `None` leaves it to the rule.
    pub wanted: Option<Points>,
}

impl Request {
    /// Returns the name of the item and how many are wanted, if it is for an item.
    pub fn item(&self) -> Option<(&str, u64)> {
        match &self.purpose {
            Purpose::Item((item, quantity)) => Some((item, *quantity)),
            Purpose::Bill(_) => None,
        }
    }

    /// Returns the bill, if it is for part of one.
    pub fn bill(&self) -> Option<&Purchase> {
        match &self.purpose {
            Purpose::Bill(bill) => Some(bill),
            Purpose::Item(_) => None,
        }
    }
}

/// Exports an earning policy as a component, and puts the crate's `policy.toml` into it as the custom section
/// `jifen-policy`.
///
/// ```text
/// rules_guest::policy!(MarketDay);
/// ```
///
/// Natively it does nothing, so that the same crate is tested without WebAssembly.
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        $crate::component! {
            $policy, EarningPolicy, $crate::bindings, export_earning,

            impl bindings::exports::jifen::policy::earning::Guest for Component {
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
        }
    };
}

/// Exports a redemption policy as a component: what [`policy!`] is for an earning policy.
///
/// ```text
/// rules_guest::redemption_policy!(Catalogue);
/// ```
#[macro_export]
macro_rules! redemption_policy {
    ($policy:ty) => {
        $crate::component! {
            $policy, RedemptionPolicy, $crate::bindings::redemption, export_redemption,

            impl bindings::exports::jifen::policy::redemption::Guest for Component {
                fn quote(
                    purpose: $crate::Purpose,
                    today: $crate::Today,
                    wanted: Option<$crate::Points>,
                ) -> $crate::Answer {
                    let request = $crate::Request { purpose, today, wanted };
                    let policy = $crate::export::configured(&CONFIGURED);
                    $crate::RedemptionPolicy::quote(policy, &request, &$crate::export::HostFacts)
                }
            }
        }
    };
}

/// Exports a campaign policy as a component: what [`policy!`] is for an earning policy.
///
/// ```text
/// rules_guest::campaign_policy!(Recall);
/// ```
#[macro_export]
macro_rules! campaign_policy {
    ($policy:ty) => {
        $crate::component! {
            $policy, CampaignPolicy, $crate::bindings::campaign, export_campaign,

            impl bindings::exports::jifen::policy::campaign::Guest for Component {
                fn run(today: $crate::Today) -> ::std::vec::Vec<$crate::Action> {
                    let policy = $crate::export::configured(&CONFIGURED);
                    $crate::CampaignPolicy::run(policy, &today, &$crate::export::HostFacts)
                }
            }
        }
    };
}

/// What the components of all worlds have: the policy as it was configured, and its description.
#[doc(hidden)]
#[macro_export]
macro_rules! component {
    ($policy:ty, $kind:ident, $bindings:path, $export:ident, $answers:item) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $bindings as bindings;
            use $crate::bindings::configuration;

            static CONFIGURED: ::std::sync::OnceLock<$policy> = ::std::sync::OnceLock::new();

            struct Component;

            impl configuration::exports::jifen::policy::configuration::Guest for Component {
                fn configure(parameters: ::std::string::String) -> Result<(), ::std::string::String> {
                    $crate::export::configure(&CONFIGURED, &parameters, <$policy as $crate::$kind>::check)
                }
            }

            $answers

            configuration::export_configuration!(Component with_types_in configuration);
            bindings::$export!(Component with_types_in bindings);

            // SAFETY: on wasm a section of this name is a custom section, which nothing ever runs or reads as memory.
            #[unsafe(link_section = "jifen-policy")]
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
pub fn configure<P: DeserializeOwned>(
    slot: &OnceLock<P>,
    parameters: &str,
    check: impl FnOnce(&P) -> Result<(), String>,
) -> Result<(), String> {
    let policy = parse(parameters, check)?;
    slot.set(policy).map_err(|_| "this instance is configured already; configure a fresh one".to_owned())
}

/// Returns the policy that [`configure`] read. The host configures before it evaluates, so a panic is its fault.
pub fn configured<P>(slot: &OnceLock<P>) -> &P {
    slot.get().expect("the host configures before it evaluates")
}

/// Reads and checks parameters. The message names the field, and no line or column: parameters are mostly written as
/// TOML, and reach the policy as JSON.
pub(crate) fn parse<P: DeserializeOwned>(
    parameters: &str,
    check: impl FnOnce(&P) -> Result<(), String>,
) -> Result<P, String> {
    let policy: P = json::parse(parameters).map_err(|fault| match fault.path.as_str() {
        "" => fault.reason_without_place(),
        field => [field, ": ", &fault.reason_without_place()].concat(),
    })?;
    check(&policy)?;
    Ok(policy)
}
