//! Envoy never outlives its owner, unless it is told to.
#![expect(
    clippy::unwrap_used,
    reason = "tests may be blunt, and clippy.toml reaches only the #[test] functions"
)]
#![cfg(unix)]

use gnomon_engine::Workload;
use gnomon_host_tests::{Bootstrap, Envoy, Listener};
use std::{
    env,
    io::{BufRead, BufReader, Lines},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Names what the test below is to do when it runs as somebody's child.
const ROLE: &str = "GNOMON_TEST_ROLE";

fn start() -> Envoy {
    Envoy::start(&Bootstrap::new(&Workload::default(), vec![Listener::http("web", Vec::new())])).unwrap()
}

/// Not a test of its own: the owner of an Envoy in another process, which the tests below start.
#[test]
fn owner() {
    let Ok(role) = env::var(ROLE) else { return };
    let envoy = start();
    println!("\nenvoy {} {} {}", envoy.admin(), envoy.pid(), envoy.folder().display());
    match role.as_str() {
        "keep" => envoy.keep().unwrap(),
        "abort" => std::process::abort(),
        _ => loop {
            std::thread::sleep(Duration::from_secs(60));
        },
    }
}

struct Owned {
    owner: Child,
    /// Held open: the owner still writes to it.
    _output: Lines<BufReader<ChildStdout>>,
    admin: SocketAddr,
    pid: String,
    folder: PathBuf,
}

/// A test that fails leaves nothing running either.
impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.owner.kill();
        let _ = self.owner.wait();
        // The folder goes with Envoy; once it is gone the id may be somebody else's.
        if self.folder.exists() {
            let _ = Command::new("kill").arg(&self.pid).stderr(Stdio::null()).status();
        }
    }
}

fn owned(role: &str) -> Owned {
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "owner", "--nocapture"])
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line = output.by_ref().map_while(Result::ok).find(|line| line.starts_with("envoy ")).unwrap();
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().unwrap();
    Owned {
        owner,
        _output: output,
        admin: word().parse().unwrap(),
        pid: word().into(),
        folder: word().into(),
    }
}

fn within_seconds(seconds: u64, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn envoy_ends_with_an_owner_that_cannot_clean_up() {
    for role in ["sleep", "abort"] {
        let mut envoy = owned(role);
        if role == "sleep" {
            // SIGKILL: nothing of the owner's runs any more.
            envoy.owner.kill().unwrap();
        }
        envoy.owner.wait().unwrap();
        assert!(
            within_seconds(10, || TcpStream::connect(envoy.admin).is_err()),
            "{role}: Envoy still answers"
        );
        assert!(within_seconds(10, || !envoy.folder.exists()), "{role}: its folder is still there");
    }
}

#[test]
fn a_kept_envoy_stays_until_it_is_stopped() {
    let mut envoy = owned("keep");
    assert!(envoy.owner.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(300));
    assert!(TcpStream::connect(envoy.admin).is_ok(), "Envoy is gone");
    assert!(envoy.folder.join("envoy.json").exists());

    assert!(Command::new("kill").arg(&envoy.pid).status().unwrap().success());
    assert!(within_seconds(10, || TcpStream::connect(envoy.admin).is_err()), "Envoy still answers");
    assert!(within_seconds(10, || !envoy.folder.exists()), "its folder is still there");
}
