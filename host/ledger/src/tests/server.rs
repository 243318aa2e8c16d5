//! A PostgreSQL server for tests: its own, in a folder that goes when the process goes.
//!
//! Everything it needs is in the standard library, so that other suites include this file by its path. A server listens on
//! a socket in its folder and nowhere else, and is as durable as in production.
//!
//! Whoever starts it may end in any way, so a guard process waits for that: it reads from a pipe that only this process
//! holds, and at its end stops the server by the id in the server's own file and removes the folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names the folder of PostgreSQL's programs where they are elsewhere.
const PROGRAMS: &str = "JIFEN_POSTGRES_BIN";
const MISSING: &str = "PostgreSQL is not installed: run `cargo xtask test`, which installs it, or \
    `apt-get install postgresql`, or name the folder of initdb and pg_ctl in JIFEN_POSTGRES_BIN";

/// Small, because a machine runs several; everything that makes a commit durable is as it comes.
const SETTINGS: &str = "listen_addresses = ''
shared_buffers = 64MB
max_connections = 200
log_min_messages = fatal
";

/// Servers and schemas are counted, so that none has the name of another.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A running server.
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    settings: &'static str,
    guard: Child,
    /// What the guard waits for.
    pipe: Option<ChildStdin>,
}

/// Returns the server that all tests of a process share.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// Starts a server of its own.
    pub(crate) fn start() -> Self {
        Self::with(SETTINGS)
    }

    /// Starts a server of its own with other settings.
    pub(crate) fn with(settings: &'static str) -> Self {
        let programs = programs().expect(MISSING);
        let name = format!("jifen-postgres-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let folder = std::env::temp_dir().join(name);
        succeed(as_server("mkdir").args(["-m", "700"]).arg(&folder));
        let (guard, pipe) = guard(&programs, &folder);
        let server = Self { folder, programs, settings, guard, pipe: Some(pipe) };
        let mut initdb = server.program("initdb");
        initdb.args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]);
        succeed(initdb.arg("--pgdata").arg(server.data()));
        server.go_on();
        server
    }

    /// Starts a server that was stopped.
    pub(crate) fn go_on(&self) {
        let settings: Vec<_> =
            self.settings.lines().map(|line| format!("-c {}", line.replace(" = ", "="))).collect();
        let options = format!("-k {} {}", self.folder.display(), settings.join(" "));
        succeed(self.control().args(["--wait", "--options", &options, "start"]));
    }

    /// Stops the server as if the power had failed.
    pub(crate) fn stop_at_once(&self) {
        succeed(self.control().args(["--mode=immediate", "stop"]));
    }

    /// Kills the server's first process, as if memory had run out, and waits until the others have noticed.
    pub(crate) fn kill(&self) {
        let file =
            fs::read_to_string(self.data().join("postmaster.pid")).expect("a server that runs has a file");
        let mut lines = file.lines();
        let process = lines.next().expect("it names the process");
        let shared = lines.find(|line| line.split_whitespace().count() == 2).expect("it names shared memory");
        let shared = shared.split_whitespace().last().expect("there are two words");
        succeed(as_server("sh").args(["-c", "kill -9 \"$1\"", "kill", process]));
        // Until then, it could not be started again.
        while Path::new("/proc").join(process).exists() || is_attached(shared) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Returns the URL of a new schema.
    pub(crate) fn new_schema(&self) -> String {
        let schema = format!("s{}", COUNT.fetch_add(1, Ordering::SeqCst));
        self.perform(&format!("CREATE SCHEMA {schema}"));
        self.url(&schema)
    }

    /// Returns the URL of a schema.
    pub(crate) fn url(&self, schema: &str) -> String {
        let folder = self.folder.display();
        format!("postgres:///postgres?host={folder}&user=postgres&options=-csearch_path%3D{schema}")
    }

    /// Performs SQL, and returns what it prints.
    pub(crate) fn perform(&self, sql: &str) -> String {
        perform(&self.url("public"), sql)
    }

    fn control(&self) -> Command {
        let mut control = self.program("pg_ctl");
        control.arg("--pgdata").arg(self.data()).arg("--log").arg(self.folder.join("log"));
        control
    }

    fn program(&self, name: &str) -> Command {
        as_server(self.programs.join(name))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// Performs SQL where a URL leads, and returns what it prints.
pub(crate) fn perform(url: &str, sql: &str) -> String {
    let mut psql = as_server(programs().expect(MISSING).join("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    succeed(psql.args(["--dbname", url, "--command", sql]))
}

/// Returns whether a process is attached to a segment of shared memory.
fn is_attached(segment: &str) -> bool {
    let segments = fs::read_to_string("/proc/sysvipc/shm").expect("Linux tells of shared memory");
    let columns = segments.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns.filter(|columns| columns.get(1) == Some(&segment)).any(|columns| columns.get(6) != Some(&"0"))
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        self.guard.wait().ok();
    }
}

/// Starts what stops the server and removes its folder when this process is gone. Ctrl-C reaches it too, and must not
/// end it first.
fn guard(programs: &Path, folder: &Path) -> (Child, ChildStdin) {
    let script = "trap '' HUP INT TERM
        cat > /dev/null
        \"$1/pg_ctl\" --pgdata \"$2/data\" --mode=immediate stop
        rm -rf \"$2\"";
    let mut guard = as_server("sh");
    guard.args(["-c", script, "guard"]).arg(programs).arg(folder);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut guard = guard.spawn().expect("sh starts");
    let pipe = guard.stdin.take().expect("it was asked for");
    (guard, pipe)
}

/// Returns the folder of the newest programs that are installed.
pub(crate) fn programs() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(PROGRAMS) {
        return Some(folder.into());
    }
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|it| it.path());
    let folders = folders.filter(|folder| folder.join("bin/initdb").exists());
    folders.max_by_key(version).map(|newest| newest.join("bin"))
}

/// Returns a command that runs as whoever servers run as: never as root.
pub(crate) fn as_server(program: impl AsRef<Path>) -> Command {
    let root =
        fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    let mut command = if root { Command::new("setpriv") } else { Command::new(program.as_ref()) };
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program.as_ref());
    }
    // Where root is, the server may not be.
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn succeed(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("it starts");
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
