//! The program at work: a program file with every policy loaded, under one digest.
//!
//! It never changes. A swap builds the next one and lets events in flight finish on the one they began with.

use std::collections::BTreeMap;
use std::sync::Arc;

use jifen_engine::{Policy, PolicyStore, World};
use jifen_ledger::{Ledger, LedgerError, Logged, Needs, ProgramChange};
use jifen_loyalty::event::{Happening, Run};
use jifen_loyalty::program::{Deployment, PolicyRef, RedemptionDeployment, Situation};
use jifen_loyalty::{DeploymentId, Fact, InvalidEvent, MerchantId, Program, Receipt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::campaign::Campaign;
use crate::description;
use crate::error::{HostError, ReleaseError};
use crate::facts::{needs_of, scalars_of};
use crate::meter::Meter;
use crate::parallel;
use crate::releases::{Release, Releases, parse_digest};

/// A program with its policies.
pub(crate) struct Active {
    /// The program.
    pub(crate) program: Program,
    /// The SHA-256 of the program's document, in hexadecimal: it pins file, components, parameters and tables.
    pub(crate) digest: String,
    /// What of a member's history its policies and caps need.
    pub(crate) needs: Needs,
    /// Whether a cap counts what referrers were granted.
    pub(crate) caps_referrers: bool,
    /// Deployments that have a budget.
    pub(crate) budgets: Vec<DeploymentId>,
    /// What the digest is of.
    pub(crate) document: Document,
    /// By deployment.
    policies: Vec<Loaded>,
    /// By redemption deployment.
    redemptions: Vec<Loaded>,
    places: BTreeMap<DeploymentId, usize>,
}

/// A policy, and what of a member it can ask for.
pub(crate) struct Loaded {
    /// The policy.
    pub(crate) policy: Arc<Policy>,
    /// What of the member's history.
    pub(crate) needs: Needs,
    /// Which facts that take no day.
    pub(crate) scalars: Vec<Fact>,
    /// What asking it costs.
    pub(crate) meter: Meter,
}

/// The document that a program's digest is of.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// The text of the file.
    pub(crate) program: String,
    /// What every receipt line says of the program.
    #[serde(flatten)]
    pub(crate) pins: Pins,
}

impl Document {
    /// Returns the one of a digest, as the ledger kept it.
    pub(crate) fn of(digest: &str, ledger: &dyn Ledger) -> Result<Self, HostError> {
        let unknown = || HostError::UnknownProgram { digest: digest.to_owned() };
        let key = parse_digest(digest).ok_or_else(unknown)?;
        let bytes = ledger.program(&key)?.ok_or_else(unknown)?;
        serde_json::from_slice(&bytes).map_err(|_| unknown())
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text always serializes")
    }
}

/// Returns the program that decided an entry, without its policies.
pub(crate) fn program_of(ledger: &dyn Ledger, logged: &Logged) -> Result<(Program, Pins), HostError> {
    let receipt = Receipt::inputs(&logged.receipt).map_err(HostError::Receipt)?;
    program_named(ledger, &receipt.program)
}

/// Says that a merchant of whom a ledger has nothing is none of its program, if that is so: it may be misspelt.
pub(crate) fn check_merchant(ledger: &dyn Ledger, merchant: &MerchantId) -> anyhow::Result<()> {
    let Some(last) = ledger.log(ledger.length()?.saturating_sub(1), 1)?.pop() else { return Ok(()) };
    let known = program_of(ledger, &last)?.0.merchant(merchant.as_str()).is_some();
    anyhow::ensure!(known, "the ledger has nothing of {merchant}, and its program no such merchant");
    Ok(())
}

/// Returns the program of a digest, without its policies.
pub(crate) fn program_named(ledger: &dyn Ledger, digest: &str) -> Result<(Program, Pins), HostError> {
    let Document { program, pins } = Document::of(digest, ledger)?;
    Ok((Program::parse(&program).map_err(HostError::Program)?, pins))
}

/// What a program depends on beside its file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pins {
    /// The SHA-256 of the calendar tables.
    pub(crate) calendars: String,
    /// The version of the time zone table.
    pub(crate) timezones: String,
    /// What each deployment runs, in the order of the file.
    pub(crate) policies: Vec<Pin>,
}

