//! Owns child processes: started with their output in a file, signalled by process id, their CPU time read, always ended.

use std::fs::File;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Environment variable that makes a re-executed test play another part.
const ROLE: &str = "SURGEWATCH_TEST_ROLE";

/// A running child; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command with standard output and error appended to `log`.
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log);
        let file = file.unwrap_or_else(|e| panic!("log {}: {e}", log.display()));
        let errors = file.try_clone().expect("a second handle on the log");
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        Self {
            child,
            log: log.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of what the child wrote, for a failure's message.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL reaches the child");
        self.child.wait().expect("the child's status");
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// SIGTERM, and SIGKILL when the time is over; the status tells which it was.
    pub(crate) fn stop(&mut self, within: Duration) -> ExitStatus {
        if self.child.try_wait().expect("the child's status").is_none() {
            self.signal("TERM");
        }
        self.wait(within).unwrap_or_else(|| {
            self.kill();
            self.child.wait().expect("the child's status")
        })
    }

    /// The status when the child ends within the time.
    pub(crate) fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            match self.child.try_wait().expect("the child's status") {
                Some(status) => return Some(status),
                None if Instant::now() >= deadline => return None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Whether the child has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child's status").is_some()
    }

    /// CPU seconds of all threads so far.
    pub(crate) fn cpu_secs(&self) -> f64 {
        cpu_secs(self.pid())
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
            .status();
        assert!(
            sent.is_ok_and(|s| s.success()),
            "SIG{name} reaches process {pid}"
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// User and system CPU seconds of a process from `/proc`, in Linux's fixed hundredths.
pub(crate) fn cpu_secs(pid: u32) -> f64 {
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc of a running process");
    let (_, after_name) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|f| f.parse::<f64>().expect("ticks"));
    ticks.sum::<f64>() / 100.0
}

/// This test binary again, to run only `test` (full path) as `role`.
pub(crate) fn reexecute(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this test"));
    command
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role);
    command
}

/// The role this process was re-executed for.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Runs `tests/kafka/broker COMMAND` on the broker under test: `kill`, `stop` or `restart`.
pub(crate) fn broker(command: &str) {
    let script = crate::rig::variable("SURGEWATCH_TEST_BROKER_SCRIPT");
    let folder = crate::rig::variable("SURGEWATCH_TEST_BROKER_DIR");
    let status = Command::new(script)
        .args([command, &folder])
        .stdin(Stdio::null())
        .status();
    assert!(
        status.is_ok_and(|s| s.success()),
        "broker {command} succeeds"
    );
}
