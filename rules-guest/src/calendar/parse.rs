//! Reading a calendar: from the form in which people write it to the form that answers.
//!
//! Every key is optional in [`Form`]; then exactly one kind must be there, and a kind takes the options that it
//! understands. What is left over is refused, so that an option in the wrong place is an error and not a wish.

use std::fmt::{self, Display};

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::kind::{AnnualDate, Dates, Kind, Leap, MissingDay, MonthDays, Nth, Parity, Window};
use super::names::{BRANCHES, FESTIVALS, SOLAR_TERMS, find};
use super::{Calendar, Day};

impl<'de> Deserialize<'de> for Calendar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Why a calendar cannot be read: the key, the value, the mend.
struct Refusal(String);

type Read<T> = Result<T, Refusal>;

fn refuse<T>(key: &str, why: impl Display) -> Read<T> {
    Err(Refusal(format!("{key}: {why}")))
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Calendar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a calendar: a table such as { weekdays = [6] }, a date, or \"every_day\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Calendar, E> {
        word(text).map_err(|refusal| E::custom(refusal.0))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Calendar, A::Error> {
        let form = Form::deserialize(MapAccessDeserializer::new(map))?;
        form.read().map_err(|refusal| A::Error::custom(refusal.0))
    }
}

fn word(text: &str) -> Read<Calendar> {
    let kind = if text == "every_day" { Kind::EveryDay } else { explicit(&[text.to_owned()])? };
    Ok(Calendar { kind, from: Day::FIRST, until: i32::MAX, except: Vec::new() })
}

/// A calendar as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    any: Option<Vec<Calendar>>,
    all: Option<Vec<Calendar>>,
    every_day: Option<bool>,
    lunar_digits: Option<Vec<i64>>,
    lunar_days: Option<Vec<i64>>,
    gregorian_digits: Option<Vec<i64>>,
    gregorian_days: Option<Vec<i64>>,
    weekdays: Option<Vec<i64>>,
    lunar_parity: Option<Parity>,
    gregorian_parity: Option<Parity>,
    branches: Option<Vec<String>>,
    cycle: Option<CycleForm>,
    lunar_dates: Option<Vec<DateForm>>,
    gregorian_dates: Option<Vec<DateForm>>,
    solar_terms: Option<Vec<String>>,
    festivals: Option<Vec<String>>,
    dates: Option<Vec<String>>,

    on_missing_day: Option<MissingDay>,
    leap: Option<Leap>,
    nth: Option<Vec<i64>>,
    days_before: Option<i64>,
    days_after: Option<i64>,

    except: Option<Vec<Calendar>>,
    from: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CycleForm {
    days: i64,
    offset: Option<i64>,
    anchor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DateForm {
    month: i64,
    day: DayForm,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged, expecting = "a day is a number, or \"last\" for the last of the month")]
