//! A repository of 30,000 files, and a dump of 10,000 objects.
#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

mod tree;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn gnomon(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gnomon"));
    let Output { status, stdout, stderr } = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_repository_is_read_as_it_is() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monorepo");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    tree::write(&folder, 4).unwrap();
    // Findings are about policies alone.
    let (code, out, err) = gnomon(&folder, &["lint", ".", "--only", "tls-towards-peers"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains(&format!("{} policies valid in {} files, 0 errors", tree::SERVICES / 5, tree::FILES)),
        "{out}"
    );
    assert!(!err.contains("warning") && !err.contains("error["), "{err}");
    assert!(
        err.contains(
            "note: passed over 11400 documents that are no Kubernetes objects, 3800 Ansible playbooks"
        ),
        "{err}"
    );
    let (code, out, err) = gnomon(
        &folder,
        &[
            "eval",
            "-p",
            ".",
            "-w",
            "team5/s5",
            "--path",
            "/api/x",
            "--principal",
            "cluster.local/ns/team5/sa/s205",
        ],
    );
    assert!(code == 0 && out.contains("ALLOW 200") && out.contains("team5/s5"), "{out}{err}");
    let (code, _, err) = gnomon(&folder, &["eval", "-p", ".", "--path", "/"]);
    assert!(code == 2 && err.contains("there are 5000 workloads: choose one with -w"), "{err}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_dump_is_read_as_it_is() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large-dump");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("dump.yaml"), tree::dump()).unwrap();
    let (code, out, err) =
        gnomon(&folder, &["eval", "-p", "dump.yaml", "-w", "team7/s2007-x", "-X", "POST", "--path", "/"]);
    assert!(
        code == 0 && out.contains("DENY 403") && out.contains("rule 0 did not match  dump.yaml:"),
        "{out}{err}"
    );
    assert!(err.contains("note: skipped 2000 objects of other kinds: 2000 ConfigMap"), "{err}");
    fs::remove_dir_all(&folder).unwrap();
}
