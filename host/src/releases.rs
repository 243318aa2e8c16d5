//! Releases: where a policy's component is found by name, version or digest.
//!
//! A folder of components (`--policies`) is looked at first, then what the ledger kept of earlier runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jifen_engine::PolicyStore;
use jifen_ledger::Ledger;
use jifen_loyalty::program::PolicyRef;
use sha2::{Digest, Sha256};

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
    read: Mutex<BTreeMap<String, Release>>,
}

impl<'a> Releases<'a> {
    /// Looks into a folder and into a ledger.
    pub(crate) fn new(folder: Option<&'a Path>, ledger: Option<&'a dyn Ledger>) -> Self {
        Self { folder, ledger, read: Mutex::new(BTreeMap::new()) }
    }

    /// Returns the release that a deployment names.
    pub(crate) fn find(&self, policy: &PolicyRef) -> Result<Release, ReleaseError> {
        match policy {
            PolicyRef::Digest(digest) => self.find_digest(digest),
            PolicyRef::Named { name, version } => self.find_name(name, version.as_deref()),
        }
    }

    fn find_name(&self, name: &str, version: Option<&str>) -> Result<Release, ReleaseError> {
        let wanted =
            |release: &Release| version.is_none_or(|version| release.version.as_deref() == Some(version));
        let exact = version.map(|version| format!("{name}@{version}"));
        for file_name in exact.iter().map(String::as_str).chain([name]) {
            if let Some(release) = self.read_file(file_name)?.filter(wanted) {
                return Ok(release);
            }
        }
        let name = PolicyRef::Named { name: name.to_owned(), version: version.map(str::to_owned) };
        Err(ReleaseError::NotFound {
            policy: name.to_string(),
            folder: self.folder_name(),
            offer: self.offer(),
        })
    }

    /// Returns the release of a digest.
    pub(crate) fn find_digest(&self, digest: &str) -> Result<Release, ReleaseError> {
        if let Some(release) = self.lock().get(digest) {
            return Ok(release.clone());
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
        let policy = format!("sha256:{digest}");
        Err(ReleaseError::NotFound { policy, folder: self.folder_name(), offer: self.offer() })
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
            name: release.policy,
            version: release.version.unwrap_or_default(),
            component: release.component,
        })?;
        Ok(())
    }

    fn read_file(&self, name: &str) -> Result<Option<Release>, ReleaseError> {
        let Some(path) = self.folder.map(|folder| folder.join(format!("{name}.wasm"))) else {
            return Ok(None);
        };
        if !path.is_file() {
            return Ok(None);
        }
        Ok(Some(self.remember(Release::new(name, PolicyStore::read(&path)?))))
    }

    fn remember(&self, release: Release) -> Release {
        self.lock().insert(release.digest.clone(), release.clone());
        release
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Release>> {
        self.read.lock().expect("nothing panics while it holds the lock")
    }

    fn folder_name(&self) -> PathBuf {
        self.folder.map(Path::to_path_buf).unwrap_or_default()
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