enum DayForm {
    Number(i64),
    Word(Last),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Last {
    Last,
}

/// Takes a kind out of the form if it is there, and the options that it understands.
type Take = fn(&mut Form) -> Option<Read<Kind>>;

const KINDS: [(&str, Take); 17] = [
    ("any", |form| form.any.take().map(|calendars| some("any", calendars).map(Kind::Any))),
    ("all", |form| form.all.take().map(|calendars| some("all", calendars).map(Kind::All))),
    ("every_day", |form| form.every_day.take().map(every_day)),
    ("lunar_digits", |form| {
        form.lunar_digits.take().map(|list| form.lunar(digits("lunar_digits", list, 30)))
    }),
    ("lunar_days", |form| form.lunar_days.take().map(|list| form.lunar(set("lunar_days", list, 1, 30)))),
    ("gregorian_digits", |form| {
        form.gregorian_digits.take().map(|list| form.gregorian(digits("gregorian_digits", list, 31)))
    }),
    ("gregorian_days", |form| {
        form.gregorian_days.take().map(|list| form.gregorian(set("gregorian_days", list, 1, 31)))
    }),
    ("weekdays", |form| form.weekdays.take().map(|list| form.weekdays(list))),
    ("lunar_parity", |form| form.lunar_parity.take().map(|parity| Ok(Kind::LunarParity(parity)))),
    ("gregorian_parity", |form| form.gregorian_parity.take().map(|parity| Ok(Kind::GregorianParity(parity)))),
    ("branches", |form| form.branches.take().map(branches)),
    ("cycle", |form| form.cycle.take().map(cycle)),
    ("lunar_dates", |form| form.lunar_dates.take().map(|list| form.lunar_dates(list))),
    ("gregorian_dates", |form| form.gregorian_dates.take().map(|list| form.gregorian_dates(list))),
    ("solar_terms", |form| form.solar_terms.take().map(|list| form.solar_terms(list))),
    ("festivals", |form| form.festivals.take().map(|list| form.festivals(list))),
    ("dates", |form| form.dates.take().map(|list| explicit(&list))),
];

impl Form {
    fn read(mut self) -> Read<Calendar> {
        let bounded = self.from.is_some() || self.until.is_some();
        let from = bound("from", self.from.take(), Day::FIRST)?;
        let until = bound("until", self.until.take(), i32::MAX)?;
        if from >= until {
            return refuse(
                "until",
                "is not after `from`, so no day would ever count; `until` is the first day that does not",
            );
        }
        let kind = self.kind(bounded)?;
        Ok(Calendar { kind, from, until, except: self.except.unwrap_or_default() })
    }

    fn kind(&mut self, bounded: bool) -> Read<Kind> {
        let mut found: Option<(&str, Kind)> = None;
        for (key, take) in KINDS {
            match (take(self), &found) {
                (None, _) => {}
                (Some(kind), None) => found = Some((key, kind?)),
                (Some(_), Some((other, _))) => {
                    return refuse(key, format!("stands beside `{other}`; join the two with `any` or `all`"));
                }
            }
        }
        let (key, kind) = match found {
            Some(found) => found,
            None if bounded => ("from and until", Kind::EveryDay),
            None => return refuse("a calendar", "has no kind; write one, such as weekdays = [6]"),
        };
        self.refuse_left_over(key)?;
        Ok(kind)
    }

    fn refuse_left_over(&self, kind: &str) -> Read<()> {
        let options = [
            ("on_missing_day", self.on_missing_day.is_some()),
            ("leap", self.leap.is_some()),
            ("nth", self.nth.is_some()),
            ("days_before", self.days_before.is_some()),
            ("days_after", self.days_after.is_some()),
        ];
        match options.into_iter().find(|(_, left)| *left) {
            Some((option, _)) => refuse(option, format!("means nothing with `{kind}`; remove it")),
            None => Ok(()),
        }
    }

    fn lunar(&mut self, days: Read<u32>) -> Read<Kind> {
        let days = MonthDays { days: days?, missing: self.missing() };
        Ok(Kind::LunarDays { days, leap: self.leap.take().unwrap_or(Leap::Same) })
    }

    fn gregorian(&mut self, days: Read<u32>) -> Read<Kind> {
        Ok(Kind::GregorianDays(MonthDays { days: days?, missing: self.missing() }))
    }

    fn weekdays(&mut self, list: Vec<i64>) -> Read<Kind> {
        let known = |day: &i64| (1..=7).contains(day);
        if let Some(wrong) = list.iter().find(|day| !known(day)) {
            return refuse(
                "weekdays",
                format!("there is no weekday {wrong}; write 1 for Monday to 7 for Sunday"),
            );
        }
        let weekdays = narrow(set("weekdays", list, 1, 7)?);
        Ok(Kind::Weekdays { weekdays, nth: self.nth.take().map(nth).transpose()? })
    }

    fn lunar_dates(&mut self, list: Vec<DateForm>) -> Read<Kind> {
        let dates = self.dates("lunar_dates", list, |_| 30)?;
        Ok(Kind::LunarDates { dates, leap: self.leap.take().unwrap_or(Leap::Skip) })
    }

