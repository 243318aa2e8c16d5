//! Cases, run natively: no WebAssembly, the same code.

#[cfg(test)]
mod tests;
mod words;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::case::{self, Case, Data, Difference, InvalidCase, Outcome};
use crate::date::Date;
use crate::fact::Fact;
use crate::policy::parse;
use crate::probe::{Claims, Kind, Unanswered};
use crate::{
    Action, Answer, Award, CampaignPolicy, DayNumber, EarningPolicy, Event, Facts, Line, LunarDate, Minor,
    Occasion, Offer, Points, Proposal, Purchase, Purpose, Recipient, RedemptionPolicy, Request, Tender,
    TenderKind, Today,
};

/// What the contract says where no solar term begins.
const NO_TERM: u8 = 255;

/// How a policy of some kind answers a case.
type Answers = fn(&Case, &StatedFacts<'_>) -> Result<Outcome, Difference>;

/// Runs one case of an earning policy. A panic counts as the fault `trap`.
///
/// # Errors
///
/// With what differs, with the fact that the policy asked and the case does not state, or with a fault that only the
/// component can show.
pub fn check<P: EarningPolicy>(case: &Case) -> Result<(), Difference> {
    compare(case, evaluated::<P>)
}

/// Runs one case of a redemption policy: what [`check`] is for an earning policy.
///
/// # Errors
///
/// Those of [`check`].
pub fn check_redemption<P: RedemptionPolicy>(case: &Case) -> Result<(), Difference> {
    compare(case, quoted::<P>)
}

/// Runs one case of a campaign policy: what [`check`] is for an earning policy.
///
/// # Errors
///
/// Those of [`check`].
pub fn check_campaign<P: CampaignPolicy>(case: &Case) -> Result<(), Difference> {
    compare(case, acted::<P>)
}

fn compare(case: &Case, answers: Answers) -> Result<(), Difference> {
    if let Some(fault) = only_in_host(case) {
        return Err(Difference::OnlyInHost(fault.to_owned()));
    }
    case.expect.compare(answer(case, answers)?)
}

fn answer(case: &Case, answers: Answers) -> Result<Outcome, Difference> {
    let facts = StatedFacts { case, unstated: Cell::new(None) };
    let got = catch_unwind(AssertUnwindSafe(|| answers(case, &facts)));
    match facts.unstated.get() {
        Some(fact) => Err(Difference::UnstatedFact(fact)),
        None => got.unwrap_or_else(|_| Ok(Outcome::Fault("trap".to_owned()))),
    }
}

/// Runs every case of a policy, and looks for the words of its codes, each as a test of its own. What
/// [`cases_main!`](crate::cases_main) expands to.
#[doc(hidden)]
pub fn run_cases<P: EarningPolicy>(policy: &str) -> ExitCode {
    run(Path::new(policy), Kind::Earning, evaluated::<P>)
}

/// What [`redemption_cases_main!`](crate::redemption_cases_main) expands to.
#[doc(hidden)]
pub fn run_redemption_cases<P: RedemptionPolicy>(policy: &str) -> ExitCode {
    run(Path::new(policy), Kind::Redemption, quoted::<P>)
}

/// What [`campaign_cases_main!`](crate::campaign_cases_main) expands to.
#[doc(hidden)]
pub fn run_campaign_cases<P: CampaignPolicy>(policy: &str) -> ExitCode {
    run(Path::new(policy), Kind::Campaign, acted::<P>)
}

fn run(policy: &Path, kind: Kind, answers: Answers) -> ExitCode {
    let trials = trials(policy, kind, answers).unwrap_or_else(|error| vec![failure("cases", error)]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Makes the `main` of `tests/cases.rs`, a test with `harness = false`: one test for each file in `cases/`, one that
/// finds words in `policy.toml` for every code that a case expects, and one that tries its promises and whether the policy is
/// fair (see [`probe`](crate::probe)).
///
/// ```text
/// rules_guest::cases_main!(market_day::MarketDay);
/// ```
#[macro_export]
macro_rules! cases_main {
    ($policy:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run_cases::<$policy>(env!("CARGO_MANIFEST_DIR"))
        }
    };
}

/// Makes the `main` of `tests/cases.rs` for a redemption policy: what [`cases_main!`](crate::cases_main) is for an earning
/// policy.
///
/// ```text
/// rules_guest::redemption_cases_main!(catalogue::Catalogue);
/// ```
#[macro_export]
macro_rules! redemption_cases_main {
    ($policy:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run_redemption_cases::<$policy>(env!("CARGO_MANIFEST_DIR"))
        }
    };
}

/// Makes the `main` of `tests/cases.rs` for a campaign policy: what [`cases_main!`](crate::cases_main) is for an earning policy.
///
/// ```text
/// rules_guest::campaign_cases_main!(recall::Recall);
/// ```
#[macro_export]
macro_rules! campaign_cases_main {
    ($policy:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run_campaign_cases::<$policy>(env!("CARGO_MANIFEST_DIR"))
        }
    };
}

