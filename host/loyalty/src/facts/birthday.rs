//! Birthdays: whether a day is one, by either calendar.

use rules_guest::calendar::Day;

/// Returns whether a day is the birthday by the civil calendar. Who was born on 29 February has it on the 28th in other years.
pub(super) fn is_civil(birth: &Day, today: &Day) -> bool {
    let last = today.day_of_month() == today.days_in_month();
    birth.month() == today.month()
        && (birth.day_of_month() == today.day_of_month()
            || last && birth.day_of_month() > today.day_of_month())
}

/// Returns whether a day is the birthday by the traditional calendar, in the leap month of that number or in the regular one.
/// Who was born on the 30th has it on the 29th where the month has no more (scenario B11).
pub(super) fn is_lunar(birth: &Day, today: &Day, leap: bool) -> bool {
    let (birth, today) = (birth.lunar(), today.lunar());
    let last = today.day == today.days_in_month;
    birth.month == today.month
        && today.leap == leap
        && (birth.day == today.day || last && birth.day > today.day)
}

/// Returns whether a day lies in the regular lunar month of the birthday.
pub(super) fn is_lunar_month(birth: &Day, today: &Day) -> bool {
    birth.lunar().month == today.lunar().month && !today.lunar().leap
}

#[cfg(test)]
mod tests {
    use rules_guest::calendar::Day;

    use super::*;

    /// Returns in which calendars a day is the birthday: `c`ivil, `l`unar, in the very `m`onth of birth.
    fn kinds(birth: &str, today: &str) -> String {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let (birth, today) = (day(birth), day(today));
        let all = [
            ("c", is_civil(&birth, &today)),
            ("l", is_lunar(&birth, &today, false)),
            ("m", is_lunar(&birth, &today, birth.lunar().leap)),
            ("M", is_lunar_month(&birth, &today)),
        ];
        all.iter().filter(|(_, is)| *is).map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn a_birthday_by_either_calendar() {
        for (birth, today, expected) in [
            ("1990-06-30", "2026-06-30", "cM"),
            ("1990-06-30", "2026-06-29", "M"),
            ("2000-02-29", "2026-02-28", "cM"),
            ("2000-02-29", "2028-02-28", ""),
            ("2000-02-29", "2028-02-29", "c"),
            ("2001-02-28", "2028-02-28", "cM"),
            ("2001-02-28", "2028-02-29", "M"),
            // B11: born 六月初八 of 1990.
            ("1990-07-29", "2025-07-02", "lmM"),
            ("1990-07-29", "2025-08-01", ""),
            // B11: born 闰六月初八 of 1987: in 2026 in the sixth month, or not before the next 闰六月, in 2036.
            ("1987-08-02", "2026-07-21", "lM"),
            ("1987-08-02", "2025-07-02", "lM"),
            ("1987-08-02", "2025-08-01", "m"),
            ("1987-08-02", "2036-07-30", "m"),
            // B11: born 腊月三十.
            ("2000-02-04", "2026-02-16", "lmM"),
            ("2000-02-04", "2026-02-15", "M"),
        ] {
            assert_eq!(kinds(birth, today), expected, "born {birth}, on {today}");
        }
    }
}
