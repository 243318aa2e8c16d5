//! All short histories of a member, each told twice: to a ledger, and to a model of a page. They must agree on what is
//! refused, and on what the member has at the end.
//!
//! A history is a word with a letter for each day: `b`uys for 100 points that last for three more days, `a`sks for something
//! at 60 and has it held for two days, `u`ses, `f`rees or gives back (`g`) what was asked for last, `r`eturns 40 of the last
//! purchase, `R`eturns the first one, `c`loses the day before, sends the event before once more (`=`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::components::redemption;
use crate::mixed::seeds;
use crate::town::{Town, objects, purchase, text};

const LETTERS: &str = "baufgrRc=";
const DAYS: usize = 5;
const LOTS: usize = 3;

const LOT: u64 = 100;
const PRICE: u64 = 60;
const PART: u64 = 40;

/// Time in half days: a day's midnight, and the noon at which everything else happens.
fn midnight(day: usize) -> u64 {
    u64::try_from(day).expect("days are few") * 2
}

fn noon(day: usize) -> u64 {
    midnight(day) + 1
}

/// What a member has.
#[derive(Clone, Default)]
struct Model {
    /// In the order of their days, and so in which they are spent.
    lots: Vec<Lot>,
    uses: Vec<Use>,
    debt: u64,
}

#[derive(Clone)]
struct Lot {
    day: usize,
    ends: u64,
    left: u64,
    lapsed: u64,
    /// What its order still comes to.
    level: u64,
}

/// A use of points: how many of which lot.
#[derive(Clone)]
struct Use {
    day: usize,
    until: u64,
    held: Vec<(usize, u64)>,
    used: Vec<(usize, u64)>,
}

impl Model {
    /// Does what the last letter of a word says. Returns `None` if it is refused.
    fn after(&self, word: &str) -> Option<Self> {
        let (day, letter) = word.char_indices().last()?;
        let now = if letter == 'c' { midnight(day) } else { noon(day) };
        let mut then = self.clone();
        let own = word.rfind('a').filter(|_| matches!(letter, 'u' | 'f' | 'g'));
        then.let_go(now, own);
        match letter {
            'b' => then.lots.push(Lot { day, ends: midnight(day + 4), left: LOT, lapsed: 0, level: LOT }),
            'a' => then.ask(day)?,
            'u' | 'f' | 'g' => then.go_on(own?, letter, now)?,
            'r' => then.give_back(word.rfind('b'), Some(PART), now)?,
            'R' => then.give_back(word.find('b'), None, now)?,
            'c' => then.close(self, now)?,
            _ => unreachable!("a word has no other letters"),
        }
        then.repay(now);
        Some(then)
    }

    /// Frees what was held for long enough.
    fn let_go(&mut self, now: u64, except: Option<usize>) {
        let over = |one: &&mut Use| one.until <= now && Some(one.day) != except;
        let free: Vec<_> = self.uses.iter_mut().filter(over).flat_map(|one| one.held.drain(..)).collect();
        self.put(free, now);
    }

    fn put(&mut self, parts: Vec<(usize, u64)>, now: u64) {
        for (lot, points) in parts {
            let lot = &mut self.lots[lot];
            *(if lot.ends <= now { &mut lot.lapsed } else { &mut lot.left }) += points;
        }
    }

    /// Takes what there is of so many points, of lots that end after an instant.
    fn take(&mut self, mut points: u64, after: u64) -> Vec<(usize, u64)> {
        let mut taken = Vec::new();
        for (place, lot) in self.lots.iter_mut().enumerate().filter(|(_, lot)| lot.ends > after) {
            let part = lot.left.min(points);
            lot.left -= part;
            points -= part;
            if part > 0 {
                taken.push((place, part));
            }
        }
        taken
    }

    fn repay(&mut self, after: u64) {
        self.debt -= total(&self.take(self.debt, after));
    }

    fn ask(&mut self, day: usize) -> Option<()> {
        let now = noon(day);
        self.repay(now);
        let held = self.take(PRICE, now);
        let (until, used) = (noon(day + 2), Vec::new());
        (total(&held) == PRICE).then(|| self.uses.push(Use { day, until, held, used }))
    }

