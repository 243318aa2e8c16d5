//! Releases: where a policy's component is found by name, version or digest.
//!
//! A folder of components (`--policies`) is looked at first, then what was published in the ledger, then what the program at work runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use jifen_engine::PolicyStore;
use jifen_ledger::{Ledger, LedgerError};
use jifen_loyalty::program::PolicyRef;
use semver::Version;
use sha2::{Digest, Sha256};

use crate::active::{Document, Pin};
use crate::description::Description;
use crate::error::{HostError, ReleaseError};

/// A release of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// What the policy calls itself; the file's name if it does not say.
    pub(crate) policy: String,
    /// Its version, if it says one.
    pub(crate) version: Option<String>,
    /// The SHA-256 of the component, in hexadecimal.
    pub(crate) digest: String,
    /// The component.
    pub(crate) component: Vec<u8>,
    /// What the policy says of itself.
    pub(crate) description: Option<Description>,
}

impl Release {
    fn new(file_name: &str, component: Vec<u8>) -> Self {
        let description = Description::of(&component);
        Self {
            policy: description
                .as_ref()
                .map_or_else(|| file_name.to_owned(), |description| description.name.clone()),
            version: description.as_ref().map(|description| description.version.clone()),
            digest: hex::encode(Sha256::digest(&component)),
            component,
            description,
        }
    }

    /// Returns name and version.
    pub(crate) fn name(&self) -> String {
        match &self.version {
            None => self.policy.clone(),
            Some(version) => format!("{}@{version}", self.policy),
        }
    }
}

/// Where releases are found.
pub(crate) struct Releases<'a> {
    folder: Option<&'a Path>,
    ledger: Option<&'a dyn Ledger>,
    /// What was read, by digest: a component that several deployments run is read once.
    read: Mutex<BTreeMap<String, Arc<Release>>>,
}

impl<'a> Releases<'a> {
    /// Looks into a folder and into a ledger.
    pub(crate) fn new(folder: Option<&'a Path>, ledger: Option<&'a dyn Ledger>) -> Self {
        Self { folder, ledger, read: Mutex::new(BTreeMap::new()) }
    }

    /// Returns the release that a deployment names.
    pub(crate) fn find(&self, policy: &PolicyRef) -> Result<Arc<Release>, ReleaseError> {
        match policy {
            PolicyRef::Digest(digest) => self.find_digest(digest),
            PolicyRef::Named { name, version } => self.find_name(name, version.as_deref()),
        }
    }

    /// Returns whether the ledger keeps a program.
    pub(crate) fn keeps_program(&self, program: &jifen_ledger::Digest) -> Result<bool, HostError> {
        match self.ledger {
            Some(ledger) => Ok(ledger.program(program)?.is_some()),
            None => Ok(false),
        }
    }

    fn find_name(&self, name: &str, version: Option<&str>) -> Result<Arc<Release>, ReleaseError> {
        let wanted = |release: &Arc<Release>| {
            version.is_none_or(|version| release.version.as_deref() == Some(version))
        };
        let exact = version.map(|version| format!("{name}@{version}"));
        for file_name in exact.iter().map(String::as_str).chain([name]) {
            if let Some(release) = self.read_file(file_name)?.filter(wanted) {
                return Ok(release);
            }
        }
        if let Some(digest) = self.published(name, version)? {
            return self.find_digest(&hex::encode(digest));
        }
        let policy = PolicyRef::Named { name: name.to_owned(), version: version.map(str::to_owned) };
        if let Some(digest) = self.at_work(name, version)? {
            return self.find_digest(&digest);
        }
        Err(self.not_found(policy.to_string()))
    }

    /// Returns the component that was published under a name, and a version; without one the latest that is no pre-release.
    fn published(
        &self,
        policy: &str,
        version: Option<&str>,
    ) -> Result<Option<jifen_ledger::Digest>, ReleaseError> {
        const PAGE: usize = 100;
        let Some(ledger) = self.ledger else { return Ok(None) };
        if let Some(version) = version {
            return Ok(ledger.publication(policy, version)?.map(|found| found.release));
        }
        let mut latest: Option<(Version, jifen_ledger::Digest)> = None;
        let mut after = String::new();
        loop {
            let mut page = ledger.publications(None, (policy, &after), PAGE)?;
            page.retain(|found| found.policy == policy);
            let more = page.len() == PAGE;
            after = page.last().map_or(after, |last| last.version.clone());
            // A merchant's release gets in by its version alone: nobody's program runs what a merchant published since.
            for found in page.into_iter().filter(|found| found.owner.is_none()) {
                let version = Version::parse(&found.version).ok().filter(|version| version.pre.is_empty());
                if let Some(version) = version.filter(|it| latest.as_ref().is_none_or(|(last, _)| it > last))
                {
                    latest = Some((version, found.release));
                }
            }
            if !more {
                return Ok(latest.map(|(_, release)| release));
            }
        }
    }