    fn gregorian_dates(&mut self, list: Vec<DateForm>) -> Read<Kind> {
        // A leap year has every date there is.
        let longest = |month| i64::from(super::civil::days_in_month(2000, month));
        Ok(Kind::GregorianDates(self.dates("gregorian_dates", list, longest)?))
    }

    fn dates(&mut self, key: &str, list: Vec<DateForm>, longest: fn(u8) -> i64) -> Read<Dates> {
        let dates =
            some(key, list)?.into_iter().map(|date| annual(key, &date, longest)).collect::<Read<_>>()?;
        Ok(Dates { dates, missing: self.missing(), window: self.window()? })
    }

    fn solar_terms(&mut self, list: Vec<String>) -> Read<Kind> {
        let terms = named("solar_terms", list, &SOLAR_TERMS)?;
        Ok(Kind::SolarTerms { terms, window: self.window()? })
    }

    fn festivals(&mut self, list: Vec<String>) -> Read<Kind> {
        let named = named("festivals", list, &FESTIVALS)?;
        let dates = (0..).zip(FESTIVAL_DATES).filter(|(place, _)| named >> place & 1 == 1);
        let dates = dates.map(|(_, (month, day))| AnnualDate { month, day }).collect();
        let dates = Dates { dates, missing: MissingDay::Skip, window: self.window()? };
        Ok(Kind::LunarDates { dates, leap: Leap::Skip })
    }

    fn missing(&mut self) -> MissingDay {
        self.on_missing_day.take().unwrap_or_default()
    }