    fn go_on(&mut self, of: usize, letter: char, now: u64) -> Option<()> {
        let one = self.uses.iter_mut().find(|one| one.day == of)?;
        let parts = if letter == 'g' { &mut one.used } else { &mut one.held };
        if parts.is_empty() || letter != 'g' && one.until <= now {
            return None;
        }
        let parts = parts.split_off(0);
        if letter == 'u' {
            one.used = parts;
        } else {
            self.put(parts, now);
        }
        Some(())
    }

    /// Returns what was bought on a day. Points come from its own lot, lapsed or not, then from others; the rest is owed.
    fn give_back(&mut self, bought: Option<usize>, points: Option<u64>, now: u64) -> Option<()> {
        // What was never bought may still be.
        let Some(bought) = bought else { return Some(()) };
        let lot = self.lots.iter_mut().find(|lot| lot.day == bought)?;
        let points = points.unwrap_or(lot.level);
        if points > lot.level {
            return None;
        }
        lot.level -= points;
        let left = lot.left.min(points);
        lot.left -= left;
        let lapsed = lot.lapsed.min(points - left);
        lot.lapsed -= lapsed;
        let wanted = points - left - lapsed;
        self.debt += wanted - total(&self.take(wanted, now));
        Some(())
    }

    /// Writes down what has lapsed, if time did anything since the member was `before`. What is owed is paid first.
    fn close(&mut self, before: &Self, now: u64) -> Option<()> {
        let over = |one: &Use| one.until <= now && !one.held.is_empty();
        let ended = |lot: &Lot| lot.ends <= now && lot.left > 0;
        if !before.uses.iter().any(over) && !before.lots.iter().any(ended) {
            return None;
        }
        self.repay(now - 1);
        for lot in self.lots.iter_mut().filter(|lot| lot.ends <= now) {
            lot.lapsed += std::mem::take(&mut lot.left);
        }
        Some(())
    }

    /// Returns what the member has at an instant: to spend, held, and owed.
    fn balance(&self, now: u64) -> (u64, u64, u64) {
        let mut then = self.clone();
        then.let_go(now, None);
        let available = then.lots.iter().filter(|lot| lot.ends > now).map(|lot| lot.left).sum();
        (available, then.uses.iter().map(|one| total(&one.held)).sum(), self.debt)
    }
}

fn total(parts: &[(usize, u64)]) -> u64 {
    parts.iter().map(|(_, points)| points).sum()
}

/// Returns the event that the last letter of a member's word so far is. The member is named by the whole word.
fn event(member: &str, word: &str) -> Value {
    let (day, letter) = word.char_indices().last().expect("a word has letters");
    let id = |day: usize| format!("{member}/{day}");
    let of = |day: Option<usize>| day.map_or("none".to_owned(), id);
    let (asked, bought) = (of(word.rfind('a')), of(word.rfind('b')));
    let step = |kind: &str, data: Value| {
        json!({"specversion": "1.0", "id": id(day), "source": "/merchants/shop", "type": format!("jifen.{kind}"),
            "time": format!("2025-07-{:02}T12:00:00+08:00", day + 1), "data": data})
    };
    match letter {
        '=' => event(member, &word[..day]),
        'b' => purchase(&id(day), member, text(&step("", json!({}))["time"]), LOT * 100),
        'a' => {
            let data = json!({"redemption": id(day), "member": member, "merchant": "shop", "item": "rice"});
            step("redemption.requested", data)
        }
        'u' => step("redemption.captured", json!({"redemption": asked})),
        'f' => step("redemption.voided", json!({"redemption": asked})),
        'g' => step("redemption.cancelled", json!({"redemption": asked, "cause": "member"})),
        'r' => {
            let lines = json!([{"sku": "rice", "quantity": 0, "amount": PART * 100}]);
            step("purchase.refunded", json!({"order": bought, "lines": lines}))
        }
        'R' => step("purchase.refunded", json!({"order": of(word.find('b'))})),
        'c' => {
            let over = ["2025-06-30", "2025-07-01", "2025-07-02", "2025-07-03", "2025-07-04"][day];
            let mut close = step("day.closed", json!({"day": over, "member": member}));
            close["time"] = json!(format!("2025-07-{:02}T00:00:00+08:00", day + 1));
            close
        }
        _ => unreachable!("a word has no other letters"),
    }
}

