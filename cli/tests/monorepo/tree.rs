//! A repository as large organisations have them: 30,000 files, of which few concern Istio; and a cluster's dump.

use std::{fmt::Write as _, fs, io, path::Path};

/// How many files a tree has.
pub(crate) const FILES: usize = 30_000;
/// Services, each with a Deployment and a Service; every fifth has a policy.
pub(crate) const SERVICES: usize = 5_000;

/// Writes it. `filling` is how many lines the files have that concern nobody: 70 makes 200 MB.
pub(crate) fn write(root: &Path, filling: usize) -> io::Result<()> {
    let file = |name: String, text: String| {
        let path = root.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    };
    let mut count = 0;
    for number in 0..SERVICES {
        let (team, folder) = (number % 200, format!("team{}/s{number}", number % 200));
        let variables: String = (0..filling / 4)
            .map(|one| format!("        - name: V{one}\n          value: \"{one}\"\n"))
            .collect();
        file(
            format!("{folder}/deployment.yaml"),
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: s{number}, namespace: team{team}}}\nspec:\n  template:\n    \
                 metadata: {{labels: {{app: s{number}}}}}\n    spec:\n      serviceAccountName: s{number}\n      containers:\n      \
                 - name: main\n        env:\n        - name: A\n          value: b\n{variables}"
            ),
        )?;
        file(
            format!("{folder}/service.yaml"),
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: s{number}, namespace: team{team}}}\nspec:\n  selector: {{app: \
                 s{number}}}\n  ports: [{{name: http, port: 80, targetPort: 8080}}]\n"
            ),
        )?;
        count += 2;
        if number % 5 == 0 {
            file(format!("{folder}/policy.yaml"), policy(number, team))?;
            count += 1;
        }
    }
    while count < FILES {
        let (name, text) = other(count, filling);
        file(name, text)?;
        count += 1;
    }
    Ok(())
}

fn policy(number: usize, team: usize) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: s{number}, namespace: team{team}}}\nspec:\n  \
         selector: {{matchLabels: {{app: s{number}}}}}\n  rules:\n  - from: [{{source: {{principals: \
         [\"cluster.local/ns/team{team}/sa/s{}\"]}}}}]\n    to: [{{operation: {{methods: [GET], paths: [\"/api/*\"]}}}}]\n",
        (number + 200) % SERVICES
    )
}

/// What else there is: packages, dashboards, playbooks, ConfigMaps, values.
fn other(number: usize, filling: usize) -> (String, String) {
    let lines = |line: &dyn Fn(usize) -> String| -> String { (0..filling).map(line).collect() };
    match number % 5 {
        0 => (
            format!("web/p{number}/package.json"),
            format!(
                "{{\n\"dependencies\": {{\n{}\"z\": \"1\"}}}}\n",
                lines(&|one| format!("\"d{one}\": \"^1.0.0\",\n"))
            ),
        ),
        1 => (
            format!("dashboards/d{number}.json"),
            format!(
                "{{\"panels\": [\n{}{{}}]}}\n",
                lines(&|one| format!(
                    "{{\"id\": {one}, \"targets\": [{{\"expr\": \"sum(rate(istio_requests_total{{a=\\\"b\\\"}}[5m]))\"}}], \"title\": \
                     \"{}\"}},\n",
                    "panel ".repeat(40)
                ))
            ),
        ),
        2 => (
            format!("ansible/r{number}/tasks/main.yml"),
            format!(
                "- name: x\n  hosts: all\n  tasks:\n{}",
                lines(&|one| format!("  - name: t{one}\n    command: echo {one} and more words\n"))
            ),
        ),
        3 => (
            format!("config/c{number}.yaml"),
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}}}\ndata:\n  a: |\n{}",
                lines(&|one| format!(
                    "    line {one} of a text that is long enough to fill a file with it\n"
                ))
            ),
        ),
        _ => {
            let mut text = String::new();
            for one in 0..filling {
                let _infallible = writeln!(text, "key{one}:\n  a: {one}\n  b: [1, 2, 3]");
            }
            (format!("values/v{number}.yaml"), text)
        }
    }
}

/// What `kubectl get … -o yaml` prints of a cluster with 10,000 objects.
pub(crate) fn dump() -> String {
    let mut text = String::from("apiVersion: v1\nitems:\n");
    for number in 0..10_000 {
        let (namespace, app) = (number % 100, number % 4_000);
        let item = match number {
            0..4_000 => format!(
                "- apiVersion: v1\n  kind: Pod\n  metadata:\n    labels:\n      app: s{app}\n    managedFields:\n{}    name: \
                 s{app}-x\n    namespace: team{namespace}\n  spec:\n    containers:\n    - env:\n{}      image: x\n      name: \
                 main\n    serviceAccountName: s{app}\n  status:\n    phase: Running\n",
                "    - apiVersion: v1\n      fieldsType: FieldsV1\n      fieldsV1:\n        f:metadata:\n          f:labels: {}\n",
                "      - name: A\n        value: some value of a variable\n".repeat(40)
            ),
            4_000..6_000 => format!(
                "- apiVersion: v1\n  kind: Service\n  metadata:\n    name: s{app}\n    namespace: team{namespace}\n  spec:\n    \
                 ports:\n    - port: 80\n      targetPort: 8080\n    selector:\n      app: s{app}\n"
            ),
            6_000..8_000 => format!(
                "- apiVersion: security.istio.io/v1\n  kind: AuthorizationPolicy\n  metadata:\n    name: p{number}\n    namespace: \
                 team{namespace}\n  spec:\n    rules:\n    - from:\n      - source:\n          namespaces:\n          - a\n      \
                 to:\n      - operation:\n          methods:\n          - GET\n    selector:\n      matchLabels:\n        app: s{app}\n"
            ),
            _ => format!(
                "- apiVersion: v1\n  data:\n    a: |\n{}  kind: ConfigMap\n  metadata:\n    name: c{number}\n    namespace: \
                 team{namespace}\n",
                "      a line of a text\n".repeat(60)
            ),
        };
        text += &item;
    }
    text + "kind: List\nmetadata:\n  resourceVersion: \"\"\n"
}