/// What a deployment runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pin {
    /// The deployment.
    pub(crate) deployment: String,
    /// The policy's name and version.
    pub(crate) policy: String,
    /// The SHA-256 of the component.
    pub(crate) component: String,
    /// The SHA-256 of the parameters.
    pub(crate) parameters: String,
}

impl Active {
    /// Loads the program of a file with the releases that it names.
    pub(crate) fn from_file(
        text: &str,
        releases: &Releases<'_>,
        store: &PolicyStore,
    ) -> Result<Self, HostError> {
        let program = Program::parse(text).map_err(HostError::Program)?;
        let find = |deployed: Deployed<'_>| {
            releases.find(deployed.policy).map_err(|source| deployed.not_found(source))
        };
        let found = deployed(&program).map(find).collect::<Result<Vec<_>, _>>()?;
        let active = Self::load(text, program, &found, store)?;
        // What was taken once is taken for ever.
        if !releases.keeps_program(&active.key())? {
            hold_against_schemas(&active, &found, &releases.pins_at_work()?, store)?;
        }
        Ok(active)
    }

    /// Loads the program of a change, with what the ledger keeps alone.
    pub(crate) fn at_work(
        change: &ProgramChange,
        ledger: &dyn Ledger,
        store: &PolicyStore,
    ) -> Result<Self, HostError> {
        let releases = Releases::new(None, Some(ledger));
        Self::from_ledger(&hex::encode(change.program), ledger, &releases, store)
    }

    /// Loads the program of a digest with the tables of this build, whichever decided then: not to derive a receipt again, but to see
    /// what it would decide.
    pub(crate) fn with_our_tables(
        digest: &str,
        ledger: &dyn Ledger,
        releases: &Releases<'_>,
        store: &PolicyStore,
    ) -> Result<Self, HostError> {
        Ok(Self { digest: digest.to_owned(), ..Self::kept(digest, ledger, releases, store)? })
    }

    /// Loads the program of a digest as the ledger kept it.
    pub(crate) fn from_ledger(
        digest: &str,
        ledger: &dyn Ledger,
        releases: &Releases<'_>,
        store: &PolicyStore,
    ) -> Result<Self, HostError> {
        let active = Self::kept(digest, ledger, releases, store)?;
        if active.digest != digest {
            let then = Box::new(Document::of(digest, ledger)?.pins);
            let now = Box::new(active.document.pins);
            return Err(HostError::OtherTables { digest: digest.to_owned(), then, now });
        }
        Ok(active)
    }

    fn kept(
        digest: &str,
        ledger: &dyn Ledger,
        releases: &Releases<'_>,
        store: &PolicyStore,
    ) -> Result<Self, HostError> {
        let document = Document::of(digest, ledger)?;
        let program = Program::parse(&document.program).map_err(HostError::Program)?;
        let find = |(deployed, pin): (Deployed<'_>, &Pin)| {
            releases.find_digest(&pin.component).map_err(|source| deployed.not_found(source))
        };
        let found = deployed(&program).zip(&document.pins.policies).map(find);
        let found = found.collect::<Result<Vec<_>, _>>()?;
        Self::load(&document.program, program, &found, store)
    }

    fn load(
        text: &str,
        program: Program,
        found: &[Arc<Release>],
        store: &PolicyStore,
    ) -> Result<Self, HostError> {
        let wanted: Vec<_> = deployed(&program).zip(found).collect();
        // What the cache does not have is compiled, each by a process of its own.
        let policies =
            parallel::map(&wanted, parallel::cores(), |(deployed, release)| deployed.load(release, store));
        let mut policies = policies.into_iter().collect::<Result<Vec<_>, HostError>>()?;
        let redemptions = policies.split_off(program.deployments.len());
        let document = Document { program: text.to_owned(), pins: Pins::new(&program, found) };
        let budgets = program.deployments.iter().filter(|deployment| deployment.budget.is_some());
        let places = program.deployments.iter().map(|deployment| deployment.id.clone()).zip(0..);
        Ok(Self {
            digest: hex::encode(Sha256::digest(document.bytes())),
            needs: needs(&program, &policies, &redemptions),
            budgets: budgets.map(|deployment| deployment.id.clone()).collect(),
            caps_referrers: program.deployments.iter().any(|it| it.cap.of_referrers()),
            places: places.collect(),
            document,
            policies,
            redemptions,
            program,
        })
    }

    /// Writes the program and its releases into the ledger, so that replay needs nothing else.
    pub(crate) fn keep(&self, ledger: &dyn Ledger, releases: &Releases<'_>) -> Result<(), HostError> {
        for pin in &self.document.pins.policies {
            releases.keep(&pin.component, ledger)?;
        }
        Ok(self.keep_again(ledger)?)
    }

    /// Returns the digest as ledgers have it.
    pub(crate) fn key(&self) -> jifen_ledger::Digest {
        parse_digest(&self.digest).expect("a program's digest is one")
    }

    /// Writes the program into a ledger that has it, which changes nothing, and shows whether the ledger can be written.
    pub(crate) fn keep_again(&self, ledger: &dyn Ledger) -> Result<(), LedgerError> {
        let document = self.document.bytes();
        ledger.put_program(&Sha256::digest(&document).into(), &document)
    }

    /// Returns the deployments of a lane, in the order of the file.
    pub(crate) fn lane(&self, place: usize) -> impl Iterator<Item = (&Deployment, &Loaded)> {
        let deployed = self.program.deployments.iter().zip(&self.policies);
        deployed.filter(move |(deployment, _)| deployment.lane == place)
    }

    /// Returns the redemption deployments, in the order of the file.
    pub(crate) fn redemptions(&self) -> impl Iterator<Item = (&RedemptionDeployment, &Loaded)> {
        self.program.redemptions.iter().zip(&self.redemptions)
    }

    /// Returns the campaigns, in the order of the file.
    pub(crate) fn campaigns(&self) -> impl Iterator<Item = Campaign<'_>> {
        let deployed = self.program.deployments.iter().zip(&self.policies);
        deployed.filter_map(|(deployment, loaded)| {
            Some(Campaign { deployment, segment: deployment.campaign.as_ref()?, loaded })
        })
    }

    /// Returns the campaign that runs.
    pub(crate) fn campaign(&self, run: &Run) -> Result<Campaign<'_>, InvalidEvent> {
        let found = self.campaigns().find(|campaign| campaign.deployment.id == run.campaign);
        let reason = || format!("there is no [[campaign]] {:?}", run.campaign.as_str());
        found.ok_or_else(|| InvalidEvent { field: "data.campaign".to_owned(), reason: reason() })
    }

    /// Returns whether another deployment is tried in the place of one for the member to whom something happens.
    pub(crate) fn is_replaced(
        &self,
        deployment: &Deployment,
        happening: &Happening,
        situation: &Situation<'_>,
    ) -> Result<bool, InvalidEvent> {
        let tried = deployment.replaced_by.and_then(|place| self.program.deployments.get(place));
        match tried.filter(|tried| tried.is_live_for(&happening.member)) {
            Some(tried) => tried.applies(happening.time, situation),
            None => Ok(false),
        }
    }

    /// Returns whether a deployment runs a policy of that name.
    pub(crate) fn runs(&self, policy: &str) -> bool {
        let name = |pin: &Pin| pin.policy.split('@').next() == Some(policy);
        self.document.pins.policies.iter().any(name)
    }

    /// Returns the deployment of that name.
    pub(crate) fn deployment(&self, id: &DeploymentId) -> Option<&Deployment> {
        self.program.deployments.get(*self.places.get(id)?)
    }
}