fn trials(policy: &Path, kind: Kind, answers: Answers) -> Result<Vec<Trial>, String> {
    let directory = policy.join("cases");
    let files = case_files(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    if files.is_empty() {
        return Err(format!("there are no cases in {}", directory.display()));
    }
    let mut cases = Vec::new();
    let mut trials: Vec<Trial> = Vec::new();
    for file in files {
        let case = Case::read(&file);
        cases.extend(case.clone());
        // What only the host can judge is a case for `jifen test`.
        if !case.as_ref().is_ok_and(|case| only_in_host(case).is_some()) {
            trials.push(trial(&file, case, answers));
        }
    }
    let description = policy.join("policy.toml");
    let (file, stated) = (description.clone(), cases.clone());
    trials.push(Trial::test("policy.toml", move || words::check(&file, &stated).map_err(Failed::from)));
    trials.push(Trial::test("promises and fairness", move || {
        claims(&description, kind, &cases, answers).map_err(Failed::from)
    }));
    Ok(trials)
}

fn claims(description: &Path, kind: Kind, cases: &[Case], answers: Answers) -> Result<(), String> {
    let text = std::fs::read_to_string(description).map_err(|error| error.to_string())?;
    let respond = |case: &Case| {
        answer(case, answers).map_err(|difference| match difference {
            Difference::UnstatedFact(fact) => Unanswered::Unstated(fact),
            Difference::Outcome { .. } | Difference::OnlyInHost(_) | Difference::NotAsked(_) => {
                Unanswered::Failed(difference.to_string())
            }
        })
    };
    let tried = Claims::parse(&text)?.try_all(kind, cases, &respond);
    let false_claims = tried.iter().filter_map(|tried| {
        let to_mend = tried.to_mend()?;
        Some(format!("{}\n{to_mend}", tried.what))
    });
    let false_claims: Vec<_> = false_claims.collect();
    if false_claims.is_empty() { Ok(()) } else { Err(false_claims.join("\n")) }
}

fn case_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = directory.read_dir()?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

fn trial(file: &Path, case: Result<Case, InvalidCase>, answers: Answers) -> Trial {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match case {
        Err(invalid) => failure(name, invalid),
        Ok(case) => Trial::test(name, move || compare(&case, answers).map_err(Failed::from)),
    }
}

fn failure(name: impl Into<String>, why: impl ToString) -> Trial {
    let why = why.to_string();
    Trial::test(name, move || Err(Failed::from(why)))
}

/// Returns the expected fault if it is one that has no native counterpart: fuel, memory, the stack.
fn only_in_host(case: &Case) -> Option<&str> {
    match &case.expect {
        Outcome::Fault(fault) if fault != "trap" => Some(fault),
        Outcome::Fault(_)
        | Outcome::Awards(_)
        | Outcome::Offered(_)
        | Outcome::Actions(_)
        | Outcome::Declined(_)
        | Outcome::InvalidParameters(_) => None,
    }
}

fn evaluated<P: EarningPolicy>(case: &Case, facts: &StatedFacts<'_>) -> Result<Outcome, Difference> {
    let event = event(case)?;
    let policy = parse::<P>(case.parameters.get(), P::check);
    Ok(policy.map_or_else(Outcome::InvalidParameters, |policy| policy.evaluate(&event, facts).into()))
}

fn quoted<P: RedemptionPolicy>(case: &Case, facts: &StatedFacts<'_>) -> Result<Outcome, Difference> {
    let request = request(case)?;
    let policy = parse::<P>(case.parameters.get(), P::check);
    Ok(policy.map_or_else(Outcome::InvalidParameters, |policy| policy.quote(&request, facts).into()))
}

fn acted<P: CampaignPolicy>(case: &Case, facts: &StatedFacts<'_>) -> Result<Outcome, Difference> {
    let Data::Run(_) = case.event.data else { return Err(Difference::NotAsked(case.event.data.kind())) };
    let policy = parse::<P>(case.parameters.get(), P::check);
    let acted = |policy: P| {
        Outcome::Actions(policy.run(&today(case), facts).into_iter().map(case::Action::from).collect())
    };
    Ok(policy.map_or_else(Outcome::InvalidParameters, acted))
}

fn event(case: &Case) -> Result<Event, Difference> {
    let occasion = match &case.event.data {
        Data::Registration(_) => Occasion::Registration,
        Data::Purchase(stated) => Occasion::Purchase(purchase(&case.merchant_category, stated)),
        Data::Request(_) | Data::Run(_) => return Err(Difference::NotAsked(case.event.data.kind())),
    };
    Ok(Event { occasion, today: today(case), points_so_far: case.points_so_far })
}

fn request(case: &Case) -> Result<Request, Difference> {
    match &case.event.data {
        Data::Request(stated) => {
            let purpose = purpose(&case.merchant_category, stated);
            Ok(Request { purpose, today: today(case), wanted: stated.points })
        }
        Data::Registration(_) | Data::Purchase(_) | Data::Run(_) => {
            Err(Difference::NotAsked(case.event.data.kind()))
        }
    }
}

fn today(case: &Case) -> Today {
    let day = case.event.time.day();
    let lunar = day.lunar();
    Today {
        number: day.number(),
        year: day.year(),
        month: day.month(),
        day_of_month: day.day_of_month(),
        weekday: day.weekday(),
        lunar: LunarDate {
            year: lunar.year,
            month: lunar.month,
            leap: lunar.leap,
            day: lunar.day,
            days_in_month: lunar.days_in_month,
        },
        solar_term: day.solar_term().unwrap_or(NO_TERM),
        sexagenary: day.sexagenary(),
        market_day: case.market_day,
        second_of_day: case.event.time.second_of_day(),
    }
}

fn purchase(merchant_category: &str, stated: &case::Purchase) -> Purchase {
    Purchase {
        merchant_category: merchant_category.to_owned(),
        currency: stated.currency.clone(),
        lines: stated.lines.iter().map(Line::from).collect(),
        freight_minor: stated.freight,
        discount_minor: stated.discount,
        tenders: stated.tenders.iter().map(Tender::from).collect(),
    }
}

fn purpose(merchant_category: &str, stated: &case::Request) -> Purpose {
    match &stated.item {
        Some(item) => Purpose::Item((item.clone(), stated.quantity.unwrap_or(1))),
        None => Purpose::Bill(Purchase {
            merchant_category: merchant_category.to_owned(),
            currency: stated.currency.clone().unwrap_or_default(),
            lines: stated.lines.iter().map(Line::from).collect(),
            freight_minor: stated.freight,
            discount_minor: 0,
            tenders: Vec::new(),
        }),
    }
}

impl From<&case::Line> for Line {
    fn from(stated: &case::Line) -> Self {
        Self {
            sku: stated.sku.clone(),
            category: stated.category.clone(),
            quantity: stated.quantity,
            amount_minor: stated.amount,
            tags: stated.tags.clone(),
        }
    }
}

impl From<&case::Tender> for Tender {
    fn from(stated: &case::Tender) -> Self {
        let kind = match stated.kind {
            case::TenderKind::Cash | case::TenderKind::Card | case::TenderKind::Wallet => TenderKind::Cash,
            case::TenderKind::Points => TenderKind::Points,
            case::TenderKind::GiftCard => TenderKind::GiftCard,
        };
        Self { kind, amount_minor: stated.amount }
    }
}

impl From<Proposal> for Outcome {
    fn from(proposal: Proposal) -> Self {
        match proposal {
            Proposal::Awards(awards) => Self::Awards(awards.into_iter().map(case::Award::from).collect()),
            Proposal::Declined(code) => Self::Declined(code),
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Offered(offer) => Self::Offered(offer.into()),
            Answer::Declined(code) => Self::Declined(code),
        }
    }
}

impl From<Action> for case::Action {
    fn from(action: Action) -> Self {
        match action {
            Action::Award(award) => Self::Award(award.into()),
            Action::Notice(code) => Self::Notice(code),
            Action::Grant(unit) => Self::Grant(unit),
        }
    }
}

impl From<Offer> for case::Offer {
    fn from(offer: Offer) -> Self {
        Self {
            points: offer.points,
            cash: offer.cash_minor,
            worth: offer.worth_minor,
            benefit: offer.benefit,
            restrictions: offer.restrictions,
        }
    }
}

impl From<Award> for case::Award {
    fn from(award: Award) -> Self {
        Self {
            to: match award.to {
                Recipient::Member => case::Recipient::Member,
                Recipient::Referrer => case::Recipient::Referrer,
            },
            points: award.points,
            reason: award.reason,
            unit: award.unit,
            available_from: award.available_from.map(Date::from_number),
            valid_until: award.valid_until.map(Date::from_number),
            line: award.line,
        }
    }
}

/// The facts that a case states. The first that it does not answer is kept, and gets 0 for the moment.
struct StatedFacts<'a> {
    case: &'a Case,
    unstated: Cell<Option<Fact>>,
}

