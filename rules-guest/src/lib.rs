//! What a Jifen policy is written with.
//!
//! A policy is a struct that holds its parameters, and one function: from an event to a proposal ([`EarningPolicy`]), from
//! a wish to use points to the terms ([`RedemptionPolicy`]), or from a day to what is done for a member ([`CampaignPolicy`]). It has no clock, no randomness, no I/O and no memory
//! between calls; what it may know of a member it asks through [`Facts`], and every function it calls there becomes an
//! import of its component, visible to the operator. A whole policy:
//!
#![cfg_attr(feature = "guest", doc = "```")]
#![cfg_attr(not(feature = "guest"), doc = "```text")]
//! use rules_guest::{Award, EarningPolicy, Event, Facts, Proposal, check, ensure};
//!
//! /// Points for every purchase on one weekday.
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Weekday {
//!     /// 1 for Monday to 7 for Sunday.
//!     weekday: u8,
//!     points: u64,
//! }
//!
//! impl EarningPolicy for Weekday {
//!     fn check(&self) -> Result<(), String> {
//!         ensure((1..=7).contains(&self.weekday), "weekday: must be 1 for Monday to 7 for Sunday")
//!     }
//!
//!     fn evaluate(&self, event: &Event, _: &impl Facts) -> Proposal {
//!         let applies = event.purchase().is_some() && event.today.weekday == self.weekday;
//!         if applies { Award::to_member(self.points, "weekday").into() } else { Proposal::nothing() }
//!     }
//! }
//!
//! // In a crate of its own, this exports the component: rules_guest::policy!(Weekday);
//!
//! let case = rules_guest::case::Case::parse(r#"{
//!     "about": "2025-07-25 is a Friday.",
//!     "parameters": {"weekday": 5, "points": 20},
//!     "event": {"specversion": "1.0", "id": "1", "source": "/merchants/m1", "type": "jifen.purchase.completed",
//!       "time": "2025-07-25T10:00:00+08:00", "data": {"order": "1", "member": "ann", "merchant": "m1",
//!       "currency": "CNY", "lines": [{"sku": "rice", "category": "staples", "quantity": 1, "amount": 5880}]}},
//!     "expect": {"awards": [{"to": "member", "points": 20, "reason": "weekday"}]}
//! }"#)?;
//! check::<Weekday>(&case)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The component is what `cargo xtask policies` makes of it here. Elsewhere, with the flags of this repository's
//! `.cargo/config.toml`, which keep a policy in one page of memory:
//! `cargo rustc --lib --crate-type cdylib --release --target wasm32-unknown-unknown`, then `wasm-tools component new`.
//!
//! Case files of this form lie in the policy's `cases/` directory. `tests/cases.rs` of two lines runs them natively
//! (see [`cases_main!`], [`redemption_cases_main!`] and [`campaign_cases_main!`]); `jifen test` and every upload run them in the component.
//!
//! **Invariant:** nothing here computes with floats or asks the surroundings for time or chance.

pub mod allocate;
pub mod calendar;
pub mod deduction;
pub mod rate;

#[cfg(not(target_family = "wasm"))]
pub mod date;
#[cfg(not(target_family = "wasm"))]
pub mod fact;

#[cfg(all(feature = "case", not(target_family = "wasm")))]
pub mod case;

#[cfg(all(feature = "probe", not(target_family = "wasm")))]
pub mod probe;

#[cfg(feature = "guest")]
mod award;
#[cfg(feature = "guest")]
pub mod bindings;
#[cfg(all(feature = "guest", not(target_family = "wasm")))]
mod check;
#[cfg(feature = "guest")]
mod facts;
#[cfg(feature = "case")]
mod json;
#[cfg(feature = "guest")]
mod offer;
#[cfg(feature = "guest")]
mod period;
#[cfg(feature = "guest")]
mod policy;
#[cfg(feature = "guest")]
mod purchase;
#[cfg(feature = "guest")]
mod today;

pub use rate::total;

#[cfg(all(feature = "guest", not(target_family = "wasm")))]
pub use check::{
    check, check_campaign, check_redemption, run_campaign_cases, run_cases, run_redemption_cases,
};
#[cfg(feature = "guest")]
pub use {
    bindings::campaign::exports::jifen::policy::campaign::Action,
    bindings::exports::jifen::policy::earning::{Occasion, Proposal},
    bindings::jifen::policy::types::{
        Award, Day as Today, DayNumber, Line, LunarDate, Minor, Points, Purchase, Recipient, Tender,
        TenderKind,
    },
    bindings::redemption::exports::jifen::policy::redemption::{Answer, Offer, Purpose},
    facts::{Facts, log},
    period::Period,
    policy::{CampaignPolicy, EarningPolicy, Event, RedemptionPolicy, Request, ensure, is_code},
};

/// What [`policy!`] and [`redemption_policy!`] expand to; not for use by hand.
#[cfg(feature = "guest")]
#[doc(hidden)]
pub mod export {
    #[cfg(target_family = "wasm")]
    pub use crate::facts::HostFacts;
    pub use crate::policy::{configure, configured};
}

// A virgin instance is thrown away after one call, so nothing is ever freed. What is left of the first page after the
// stack and the data comes first; memory grows only when that is used up.
#[cfg(all(feature = "guest", target_family = "wasm"))]
#[global_allocator]
static HEAP: mini_alloc::MiniAlloc = mini_alloc::MiniAlloc::INIT;
