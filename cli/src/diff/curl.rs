//! A request as a command of curl.

use crate::style;
use gnomon_engine::{prepare::RequestSpec, request::Protocol};

/// The command, and what it cannot say.
pub(super) fn command(request: &RequestSpec) -> String {
    let mut missing: Vec<String> = Vec::new();
    let mut text = match request.protocol {
        Protocol::Tcp => {
            let port = request.destination_port.map_or("PORT".into(), |port| port.to_string());
            format!("curl telnet://WORKLOAD:{port}")
        }
        Protocol::Http => {
            let host = request.host.as_deref().unwrap_or("WORKLOAD");
            let url = format!("http://{host}{}", request.path);
            format!("curl -X {} --path-as-is {}", style::shell_word(&request.method), style::shell_word(&url))
        }
    };
    for (name, value) in &request.headers {
        // `Name;` sends an empty value.
        let line = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        text += &format!(" -H {}", style::shell_word(&line));
    }
    if request.claims.is_some() {
        text += " -H 'authorization: Bearer TOKEN'";
        missing.push("TOKEN has the claims of the request, and stands where its rule looks".into());
    }
    if let Some(principal) = &request.principal {
        missing.push(format!("from a pod of {principal}"));
    }
    if let Some(ip) = request.source_ip {
        missing.push(format!("from the address {ip}"));
    }
    if let Some(ip) = request.remote_ip {
        missing.push(format!("with the client address {ip}"));
    }
    if let Some(port) = request.destination_port {
        missing.push(format!("to the workload's port {port}"));
    }
    if let Some(ip) = request.destination_ip {
        missing.push(format!("to the address {ip}"));
    }
    if let Some(sni) = &request.sni {
        missing.push(format!("with the server name {sni}"));
    }
    if missing.is_empty() { text } else { format!("{text}  # {}", style::safe(&missing.join("; "))) }
}