    fn window(&mut self) -> Read<Window> {
        let before = within_window("days_before", self.days_before.take())?;
        let after = within_window("days_after", self.days_after.take())?;
        Ok(Window { before, after })
    }
}

/// Month and day of the festivals, in the order of their names.
const FESTIVAL_DATES: [(u8, u8); FESTIVALS.len()] =
    [(1, 1), (1, 15), (5, 5), (7, 7), (7, 15), (8, 15), (9, 9), (12, 8), (12, AnnualDate::LAST)];

fn every_day(every: bool) -> Read<Kind> {
    if every {
        Ok(Kind::EveryDay)
    } else {
        refuse("every_day", "is false, so no day would ever count; write true or remove it")
    }
}

/// Returns the days of a month that end in these digits, up to its longest.
fn digits(key: &str, list: Vec<i64>, longest: u32) -> Read<u32> {
    if let Some(wrong) = list.iter().find(|digit| !(0..=10).contains(*digit)) {
        return refuse(key, format!("{wrong} is not the last digit of a day; write 0 to 9, or 10 for 0"));
    }
    let digits = set(key, list, 0, 10)?;
    let ends_so =
        |day: &u32| digits >> (day % 10) & 1 == 1 || (day.is_multiple_of(10) && digits >> 10 & 1 == 1);
    Ok((1..=longest).filter(ends_so).fold(0, |days, day| days | 1 << day))
}

/// Returns a list of small numbers as bits.
fn set(key: &str, list: Vec<i64>, least: i64, most: i64) -> Read<u32> {
    some(key, list)?.into_iter().try_fold(0, |set, number| {
        let bit = u32::try_from(number).ok().filter(|_| (least..=most).contains(&number));
        bit.map_or_else(
            || refuse(key, format!("{number} is not within {least} to {most}")),
            |bit| Ok(set | 1 << bit),
        )
    })
}

fn nth(list: Vec<i64>) -> Read<Nth> {
    some("nth", list)?.into_iter().try_fold(Nth::default(), |nth, place| match place {
        1..=5 => Ok(Nth { from_start: nth.from_start | bit(place), ..nth }),
        -5..=-1 => Ok(Nth { from_end: nth.from_end | bit(place.saturating_neg()), ..nth }),
        _ => refuse("nth", format!("{place} is no place in a month; write 1 to 5, or -1 to -5 from the end")),
    })
}

fn bit(place: i64) -> u8 {
    u8::try_from(place).map_or(0, |place| 1 << place)
}

fn branches(list: Vec<String>) -> Read<Kind> {
    named("branches", list, &BRANCHES).map(|branches| Kind::Branches(narrow(branches)))
}

fn named(key: &str, list: Vec<String>, names: &[(&str, &str)]) -> Read<u32> {
    some(key, list)?.into_iter().try_fold(0, |set, name| {
        let place = find(names, &name);
        place.map_or_else(|| refuse(key, unknown(&name, names)), |place| Ok(set | 1 << place))
    })
}

fn unknown(name: &str, names: &[(&str, &str)]) -> String {
    let known: Vec<_> = names.iter().map(|(pinyin, characters)| format!("{pinyin} {characters}")).collect();
    format!("`{name}` is none of {}", known.join(", "))
}

fn cycle(form: CycleForm) -> Read<Kind> {
    let Some(days) = i32::try_from(form.days).ok().filter(|days| (1..=Day::LAST).contains(days)) else {
        return refuse("cycle", format!("days = {}; a cycle has 1 day or more", form.days));
    };
    let (offset, anchor) = match (form.offset, form.anchor) {
        (Some(offset), None) => (offset, 0),
        (offset, Some(anchor)) => (offset.unwrap_or(0), date("cycle: anchor", &anchor)?),
        (None, None) => {
            return refuse("cycle", "has neither offset nor anchor; say which day it goes through");
        }
    };
    let Some(offset) = i32::try_from(offset).ok().filter(|offset| (0..days).contains(offset)) else {
        return refuse(
            "cycle",
            format!("offset = {offset}; a cycle of {days} days has offsets 0 to {}", days.saturating_sub(1)),
        );
    };
    Ok(Kind::Cycle { days, offset: anchor.saturating_add(offset).rem_euclid(days) })
}

fn annual(key: &str, form: &DateForm, longest: fn(u8) -> i64) -> Read<AnnualDate> {
    let Some(month) = u8::try_from(form.month).ok().filter(|month| (1..=12).contains(month)) else {
        return refuse(key, format!("there is no month {}; write 1 to 12", form.month));
    };
    let day = match form.day {
        DayForm::Word(Last::Last) => AnnualDate::LAST,
        DayForm::Number(day) => match u8::try_from(day) {
            Ok(day) if (1..=longest(month)).contains(&i64::from(day)) => day,
            _ => {
                return refuse(
                    key,
                    format!("month {month} never has a day {day}; write 1 to {} or \"last\"", longest(month)),
                );
            }
        },
    };
    Ok(AnnualDate { month, day })
}

fn within_window(key: &str, days: Option<i64>) -> Read<i32> {
    let days = days.unwrap_or(0);
    match i32::try_from(days) {
        Ok(days) if (0..=Window::MAX).contains(&days) => Ok(days),
        _ => refuse(key, format!("{days} is not within 0 to {}", Window::MAX)),
    }
}

fn explicit(list: &[String]) -> Read<Kind> {
    if list.is_empty() {
        return some("dates", Vec::<i32>::new()).map(Kind::Explicit);
    }
    let mut numbers = list.iter().map(|text| date("dates", text)).collect::<Read<Vec<_>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Kind::Explicit(numbers))
}

fn bound(key: &str, text: Option<String>, absent: i32) -> Read<i32> {
    text.map_or(Ok(absent), |text| date(key, &text))
}

fn date(key: &str, text: &str) -> Read<i32> {
    match text.parse::<Day>() {
        Ok(day) => Ok(day.number()),
        Err(invalid) => refuse(key, format!("\"{text}\": {invalid}")),
    }
}

fn some<T>(key: &str, list: Vec<T>) -> Read<Vec<T>> {
    if list.is_empty() {
        refuse(key, "is empty, so it says nothing; list something or remove it")
    } else {
        Ok(list)
    }
}

/// Returns bits that are known to be few in a smaller integer.
fn narrow<T: TryFrom<u32>>(bits: u32) -> T {
    T::try_from(bits).ok().expect("the bits were checked when they were set")
}
