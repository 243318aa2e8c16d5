//! Facts: what a policy may ask of the ledger.

use crate::{DayNumber, Minor, Points};

/// What a policy may ask, answered from one snapshot taken before the event: the same question gets the same answer.
///
/// A function that a policy calls becomes an import of its component, and so a permission that the operator sees; one
/// that it does not call leaves no trace. Each question and answer stands on the receipt. Asking traps when a day lies
/// farther back than the host keeps.
pub trait Facts {
    /// Returns how many purchases the member made before this event. 0 means that this is the first.
    fn purchases_lifetime_count(&self) -> u64;

    /// Returns the total of those purchases after discounts.
    fn purchases_lifetime_spend_minor(&self) -> Minor;

    /// Returns how many of them fell on `first_day` or later, up to and including today.
    fn purchases_count_since(&self, first_day: DayNumber) -> u64;

    /// Returns the total of those that fell on `first_day` or later, up to and including today.
    fn purchases_spend_minor_since(&self, first_day: DayNumber) -> Minor;

    /// Returns the business day of the latest of them, or `None` if there is none.
    fn purchases_last_day(&self) -> Option<DayNumber>;

    /// Returns the points that this deployment granted the member on `first_day` or later, up to and including today.
    fn awards_granted_since(&self, first_day: DayNumber) -> Points;

    /// Returns how many points of the deployment's unit the member can spend now.
    fn balance_available(&self) -> Points;

    /// Returns how many points of the deployment's unit are awarded but not yet available.
    fn balance_pending(&self) -> Points;

    /// Returns the business day of registration, or `None` if the member never registered.
    fn membership_registered_day(&self) -> Option<DayNumber>;

    /// Returns whether another member had referred this one before this event.
    fn membership_referred(&self) -> bool;

    /// Returns whether another member referred this one. A registration that says so knows of it already.
    fn referral_present(&self) -> bool;

    /// Returns whether that other member is the same person, by the keys of both registrations.
    fn referral_same_person(&self) -> bool;

    /// Returns whether today is the member's birthday by the civil calendar; 28 February for 29 February in other years.
    fn birthday_civil_today(&self) -> bool;

    /// Returns whether today lies in the civil month of the member's birth.
    fn birthday_civil_month(&self) -> bool;

    /// Returns whether today is the member's birthday by the lunar calendar: in the regular month of that number, and on
    /// the 29th for the 30th where the month has no more.
    fn birthday_lunar_today(&self) -> bool;

    /// Returns the same, except that who was born in a leap month has it in that leap month only.
    fn birthday_leap_lunar_today(&self) -> bool;

    /// Returns whether today lies in the lunar month of the member's birth, leap months apart.
    fn birthday_lunar_month(&self) -> bool;

    /// Returns how many points of the deployment's unit the member can spend now that end on `last_day` or before it, and of
    /// whose end the member was not told.
    fn expiring_untold_until(&self, last_day: DayNumber) -> Points;

    /// Returns the member's level: the points of the program's unit of levels. 0 where there is none.
    fn tier_level(&self) -> Points;

    /// Returns the points by which levels are reached that the member was granted on `first_day` or later, up to and including
    /// today, less what refunds have taken back of them.
    fn tier_earned_since(&self, first_day: DayNumber) -> Points;
}

/// Writes a line for the policy's author. It reaches the receipt's trace and the merchant, never a member.
///
/// A policy that calls this imports `log`, whose argument is text: that costs each evaluation about a microsecond.
/// Natively the line goes to standard error.
pub fn log(message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::jifen::policy::log::write(message);
    #[cfg(not(target_family = "wasm"))]
    #[expect(clippy::print_stderr, reason = "a test shows what the policy logged")]
    {
        eprintln!("{message}");
    }
}

/// The host's answers.
#[cfg(target_family = "wasm")]
#[derive(Debug)]
pub struct HostFacts;

#[cfg(target_family = "wasm")]
mod host {
    use super::{DayNumber, Facts, HostFacts, Minor, Points};
    use crate::bindings::jifen::policy::{
        awards, balance, birthday, expiring, membership, purchases, referral, tier,
    };

    // Inlined, so that a question which nobody asks leaves no import behind.
    impl Facts for HostFacts {
        #[inline]
        fn purchases_lifetime_count(&self) -> u64 {
            purchases::lifetime_count()
        }

        #[inline]
        fn purchases_lifetime_spend_minor(&self) -> Minor {
            purchases::lifetime_spend_minor()
        }

        #[inline]
        fn purchases_count_since(&self, first_day: DayNumber) -> u64 {
            purchases::count_since(first_day)
        }

        #[inline]
        fn purchases_spend_minor_since(&self, first_day: DayNumber) -> Minor {
            purchases::spend_minor_since(first_day)
        }

        #[inline]
        fn purchases_last_day(&self) -> Option<DayNumber> {
            known(purchases::last_day())
        }

        #[inline]
        fn awards_granted_since(&self, first_day: DayNumber) -> Points {
            awards::granted_since(first_day)
        }

        #[inline]
        fn balance_available(&self) -> Points {
            balance::available()
        }

        #[inline]
        fn balance_pending(&self) -> Points {
            balance::pending()
        }

        #[inline]
        fn membership_registered_day(&self) -> Option<DayNumber> {
            known(membership::registered_day())
        }

        #[inline]
        fn membership_referred(&self) -> bool {
            membership::referred()
        }

        #[inline]
        fn referral_present(&self) -> bool {
            referral::present()
        }

        #[inline]
        fn referral_same_person(&self) -> bool {
            referral::same_person()
        }

        #[inline]
        fn birthday_civil_today(&self) -> bool {
            birthday::civil_today()
        }

        #[inline]
        fn birthday_civil_month(&self) -> bool {
            birthday::civil_month()
        }

        #[inline]
        fn birthday_lunar_today(&self) -> bool {
            birthday::lunar_today()
        }

        #[inline]
        fn birthday_leap_lunar_today(&self) -> bool {
            birthday::leap_lunar_today()
        }

        #[inline]
        fn birthday_lunar_month(&self) -> bool {
            birthday::lunar_month()
        }

        #[inline]
        fn expiring_untold_until(&self, last_day: DayNumber) -> Points {
            expiring::untold_until(last_day)
        }

        #[inline]
        fn tier_level(&self) -> Points {
            tier::level()
        }

        #[inline]
        fn tier_earned_since(&self, first_day: DayNumber) -> Points {
            tier::earned_since(first_day)
        }
    }

    /// The contract says 0 where there is no day.
    fn known(day: DayNumber) -> Option<DayNumber> {
        (day != 0).then_some(day)
    }
}