/// Returns the words up to a length. From four letters on only those that begin with a purchase, unless all are wanted: a
/// member who has nothing is refused everything.
fn words(all: bool) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut longest = 0..1;
    for length in 1..=DAYS {
        let begun = words.len();
        for place in longest {
            let word = words[place].clone();
            if length > 3 && !all && !word.starts_with('b') {
                continue;
            }
            words.extend(LETTERS.chars().map(|letter| format!("{word}{letter}")));
        }
        longest = begun..words.len();
    }
    let possible = |word: &String| !word.starts_with('=') && word.matches('b').count() <= LOTS;
    words.into_iter().skip(1).filter(possible).collect()
}

/// Tells a word to the model: what becomes of each event, and what the member has in the end.
fn told(word: &str) -> (Vec<&'static str>, Model) {
    let (mut model, mut outcomes) = (Model::default(), Vec::new());
    for end in 1..=word.len() {
        let again = word[..end].ends_with('=');
        outcomes.push(match (again, outcomes.last()) {
            (true, Some(&"applied" | &"duplicate")) => "duplicate",
            (true, _) => "refused",
            (false, _) => model.after(&word[..end]).map_or("refused", |then| {
                model = then;
                "applied"
            }),
        });
    }
    (outcomes, model)
}

const PROGRAM: &str = "
[[redemption]]
id = 'offer'
policy = 'offer'
unit = 'points'
hold = { days = 2 }
";

#[test]
fn every_short_history_comes_to_what_a_model_says() {
    let town = Town::new();
    town.policy("offer", &redemption(PRICE, 0, 0));
    town.program(&[("spend", "spend", "base", "")]);
    let program =
        town.read("program.toml").replace("id = \"points\"", "id = \"points\"\nexpires = { days = 3 }");
    town.write("program.toml", program + PROGRAM);

    // Day by day, so that a batch has many members and few steps of each.
    let words = words(seeds() > 2);
    let days = (1..=DAYS).flat_map(|end| words.iter().filter_map(move |word| Some((word, word.get(..end)?))));
    let days: Vec<_> = days.collect();
    let events: Vec<_> = days.iter().map(|(word, so_far)| event(word, so_far)).collect();
    let done = town.run("l.db", &events, &["--receipts", "receipts.jsonl"]);
    assert_eq!(done.code, Some(3), "some must be refused: {done:?}");

    let stories: BTreeMap<_, _> = words.iter().map(|word| (word.as_str(), told(word))).collect();
    let mut wrong = Vec::new();
    let mut applied = 0;
    for ((word, so_far), receipt) in days.iter().zip(objects(&town.path("receipts.jsonl"))) {
        let expected = stories[word.as_str()].0[so_far.len() - 1];
        applied += u64::from(expected == "applied");
        if text(&receipt["outcome"]) != expected {
            let (outcome, why) = (&receipt["outcome"], &receipt["reason"]);
            wrong.push(format!("{so_far} of {word}: {outcome}, not {expected}: {why}"));
        }
    }
    let have = balances(&town);
    for (word, (_, model)) in &stories {
        let expected = (!model.lots.is_empty()).then(|| model.balance(noon(DAYS - 1)));
        let has = have.get(*word).copied();
        if has != expected {
            wrong.push(format!("{word} has (available, held, owed) {has:?}, not {expected:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} histories: {:#?}",
        wrong.len(),
        words.len(),
        &wrong[..wrong.len().min(20)]
    );
    assert_eq!(town.replay("l.db"), applied);
}

/// Returns what each member can spend, has held and owes at the end of the last day.
fn balances(town: &Town) -> BTreeMap<String, (u64, u64, u64)> {
    let at = format!("2025-07-{DAYS:02}T12:00:00+08:00");
    let done = town.done(&["balance", "--ledger", "l.db", "--json", "--at", &at]);
    let points = |line: &Value, field: &str| line[field].as_u64().expect("a count");
    let lines =
        done.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is an object"));
    lines
        .map(|line| {
            let has = (points(&line, "available"), points(&line, "held"), points(&line, "debt"));
            (text(&line["member"]).to_owned(), has)
        })
        .collect()
}
