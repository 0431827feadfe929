//! A step of a workflow: a repository that is checked out, and what GitHub says to the script.

use crate::github::{GitHub, TOKEN};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) struct Step {
    folder: PathBuf,
    environment: BTreeMap<String, String>,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    /// Both streams.
    pub(crate) out: String,
}

impl Step {
    pub(crate) fn new(name: &str, github: &GitHub) -> Step {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("action").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("work")).unwrap();
        fs::create_dir_all(folder.join("temp")).unwrap();
        let mut step = Step { folder, environment: BTreeMap::new() };
        let program = Path::new(env!("CARGO_BIN_EXE_gnomon")).parent().unwrap().to_str().unwrap();
        let path = std::env::var("PATH").unwrap();
        step.set("PATH", &format!("{program}:{path}"));
        step.set("GITHUB_API_URL", &github.url());
        step.set("GITHUB_REPOSITORY", "shop/policies");
        step.set("GITHUB_TOKEN", TOKEN);
        step.set("INPUT_COMMENT", "true");
        for (variable, file) in
            [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary"), ("GITHUB_PATH", "path")]
        {
            let file = step.folder.join(file);
            fs::write(&file, "").unwrap();
            step.set(variable, file.to_str().unwrap());
        }
        step.set("RUNNER_TEMP", step.folder.join("temp").to_str().unwrap());
        step.git(&["init", "--quiet"]);
        step
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.into(), value.into());
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.join("work").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.join("work").join(path)).unwrap()
    }

    pub(crate) fn summary(&self) -> String {
        fs::read_to_string(self.folder.join("summary")).unwrap()
    }

    pub(crate) fn outputs(&self) -> String {
        fs::read_to_string(self.folder.join("output")).unwrap()
    }

    pub(crate) fn path_additions(&self) -> String {
        fs::read_to_string(self.folder.join("path")).unwrap()
    }

    /// Everything, as a commit; its name.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        let who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        self.git(&[&who[..], &["commit", "--quiet", "--message", message]].concat());
        self.git(&["rev-parse", "HEAD"]).trim().into()
    }

    /// The event is that of a pull request.
    pub(crate) fn pull_request(&mut self, number: u32, base: &str) {
        let payload = serde_json::json!({"pull_request": {"number": number, "base": {"sha": base}}});
        let file = self.folder.join("event.json");
        fs::write(&file, payload.to_string()).unwrap();
        self.set("GITHUB_EVENT_PATH", file.to_str().unwrap());
    }

    /// The script, with nothing of this environment but where programs are.
    pub(crate) fn run(&self, word: &str) -> Ran {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../action/gnomon_action.py");
        let mut command = Command::new("python3");
        command.args([script, word]).env_clear().envs(&self.environment);
        let output = command.current_dir(self.folder.join("work")).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Ran { code: output.status.code().unwrap(), out: String::from_utf8(text).unwrap() }
    }

    /// A release's archive, with a program that says a word.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let folder = self.folder.join("release");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("gnomon"), "#!/bin/sh\necho stand-in\n").unwrap();
        let tar = Command::new("tar").arg("-C").arg(&folder).args(["-czf", "-", "gnomon"]).output().unwrap();
        assert!(tar.status.success());
        tar.stdout
    }

    pub(crate) fn sha256(&self, bytes: &[u8]) -> String {
        let file = self.folder.join("summed");
        fs::write(&file, bytes).unwrap();
        let script = "import hashlib,sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
        let output = Command::new("python3").args(["-c", script]).arg(&file).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().into()
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git").args(words).current_dir(self.folder.join("work")).output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
