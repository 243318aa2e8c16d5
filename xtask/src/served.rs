//! A service that a task starts: where it listens, and that it ends with the task.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

/// A service that ends with this.
pub(crate) struct Served {
    pub(crate) process: Child,
    /// Where it listens, such as `127.0.0.1:8080`.
    pub(crate) address: String,
}

impl Served {
    /// Starts a service, and waits until it says where it listens. What it says then is heard by `hear`, line by line.
    pub(crate) fn start(service: &mut Command, hear: fn(&str)) -> Result<Self> {
        let mut process = service.stderr(Stdio::piped()).spawn().context("start the service")?;
        let told = process.stderr.take().context("it is piped")?;
        let mut served = Self { process, address: String::new() };
        let mut lines = BufReader::new(told).lines().map_while(Result::ok);
        let listens = lines.by_ref().find(|line| line.contains("http://"));
        let address = listens.as_deref().and_then(|line| line.split("http://").nth(1)?.split(';').next());
        served.address = address.context("the service does not listen")?.to_owned();
        // It must not wait for somebody to read on.
        thread::spawn(move || lines.for_each(|line| hear(&line)));
        Ok(served)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
