//! Business days: the day of an event in the program's zone, with all its calendars.

pub use rules_guest::calendar::Day;

/// A business day, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusinessDay {
    /// The day in every calendar.
    pub day: Day,
    /// Whether the calendar of the event's region calls it a market day.
    pub market_day: bool,
    /// Seconds since local midnight.
    pub second_of_day: u32,
}