    /// Returns what the program at work runs.
    pub(crate) fn pins_at_work(&self) -> Result<Vec<Pin>, LedgerError> {
        let Some(ledger) = self.ledger else { return Ok(Vec::new()) };
        let Some(last) = ledger.last_program_change()? else { return Ok(Vec::new()) };
        let body = ledger.program(&last.program)?.unwrap_or_default();
        // Another build may have written it; whether it can be loaded is not asked here.
        Ok(serde_json::from_slice::<Document>(&body).unwrap_or_default().pins.policies)
    }

    /// Returns what the name stands for in the program at work.
    fn at_work(&self, name: &str, version: Option<&str>) -> Result<Option<String>, ReleaseError> {
        let pins = self.pins_at_work()?;
        let is_named = |policy: &str| match policy.split_once('@') {
            None => policy == name && version.is_none(),
            Some((its_name, its)) => its_name == name && version.is_none_or(|version| version == its),
        };
        Ok(pins.into_iter().find(|pin| is_named(&pin.policy)).map(|pin| pin.component))
    }

    fn not_found(&self, policy: String) -> ReleaseError {
        match self.folder {
            Some(folder) => ReleaseError::NotFound { policy, folder: folder.to_owned(), offer: self.offer() },
            None => ReleaseError::NotPublished { policy },
        }
    }

    /// Returns the release of a digest.
    pub(crate) fn find_digest(&self, digest: &str) -> Result<Arc<Release>, ReleaseError> {
        if let Some(release) = self.lock().get(digest) {
            return Ok(Arc::clone(release));
        }
        if let Some(kept) = self.kept(digest)? {
            let release = self.remember(Release::new(&kept.name, kept.component));
            if release.digest == digest {
                return Ok(release);
            }
        }
        for file_name in self.file_names() {
            // A file that cannot be read is not the one that is looked for.
            let release = self.read_file(&file_name).ok().flatten();
            if let Some(release) = release.filter(|release| release.digest == digest) {
                return Ok(release);
            }
        }
        Err(self.not_found(format!("sha256:{digest}")))
    }

    fn kept(&self, digest: &str) -> Result<Option<jifen_ledger::Release>, ReleaseError> {
        let (Some(ledger), Some(digest)) = (self.ledger, parse_digest(digest)) else { return Ok(None) };
        Ok(ledger.release(&digest)?)
    }

    /// Writes a release that was found into a ledger.
    pub(crate) fn keep(&self, digest: &str, ledger: &dyn Ledger) -> Result<(), HostError> {
        let release = self.find_digest(digest).map_err(HostError::Release)?;
        ledger.put_release(&jifen_ledger::Release {
            digest: Sha256::digest(&release.component).into(),
            name: release.policy.clone(),
            version: release.version.clone().unwrap_or_default(),
            component: release.component.clone(),
        })?;
        Ok(())
    }

    fn read_file(&self, name: &str) -> Result<Option<Arc<Release>>, ReleaseError> {
        let Some(path) = self.folder.map(|folder| folder.join(format!("{name}.wasm"))) else {
            return Ok(None);
        };
        if !path.is_file() {
            return Ok(None);
        }
        Ok(Some(self.remember(Release::new(name, PolicyStore::read(&path)?))))
    }

    fn remember(&self, release: Release) -> Arc<Release> {
        let release = Arc::new(release);
        self.lock().insert(release.digest.clone(), Arc::clone(&release));
        release
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Release>>> {
        self.read.lock().expect("nothing panics while it holds the lock")
    }

    fn offer(&self) -> String {
        let names = self.file_names();
        if names.is_empty() {
            "no components are there".to_owned()
        } else {
            format!("there is {}", names.join(", "))
        }
    }

    fn file_names(&self) -> Vec<String> {
        let files = self.folder.and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
        let paths =
            files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "wasm"));
        let mut names: Vec<_> = paths
            .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
            .collect();
        names.sort_unstable();
        names
    }
}

/// Reads a digest in hexadecimal.
pub(crate) fn parse_digest(text: &str) -> Option<jifen_ledger::Digest> {
    let mut digest = jifen_ledger::Digest::default();
    hex::decode_to_slice(text, &mut digest).ok().map(|()| digest)
}