impl Pins {
    fn new(program: &Program, found: &[Arc<Release>]) -> Self {
        let pin = |(deployed, release): (Deployed<'_>, &Arc<Release>)| Pin {
            deployment: deployed.id.as_str().to_owned(),
            policy: release.name(),
            component: release.digest.clone(),
            parameters: hex::encode(Sha256::digest(deployed.parameters)),
        };
        Self {
            calendars: calendars_digest(),
            timezones: jifen_loyalty::time::ZONES_VERSION.to_owned(),
            policies: deployed(program).zip(found).map(pin).collect(),
        }
    }
}

fn calendars_digest() -> String {
    let mut digest = Sha256::new();
    for byte in rules_guest::calendar::table_bytes() {
        digest.update([byte]);
    }
    hex::encode(digest.finalize())
}

/// A policy with parameters, whatever it is deployed for.
#[derive(Clone, Copy)]
pub(crate) struct Deployed<'p> {
    pub(crate) id: &'p DeploymentId,
    policy: &'p PolicyRef,
    pub(crate) parameters: &'p str,
    pub(crate) line: usize,
    pub(crate) world: World,
    /// The merchant at which it applies, if it is one.
    pub(crate) merchant: Option<&'p MerchantId>,
    /// Whether whom it is about depends on lots.
    lots: bool,
    /// Whether the program has levels.
    levels: bool,
}

