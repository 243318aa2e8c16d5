//! Circumstances in words.

use std::fmt::Write;

use crate::case::{Case, Data, Line};

/// Returns what happened, what was known, and what came of it.
pub(super) fn case(case: &Case, what: &str) -> String {
    let mut words = match &case.event.data {
        Data::Registration(_) => "joining".to_owned(),
        Data::Purchase(purchase) => {
            let spend = crate::total(purchase.lines.iter().map(|line| line.amount));
            let mut words = format!("a purchase of {}", yuan(spend.saturating_sub(purchase.discount)));
            lines(&mut words, &purchase.lines);
            if purchase.discount > 0 {
                push(&mut words, format_args!(" less {}", yuan(purchase.discount)));
            }
            for tender in purchase.tenders.iter().filter(|tender| tender.redemption.is_some()) {
                push(&mut words, format_args!(", {} of it paid in points", yuan(tender.amount)));
            }
            words
        }
        Data::Run(_) => "a day of the campaign".to_owned(),
        Data::Request(request) => {
            let mut words = match &request.item {
                Some(item) => format!("a wish for {} × {item}", request.quantity.unwrap_or(1)),
                None => "a bill".to_owned(),
            };
            lines(&mut words, &request.lines);
            if request.freight > 0 {
                push(&mut words, format_args!(", freight {}", yuan(request.freight)));
            }
            if let Some(points) = request.points {
                push(&mut words, format_args!(", {points} points wanted"));
            }
            words
        }
    };
    push(&mut words, format_args!(", on {}", case.event.time.day()));
    if case.market_day {
        words.push_str(", a market day");
    }
    if case.points_so_far > 0 {
        push(&mut words, format_args!(", {} points so far", case.points_so_far));
    }
    for (fact, answer) in &case.facts {
        let answer = serde_json::to_string(answer).unwrap_or_default();
        push(&mut words, format_args!(", {fact} = {answer}"));
    }
    words + ": " + what
}

fn lines(words: &mut String, lines: &[Line]) {
    let line = |line: &Line| {
        let tags: String = line.tags.iter().map(|tag| format!("#{tag}")).collect();
        format!("{} × {}{tags} {}", line.quantity, line.category, yuan(line.amount))
    };
    if !lines.is_empty() {
        push(words, format_args!(" ({})", lines.iter().map(line).collect::<Vec<_>>().join(", ")));
    }
}

fn yuan(minor: u64) -> String {
    let hundredths = |of: u64| (of.checked_div(100).unwrap_or(0), of.checked_rem(100).unwrap_or(0));
    let (yuan, fen) = hundredths(minor);
    format!("¥{yuan}.{fen:02}")
}

fn push(words: &mut String, more: std::fmt::Arguments<'_>) {
    words.write_fmt(more).expect("text grows");
}
