//! What Envoy wrote about each request: one JSON line each, found by the request's case id or by the client's port.

use crate::err::{Context, Error, Result};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

/// The request header that tells cases apart; policies never look at it.
pub const CASE_HEADER: &str = "x-case";

/// How long a line may take; Envoy is told to flush every few milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The growing file, read as it grows. Lines that nobody has asked for yet are kept.
pub struct AccessLog {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    offset: u64,
    rest: Vec<u8>,
    lines: Vec<Value>,
}

/// Beside the log: what the native module's access logger writes.
pub(crate) const REQUESTS: &str = "requests.jsonl";

/// The fields, each an Envoy command.
const FIELDS: &[(&str, &str)] = &[
    ("listener", "%REQ(X-GNOMON-NEVER)%"),
    ("case", "%REQ(X-CASE)%"),
    ("method", "%REQ(:METHOD)%"),
    // As the filters saw it: normalized.
    ("path", "%REQ(:PATH)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("code", "%RESPONSE_CODE%"),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    ("termination", "%CONNECTION_TERMINATION_DETAILS%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("chain", "%FILTER_CHAIN_NAME%"),
    // After x-forwarded-for; of the connection (a PROXY header included); of the socket; where it arrived.
    ("remote", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%"),
    ("local", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("peer", "%DOWNSTREAM_PEER_URI_SAN%"),
    ("sni", "%REQUESTED_SERVER_NAME%"),
    ("tlsFailure", "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"),
    // What the shadow filter found, and what Envoy's own filters did.
    ("gnomon", "%FILTER_STATE(wasm.gnomon:PLAIN)%"),
    ("common", "%DYNAMIC_METADATA(envoy.common)%"),
    ("rbac", "%DYNAMIC_METADATA(envoy.filters.http.rbac)%"),
    ("networkRbac", "%DYNAMIC_METADATA(envoy.filters.network.rbac)%"),
    ("jwt", "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn)%"),
];

/// Envoy's `access_log` entry for a file in which `listener` names the listener.
pub fn config(path: &Path, listener: &str) -> Value {
    let mut format: Map<String, Value> =
        FIELDS.iter().map(|(name, command)| ((*name).to_owned(), json!(command))).collect();
    format.insert("listener".into(), json!(listener));
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path.to_string_lossy(),
            "log_format": {"json_format": format},
        }
    })
}

impl AccessLog {
    pub(crate) fn new(path: PathBuf) -> AccessLog {
        AccessLog { path, state: Mutex::default() }
    }

    /// The line of the request that carried this case id, once it is written. A line is handed out once.
    pub fn of_case(&self, id: &str) -> Result<Value> {
        let line = self.take(|line| text(line, "case") == Some(id));
        line.map_err(|error| Error::new(format!("no access log line for the case {id}: {error}")))
    }

    /// The line of the connection that came from this port of the client's: for TCP, and for requests that Envoy
    /// refuses before it has read their headers.
    pub fn of_port(&self, port: u16) -> Result<Value> {
        let ends = format!(":{port}");
        let line = self.take(|line| {
            ["direct", "remote"].iter().any(|name| text(line, name).is_some_and(|at| at.ends_with(&ends)))
        });
        line.map_err(|error| Error::new(format!("no access log line for the client port {port}: {error}")))
    }

    /// The first line for which `wanted` holds, once it is written. A line is handed out once.
    pub fn take(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            {
                // A poisoned lock only means that another test's thread died; the lines are whole.
                let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                self.read_on(&mut state)?;
                if let Some(at) = state.lines.iter().position(&wanted) {
                    return Ok(state.lines.remove(at));
                }
                if Instant::now() > deadline {
                    return Err(Error::new(format!(
                        "waited {} s; lines nobody took: {}",
                        PATIENCE.as_secs(),
                        state.lines.len()
                    )));
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// All lines that are written by now and that nobody has taken.
    pub fn drain(&self) -> Result<Vec<Value>> {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.read_on(&mut state)?;
        Ok(std::mem::take(&mut state.lines))
    }

    /// The requests that the native module's access logger has written, by their case. It writes many at once, some time
    /// after they are over, and not all: when nothing has come for a while it is done.
    pub(crate) fn requests(&self) -> HashMap<String, String> {
        let read = || fs::read_to_string(self.path.with_file_name(REQUESTS)).unwrap_or_default();
        let mut text = read();
        loop {
            thread::sleep(Duration::from_millis(150));
            let more = read();
            if more.len() == text.len() {
                break;
            }
            text = more;
        }
        let case = |line: &str| {
            let request: Value = serde_json::from_str(line).ok()?;
            Some(request.pointer(&format!("/headers/{CASE_HEADER}"))?.as_str()?.to_owned())
        };
        text.lines().filter_map(|line| Some((case(line)?, line.to_owned()))).collect()
    }

    fn read_on(&self, state: &mut State) -> Result<()> {
        // Envoy makes the file with the first line.
        let Ok(mut file) = File::open(&self.path) else { return Ok(()) };
        file.seek(SeekFrom::Start(state.offset)).or_cannot("read the access log")?;
        let read = file.read_to_end(&mut state.rest).or_cannot("read the access log")?;
        state.offset = state.offset.saturating_add(u64::try_from(read).unwrap_or(0));
        // What stands after the last line end is not finished yet.
        let Some(end) = state.rest.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let whole: Vec<u8> = state.rest.drain(..=end).collect();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // Header bytes above 0x7F may stand in a line as they came.
            let line = String::from_utf8_lossy(line);
            state.lines.push(
                serde_json::from_str(&line).or_cannot(format_args!("parse the access log line {line}"))?,
            );
        }
        Ok(())
    }
}

/// A field's text; `None` where Envoy had nothing to say (it writes null).
pub fn text<'v>(line: &'v Value, field: &str) -> Option<&'v str> {
    line.get(field).and_then(Value::as_str)
}

/// The refusal's details: of the response, else (TCP) of the connection's end.
pub fn details(line: &Value) -> Option<&str> {
    text(line, "details").or_else(|| text(line, "termination"))
}