/// Refuses parameters that are not as the schema of their policy says, though the policy takes them: what it does not know, it may
/// ignore.
fn hold_against_schemas(
    active: &Active,
    found: &[Arc<Release>],
    at_work: &[Pin],
    store: &PolicyStore,
) -> Result<(), HostError> {
    let is_at_work = |pin: &Pin| {
        at_work.iter().any(|it| (&it.component, &it.parameters) == (&pin.component, &pin.parameters))
    };
    let mut by_release = BTreeMap::<_, (_, Vec<_>)>::new();
    for ((deployed, release), pin) in deployed(&active.program).zip(found).zip(&active.document.pins.policies)
    {
        if !is_at_work(pin) {
            by_release.entry(&release.digest).or_insert((release, Vec::new())).1.push(deployed);
        }
    }
    let by_release: Vec<_> = by_release.into_values().collect();
    let held = parallel::map(&by_release, parallel::cores(), |(release, deployed)| {
        let description = description::text(&release.component).filter(|text| description::has_schema(text));
        let Some(description) = description else { return Ok(()) };
        let sets: Vec<_> = deployed.iter().map(|deployed| deployed.parameters).collect();
        let (set, source) = match store.unfit(&description, &sets) {
            Ok(None) => return Ok(()),
            Ok(Some(unfit)) => unfit,
            Err(error) => (0, error),
        };
        let Deployed { line, id, .. } = deployed.get(set).expect("one of those that were handed over");
        Err(HostError::Policy { line: *line, id: (*id).clone(), source })
    });
    held.into_iter().collect()
}

/// Returns everything that a program deploys: for earning first, then for redemptions, each in the order of the file.
pub(crate) fn deployed(program: &Program) -> impl Iterator<Item = Deployed<'_>> {
    let levels = program.levels().is_some();
    let earning = program.deployments.iter().map(
        move |Deployment { id, policy, parameters, line, campaign, scope, .. }| {
            let world = if campaign.is_some() { World::Campaign } else { World::Earning };
            let lots = campaign.as_ref().is_some_and(|segment| segment.expiring.is_some());
            let merchant = scope.merchant.as_ref();
            Deployed { id, policy, parameters, line: *line, world, merchant, lots, levels }
        },
    );
    let redemption = program.redemptions.iter().map(
        move |RedemptionDeployment { id, policy, parameters, line, scope, .. }| {
            let (world, lots) = (World::Redemption, false);
            let merchant = scope.merchant.as_ref();
            Deployed { id, policy, parameters, line: *line, world, merchant, lots, levels }
        },
    );
    earning.chain(redemption)
}

impl Deployed<'_> {
    pub(crate) fn not_found(self, source: ReleaseError) -> HostError {
        HostError::Deployment { line: self.line, id: self.id.clone(), source }
    }

    fn load(self, release: &Release, store: &PolicyStore) -> Result<Loaded, HostError> {
        let refused = |source| HostError::Policy { line: self.line, id: self.id.clone(), source };
        let policy = store.policy(&release.component, self.parameters).map_err(refused)?;
        if policy.world() != self.world {
            let (found, expected) = (policy.world(), self.world);
            return Err(HostError::World { line: self.line, id: self.id.clone(), found, expected });
        }
        let mut needs = needs_of(&policy, self.levels);
        needs.lots |= self.lots;
        Ok(Loaded { needs, scalars: scalars_of(&policy), policy, meter: Meter::new(self.id) })
    }
}

/// Returns what of a member's history the deployments need together. The lots of whoever redeems are read anyway.
fn needs(program: &Program, policies: &[Loaded], redemptions: &[Loaded]) -> Needs {
    let mut all = Needs::default();
    let deployed = program.deployments.iter().zip(policies);
    // A campaign's needs are those of its days alone.
    for (deployment, Loaded { needs, .. }) in deployed.filter(|(it, _)| it.campaign.is_none()) {
        all.purchases_by_day |= needs.purchases_by_day;
        all.granted_by_day |= needs.granted_by_day || deployment.cap.over_periods();
        all.lots |= needs.lots;
    }
    for Loaded { needs, .. } in redemptions {
        all.purchases_by_day |= needs.purchases_by_day;
        all.granted_by_day |= needs.granted_by_day;
    }
    all
}
