//! One policy, one request: the verdict and why.

use gnomon_engine::{Mesh, Node, Plan, Request, Workload, decode, jwt::SoftwareCrypto, resource::Resources};

fn main() -> Result<(), serde_json::Error> {
    let policy: Node = serde_json::from_str(
        r#"{"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "readers"},
            "spec": {"rules": [{"to": [{"operation": {"methods": ["GET"], "paths": ["/api/*"]}}]}]}}"#,
    )?;
    let (mut resources, mut problems) = (Resources::default(), Vec::new());
    decode::object(&policy, &"policy.json".into(), &mut resources, &mut problems);
    let plan = Plan::build(&resources, &Workload::default(), &Mesh::default());
    let request =
        Request::http(&[(b":method", b"POST"), (b":path", b"/api/orders"), (b":authority", b"shop")]);
    let explained = plan.explain(&request, &SoftwareCrypto);
    println!("{}: {}", explained.report.verdict.name(), explained.report.reason);
    Ok(())
}
