//! A real Envoy on free ports of the loopback, which never outlives whoever started it.

use crate::{
    AccessLog,
    client::{Connection, Dial, RequestBytes},
    config::Bootstrap,
    err::{Context, Error, Result},
    filter,
};
use serde_json::Value;
use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// How long Envoy may take until it is ready; compiling the filter takes most of it.
const START: Duration = Duration::from_secs(60);

/// Stands between us and Envoy. It holds the reading end of a pipe whose writing end is ours alone, so it learns of
/// our end however we end (a panic, Ctrl-C, SIGKILL) and takes Envoy with it. A word on the pipe says otherwise:
/// `stop`, we clean up ourselves; `keep`, Envoy stays, and its folder goes when it does.
const WATCHDOG: &str = r#"
exec 3<&0 </dev/null
folder=$1
shift
"$@" 3<&- &
envoy=$!
echo "$envoy"
exec >/dev/null
(
  read -r word <&3
  [ "$word" = stop ] || : >"$folder/abandoned"
  [ "$word" = keep ] || kill -9 "$envoy"
) 2>/dev/null &
watch=$!
wait "$envoy"
status=$?
kill "$watch" 2>/dev/null
[ -e "$folder/abandoned" ] && rm -rf "$folder"
exit "$status"
"#;

/// A running Envoy; it stops when dropped.
pub struct Envoy {
    watchdog: Child,
    pipe: Option<ChildStdin>,
    pid: u32,
    folder: PathBuf,
    admin: SocketAddr,
    listeners: HashMap<String, SocketAddr>,
    access_log: AccessLog,
    kept: bool,
}

/// The path of the Envoy binary: `GNOMON_ENVOY`, else where `cargo xtask setup` installs it. An error names the
/// command that installs one.
pub fn binary() -> Result<PathBuf> {
    filter::find("GNOMON_ENVOY", "Envoy", "cargo xtask setup", |target| {
        let pythons = fs::read_dir(target.join("gnomon/venv/lib")).ok()?;
        pythons
            .flatten()
            .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
            .find(|path| path.is_file())
    })
}

impl Envoy {
    /// Starts one and waits until it serves. An error holds the end of Envoy's log: why a configuration is refused.
    pub fn start(bootstrap: &Bootstrap) -> Result<Envoy> {
        Envoy::start_with(|log| bootstrap.to_json(log))
    }

    /// The same with any configuration; it is given the path of the access log.
    pub fn start_with(configuration: impl FnOnce(&Path) -> Value) -> Result<Envoy> {
        Envoy::start_with_workers(1, configuration)
    }

    /// The same with so many worker threads.
    pub fn start_with_workers(workers: u32, configuration: impl FnOnce(&Path) -> Value) -> Result<Envoy> {
        let binary = binary()?;
        let folder = new_folder()?;
        let log = folder.join("access.log");
        let config = folder.join("envoy.json");
        fs::write(&config, configuration(&log).to_string()).or_cannot("write Envoy's configuration")?;
        let errors = fs::File::create(folder.join("stderr")).or_cannot("make a file for Envoy's errors")?;

        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "gnomon-watchdog"]).arg(&folder).arg(binary);
        command.arg("--config-path").arg(&config);
        command.arg("--log-path").arg(folder.join("envoy.log"));
        command.arg("--admin-address-path").arg(folder.join("admin"));
        command.args(["--concurrency", &workers.to_string()]);
        command.args(["--disable-hot-restart", "--log-level", "info"]);
        command.args(["--file-flush-interval-msec", "5"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        // Ctrl-C in the terminal is ours to notice; the watchdog then notices us.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut watchdog = command.spawn().or_cannot("start sh")?;

        let mut pid = String::new();
        if let Some(output) = watchdog.stdout.take() {
            BufReader::new(output).read_line(&mut pid).or_cannot("learn Envoy's process id")?;
        }
        let mut envoy = Envoy {
            pipe: watchdog.stdin.take(),
            watchdog,
            pid: pid.trim().parse().or_cannot("learn Envoy's process id")?,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            listeners: HashMap::new(),
            access_log: AccessLog::new(log),
            folder,
            kept: false,
        };
        envoy.wait_until_ready()?;
        Ok(envoy)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.watchdog.try_wait().or_cannot("ask after Envoy")? {
                return Err(Error::new(format!("Envoy did not start ({status}):\n{}", self.log_tail())));
            }
            // Written once the admin port is open, possibly seen half written.
            let admin =
                fs::read_to_string(self.folder.join("admin")).ok().and_then(|text| text.trim().parse().ok());
            if let Some(admin) = admin {
                self.admin = admin;
                if self.admin_get("/ready").is_ok_and(|answer| answer.trim() == "LIVE") {
                    break;
                }
            }
            if Instant::now() > deadline {
                let seconds = START.as_secs();
                return Err(Error::new(format!(
                    "Envoy was not ready within {seconds} s:\n{}",
                    self.log_tail()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let listeners: Value = serde_json::from_str(&self.admin_get("/listeners?format=json")?)
            .or_cannot("read Envoy's listeners")?;
        for listener in listeners.get("listener_statuses").and_then(Value::as_array).into_iter().flatten() {
            let at = listener.pointer("/local_address/socket_address");
            let port = at.and_then(|at| at.get("port_value")).and_then(Value::as_u64);
            let port = port.and_then(|port| u16::try_from(port).ok());
            if let (Some(name), Some(port)) = (listener.get("name").and_then(Value::as_str), port) {
                self.listeners.insert(name.to_owned(), SocketAddr::from(([127, 0, 0, 1], port)));
            }
        }
        Ok(())
    }

    /// Where a listener listens.
    pub fn address(&self, listener: &str) -> Result<SocketAddr> {
        let found = self.listeners.get(listener).copied();
        found.ok_or_else(|| {
            Error::new(format!("Envoy has no listener {listener}; its log ends:\n{}", self.log_tail()))
        })
    }

    /// Where the admin interface listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Envoy's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder of its configuration and logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the admin interface answers: `/stats/prometheus`, `/config_dump`, `/stats?format=json`.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        let request = RequestBytes::get(path).header("host", "admin").header("connection", "close");
        let response = Connection::open(&Dial::plain(self.admin))?.send(&request)?.response()?;
        if response.status == 200 {
            Ok(String::from_utf8_lossy(&response.body).into_owned())
        } else {
            Err(Error::new(format!("{path} of Envoy's admin interface answers {}", response.status)))
        }
    }

    /// Everything Envoy has logged so far, the filter's lines included.
    pub fn log(&self) -> String {
        let read = |name| fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("stderr"), read("envoy.log")].concat()).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(12)).copied().collect::<Vec<_>>().join("\n")
    }

    /// What it wrote about each request.
    pub fn access_log(&self) -> &AccessLog {
        &self.access_log
    }

    /// Lets it live on after us; its folder goes when it does.
    pub fn keep(mut self) -> Result<()> {
        self.tell("keep")?;
        self.kept = true;
        Ok(())
    }

    fn tell(&mut self, word: &str) -> Result<()> {
        match self.pipe.take() {
            Some(mut pipe) => writeln!(pipe, "{word}").or_cannot("reach the watchdog"),
            None => Ok(()),
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // If the watchdog is gone already, so is Envoy.
        let _ = self.tell("stop");
        let _ = self.watchdog.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder of our own in the system's place for such.
fn new_folder() -> Result<PathBuf> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let parent = std::env::temp_dir();
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("gnomon-envoy-{}-{count}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            // Left behind by an earlier process of the same id.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error).or_cannot(format_args!("make the folder {}", folder.display())),
        }
    }
}
