"""What the action does: `install` puts gnomon on the path, `run` lints, tests, compares and comments.

Python 3 and its standard library. Everything comes from the environment; action.yml says what it means.
"""

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request

# GitHub takes 65,536 characters.
LONGEST = 60_000
# Pages of a hundred comments that are searched for ours.
PAGES = 30
SECONDS = 60


class Wrong(Exception):
    """Said in one line, and the step fails."""


def setting(name, default=""):
    return os.environ.get(name, "").strip() or default


def is_true(name):
    value = setting(name, "false").lower()
    if value not in ("true", "false"):
        raise Wrong(f"{name.removeprefix('INPUT_').lower()} is true or false, not {value!r}")
    return value == "true"


def append(variable, text):
    """To one of the files by which a step speaks to GitHub."""
    path = setting(variable)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)


def message(kind, text):
    """An annotation; what ends a line would end it."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{kind}::{text}", flush=True)


# Installing


def target():
    machine = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
    system = {"Linux": "unknown-linux-musl", "Darwin": "apple-darwin", "Windows": "pc-windows-msvc"}
    try:
        return f"{machine[platform.machine().lower()]}-{system[platform.system()]}"
    except KeyError:
        raise Wrong(f"no release is made for {platform.system()} on {platform.machine()}") from None


def download(url):
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise Wrong(f"{url}: only https is downloaded from")
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return answer.read()
    except OSError as error:
        raise Wrong(f"{url}: {error}") from None


def install():
    url, wanted, version = setting("INPUT_URL"), setting("INPUT_SHA256").lower(), setting("INPUT_VERSION")
    if not url and not version:
        found = run(["gnomon", "--version"])
        if found is not None and found.returncode == 0:
            print(f"{found.stdout.strip()} is there")
            return
        version = setting("ACTION_REF")
    if not url:
        # A branch is no release.
        if not re.fullmatch(r"v?[0-9]+\.[0-9]+\.[0-9]+[-.0-9A-Za-z]*", version):
            raise Wrong("gnomon is not installed: give `version`, or `url` and `sha256`, or install it before")
        tag = version if version.startswith("v") else f"v{version}"
        name = f"gnomon-{target()}.tar.gz"
        url = f"{setting('RELEASES')}/download/{tag}/{name}"
        sums = download(f"{setting('RELEASES')}/download/{tag}/SHA256SUMS").decode("utf-8", "replace")
        lines = [line.split() for line in sums.splitlines()]
        wanted = next((line[0] for line in lines if len(line) == 2 and line[1] == name), "")
    if not wanted:
        raise Wrong(f"{url} has no checksum: give `sha256`")
    archive = download(url)
    found = hashlib.sha256(archive).hexdigest()
    if found != wanted:
        raise Wrong(f"{url} has the checksum {found}, and should have {wanted}")
    folder = tempfile.mkdtemp(prefix="gnomon-", dir=setting("RUNNER_TEMP") or None)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        program = next((file for file in files if file.isfile() and file.name in ("gnomon", "gnomon.exe")), None)
        if program is None:
            raise Wrong(f"{url} has no program gnomon in it")
        path = os.path.join(folder, program.name)
        with open(path, "wb") as file:
            file.write(files.extractfile(program).read())
    os.chmod(path, 0o755)
    append("GITHUB_PATH", folder + "\n")
    print(f"gnomon is in {folder}")


# Running


def run(command):
    """Its output and how it ended; None where there is no such program."""
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False
        )
    except OSError:
        return None


def gnomon(*words):
    done = run(["gnomon", *words])
    if done is None:
        raise Wrong("gnomon is not on the path")
    return done


def has_suite(paths):
    for path in paths:
        if path.endswith(".gnomon.yaml"):
            return True
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if name != ".git"]
            if any(name.endswith(".gnomon.yaml") for name in files):
                return True
    return False


def event():
    path = setting("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError) as error:
        raise Wrong(f"{path}: {error}") from None
    return value if isinstance(value, dict) else {}


def pull_request(payload):
    """Its number and the commit that it is to be merged into, where it is one."""
    pull = payload.get("pull_request")
    if not isinstance(pull, dict):
        return None, None
    number, base = pull.get("number"), pull.get("base")
    commit = base.get("sha") if isinstance(base, dict) else None
    if not isinstance(number, int) or not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None, None
    return number, commit


def before(commit):
    """The commit where the branch left its base; that of the base where the history does not say."""
    if run(["git", "cat-file", "-e", f"{commit}^{{commit}}"]).returncode != 0:
        run(["git", "fetch", "--quiet", "--no-tags", "--depth=1", "origin", commit])
    fork = run(["git", "merge-base", commit, "HEAD"])
    return fork.stdout.strip() if fork.returncode == 0 and fork.stdout.strip() else commit


def plan(commit, paths):
    """What the change means for requests, as markdown, and how bad that is."""
    if run(["git", "--version"]) is None:
        return "Nothing was compared: there is no git.", 0
    parts, worst = [], 0
    more = ["--deny-new-access"] if is_true("INPUT_DENY_NEW_ACCESS") else []
    commit = before(commit)
    for path in paths:
        done = gnomon("diff", f"git:{commit}", path, "-o", "markdown", *more)
        if done.returncode == 2:
            why = done.stderr.strip().splitlines()
            shown = (why[-1] if why else "it is not said why").replace("`", "'").replace("<", "&lt;")
            parts.append(f"**gnomon diff**: `{path}` was not compared with what was there before: {shown}")
            message("warning", f"gnomon diff of {path}: {shown}")
        else:
            parts.append(done.stdout.strip() if len(paths) == 1 else f"`{path}`\n\n{done.stdout.strip()}")
            worst = max(worst, done.returncode)
    return "\n\n".join(parts), worst


def check():
    named = [line.strip() for line in setting("INPUT_PATHS").splitlines() if line.strip()]
    for path in named:
        if path.startswith("-"):
            raise Wrong(f"{path!r} is no path")
    fail_on = setting("INPUT_FAIL_ON")
    lint = ["lint", *named, *(["--fail-on", fail_on] if fail_on else [])]
    parts, failed = [], []

    done = gnomon(*lint, "-o", "github")
    print(done.stdout, end="")
    if done.returncode != 0:
        failed.append("gnomon lint")
    if done.returncode == 2:
        message("error", done.stderr.strip() or "gnomon lint could not run")
    with open(setting("INPUT_SARIF", "gnomon.sarif"), "w", encoding="utf-8") as file:
        file.write(gnomon(*lint, "-o", "sarif").stdout)
    append("GITHUB_OUTPUT", f"sarif={setting('INPUT_SARIF', 'gnomon.sarif')}\n")
    parts.append(gnomon(*lint, "-o", "markdown").stdout.strip() or "**gnomon lint** could not run")

    if named and not has_suite(named) or not named and not has_suite(["."]):
        parts.append("**gnomon test**: there is no suite yet; `gnomon init` drafts one")
    else:
        done = gnomon("test", *named, "-o", "github")
        print(done.stdout, end="")
        if done.returncode != 0:
            failed.append("gnomon test")
        if done.returncode == 2:
            message("error", done.stderr.strip() or "gnomon test could not run")
        parts.append(gnomon("test", *named, "-o", "markdown").stdout.strip() or "**gnomon test** could not run")

    number, commit = pull_request(event())
    if commit is not None:
        text, code = plan(commit, named or ["."])
        parts.append(text)
        if code != 0:
            failed.append("gnomon diff")
    text = "\n\n".join(parts)
    append("GITHUB_STEP_SUMMARY", text + "\n")
    if number is not None and is_true("INPUT_COMMENT"):
        comment(number, text)
    if failed:
        raise Wrong(f"{', '.join(failed)} failed")


# Commenting


def call(method, path, body=None):
    """GitHub's answer. The token is in no message and no command line."""
    request = urllib.request.Request(
        setting("GITHUB_API_URL", "https://api.github.com") + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {setting('GITHUB_TOKEN')}",
            "Content-Type": "application/json",
            "User-Agent": "gnomon-action",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def login():
    """Whose token it is; that of a workflow is nobody's."""
    try:
        return call("GET", "/user").get("login", "")
    except urllib.error.HTTPError:
        return ""


def existing(issue, marker):
    """Our comment's number. Anybody can write the marker, so that the author counts as well."""
    own = None
    for page in range(1, PAGES + 1):
        comments = call("GET", f"{issue}/comments?per_page=100&page={page}")
        for one in comments:
            if not (one.get("body") or "").startswith(marker):
                continue
            author = one.get("user") or {}
            if author.get("type") == "Bot":
                return one["id"]
            if own is None:
                own = login()
            if own and author.get("login") == own:
                return one["id"]
        if len(comments) < 100:
            break
    return None


def comment(number, text):
    """One comment for each name, written once and then changed."""
    if not setting("GITHUB_TOKEN"):
        message("warning", "no comment was written: there is no token")
        return
    name = re.sub(r"[^-_. 0-9A-Za-z]", "_", setting("INPUT_NAME", "gnomon"))
    marker = f"<!-- gnomon-action: {name} -->"
    if len(text) > LONGEST:
        text = text[:LONGEST].rsplit("\n", 1)[0] + "\n\nThere is more: see the summary of the run.\n"
    body = {"body": f"{marker}\n{text}\n"}
    repository = f"/repos/{setting('GITHUB_REPOSITORY')}"
    try:
        ours = existing(f"{repository}/issues/{number}", marker)
        if ours is None:
            answer = call("POST", f"{repository}/issues/{number}/comments", body)
        else:
            answer = call("PATCH", f"{repository}/issues/comments/{ours}", body)
        url = str(answer.get("html_url", ""))
        append("GITHUB_OUTPUT", f"comment-url={url if url.isprintable() else ''}\n")
    except urllib.error.HTTPError as error:
        # Requests from forks have a token that only reads: the findings stand all the same.
        message("warning", f"no comment was written: GitHub answers {error.code} {error.reason}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message("warning", f"no comment was written: {error}")


def main(words):
    try:
        if words == ["install"]:
            install()
        elif words == ["run"]:
            check()
        else:
            raise Wrong("say install or run")
    except Wrong as wrong:
        message("error", str(wrong))
        return 1
    except (OSError, tarfile.TarError) as error:
        message("error", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