impl StatedFacts<'_> {
    fn ask(&self, fact: Fact) -> u64 {
        let answer = self.case.facts.get(&fact);
        if answer.is_none() && self.unstated.get().is_none() {
            self.unstated.set(Some(fact));
        }
        answer.map_or(0, |answer| answer.value())
    }

    fn ask_day(&self, fact: Fact) -> Option<DayNumber> {
        DayNumber::try_from(self.ask(fact)).ok().filter(|day| *day != 0)
    }
}

impl Facts for StatedFacts<'_> {
    fn purchases_lifetime_count(&self) -> u64 {
        self.ask(Fact::PurchasesLifetimeCount)
    }

    fn purchases_lifetime_spend_minor(&self) -> Minor {
        self.ask(Fact::PurchasesLifetimeSpendMinor)
    }

    fn purchases_count_since(&self, first_day: DayNumber) -> u64 {
        self.ask(Fact::PurchasesCountSince(first_day))
    }

    fn purchases_spend_minor_since(&self, first_day: DayNumber) -> Minor {
        self.ask(Fact::PurchasesSpendMinorSince(first_day))
    }

    fn purchases_last_day(&self) -> Option<DayNumber> {
        self.ask_day(Fact::PurchasesLastDay)
    }

    fn awards_granted_since(&self, first_day: DayNumber) -> Points {
        self.ask(Fact::AwardsGrantedSince(first_day))
    }

    fn balance_available(&self) -> Points {
        self.ask(Fact::BalanceAvailable)
    }

    fn balance_pending(&self) -> Points {
        self.ask(Fact::BalancePending)
    }

    fn membership_registered_day(&self) -> Option<DayNumber> {
        self.ask_day(Fact::MembershipRegisteredDay)
    }

    fn membership_referred(&self) -> bool {
        self.ask(Fact::MembershipReferred) != 0
    }

    fn referral_present(&self) -> bool {
        self.ask(Fact::ReferralPresent) != 0
    }

    fn referral_same_person(&self) -> bool {
        self.ask(Fact::ReferralSamePerson) != 0
    }

    fn birthday_civil_today(&self) -> bool {
        self.ask(Fact::BirthdayCivilToday) != 0
    }

    fn birthday_civil_month(&self) -> bool {
        self.ask(Fact::BirthdayCivilMonth) != 0
    }

    fn birthday_lunar_today(&self) -> bool {
        self.ask(Fact::BirthdayLunarToday) != 0
    }

    fn birthday_leap_lunar_today(&self) -> bool {
        self.ask(Fact::BirthdayLeapLunarToday) != 0
    }

    fn birthday_lunar_month(&self) -> bool {
        self.ask(Fact::BirthdayLunarMonth) != 0
    }

    fn expiring_untold_until(&self, last_day: DayNumber) -> Points {
        self.ask(Fact::ExpiringUntoldUntil(last_day))
    }

    fn tier_level(&self) -> Points {
        self.ask(Fact::TierLevel)
    }

    fn tier_earned_since(&self, first_day: DayNumber) -> Points {
        self.ask(Fact::TierEarnedSince(first_day))
    }
}
