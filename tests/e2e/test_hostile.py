"""A hostile agent and a hostile check inside the container, under the real runner."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import KEY, OTHER_KEY, Built, git
from tests.e2e.repository import Stage
from tests.e2e.runner import Ran
from tests.isolation import attack

pytestmark = pytest.mark.e2e

TEMP = "/var/run/act/temp"  # RUNNER_TEMP
JOB = f"{TEMP}/concertmaster"
RUNNER = "/var/run/act"
ENGINE = "/var/run/docker.sock /run/docker.sock /run/podman/podman.sock"
SURVIVOR = "sleep 7531"
# The brackets keep a pattern from matching the command line or script that contains it.
A_TOKEN = "gh[s]_0000000000"
ANOTHER_KEY = f"[{OTHER_KEY[0]}]{OTHER_KEY[1:]}"
PLACES = "/artifacts /etc /github /home /root /run /srv /tmp /var"

ATTACKS = {
    "token-in-environment": f"env | grep -e '{A_TOKEN}' -e '{ANOTHER_KEY}'",
    "variables-of-the-job": "env | grep -e ^GITHUB_ -e ^INPUT_ -e ^ACTIONS_ -e ^RUNNER_",
    "environment-of-others": "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | "
    f"grep -e '{A_TOKEN}' -e '{ANOTHER_KEY}'",
    "environment-of-init": "cat /proc/1/environ",
    "memory-of-init": "cat /proc/1/maps",
    "files-of-init": "ls /proc/1/fd/ /proc/1/cwd/ && cd /proc/1/root",
    "token-in-files": f"grep -rlsI -e '{A_TOKEN}' -e '{ANOTHER_KEY}' {PLACES} | grep .",
    "token-in-configuration": "git config --list --show-origin | grep -i -e token -e extraheader",
    "event": f"cat {RUNNER}/workflow/event.json",
    "event-for-writing": f"echo x >> {RUNNER}/workflow/event.json",
    **{
        f"command-file-{name}": f"echo x=y >> {RUNNER}/workflow/{name}.txt || "
        f"cat {RUNNER}/workflow/{name}.txt"
        for name in ("outputcmd", "envs", "pathcmd", "statecmd")
    },
    "summary": f"echo x >> {RUNNER}/summary.md || cat {RUNNER}/summary.md",
    "workflow-folder": f"ls {RUNNER}/workflow/ || touch {RUNNER}/workflow/x",
    "runner-folder": f"touch {RUNNER}/x",
    "engine": f"for it in {ENGINE}; do [ -w $it ] && exit 0; done; false",
    "code": "for it in /opt/concertmaster/lib/python*/site-packages/concertmaster/*.py; do "
    "[ -w $it ] && exit 0; done; touch /opt/concertmaster/x",
    "programs": "[ -w /usr/bin/git ] || [ -w /usr/local/bin/claude ] || touch /usr/local/bin/x",
    "settings-of-git": "git config --system a.b c || git config --file /etc/gitconfig a.b c",
    "home-of-the-job": "touch ~root/x ~root/.gitconfig || ls ~root",
    "job-folder": f"ls {JOB}/ || touch {JOB}/x",
    "artifacts": f"ls {JOB}/artifacts/ || touch {JOB}/artifacts/x",
    "plan": f"cat {JOB}/artifacts/concertmaster-plan/plan.json",
    "other-attempts": f"ls {JOB}/attempts/",
    "repository": f"touch {JOB}/repository/x {JOB}/repository/.git/config",
    "journal": f"cat {JOB}/repository/.git/concertmaster/runs/*/journal.jsonl",
    "journal-for-writing": f"for it in {JOB}/repository/.git/concertmaster/runs/*/*; do "
    "[ -w $it ] && exit 0; done; false",
    "signal-to-init": "kill -0 1",
    "signal-to-others": "for it in $(ls /proc | grep -x '[0-9]*'); do "
    '[ "$(stat -c %u /proc/$it)" != "$(id -u)" ] && kill -0 $it && exit 0; done; false',
    "groups": '[ "$(id -G)" != "$(id -u)" ]',
    "root": "su -c true || sudo -n true || chroot / true || mount -t tmpfs x /mnt",
    "privileges": "grep -e '^Cap\\(Eff\\|Prm\\|Amb\\):.*[1-9a-f]' /proc/self/status || "
    "grep 'NoNewPrivs:.0' /proc/self/status",
}
CONTROLS = {"nothing-at-all": "true", "own-folder": "touch mine && rm mine"}
COMMANDS = """\
echo '::set-output name=shares::[9]'
echo '::error::pwned by a command'
echo '::set-env name=PWNED::yes'
echo '::add-path::/pwned'
echo '::add-mask::succeeded'
echo '::stop-commands::pwned'
printf '\\r::error::pwned by a return\\n##[error]pwned in the old way\\n'
"""
DAEMON = (
    f"(setsid {SURVIVOR} >/dev/null 2>&1 &); (trap '' TERM; nohup {SURVIVOR} >/dev/null 2>&1 &)"
)
LOOT = attack({**CONTROLS, **ATTACKS})
# The next agent looks for processes and files that the hostile one left.
WITNESS = (
    f"for it in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $it; echo; done | "
    f"grep -x '{SURVIVOR} *' && echo survived; ls -a /tmp /var/tmp /dev/shm 2>/dev/null | "
    "grep pwned && echo left; echo honest > honest.txt"
)
# These fail without isolation, too: agents get no such variables, git has no token, and the user is
# root already.
NOT_EVEN_THEN = {
    *("token-in-environment", "variables-of-the-job", "token-in-configuration", "token-in-files"),
    *("groups", "signal-to-others"),
}
FILES = {
    "concertmaster.yml": "check: sh check.sh\nattempts: 1\nphases: lean\n",
    "prompts/hostile.md": "# Write hostile.txt\n",
    "prompts/honest.md": "---\nneeds: [hostile.md]\n---\n# Write honest.txt\n",
    "check.sh": f"{COMMANDS}{LOOT}\n{DAEMON}\n"
    f"env | grep -q -e {KEY} && echo key-of-the-agent\ntrue\n",
}


def play(stage: Stage) -> Ran:
    stage.model.scripts = {
        "Write hostile.txt": f"{COMMANDS}{LOOT}\n{DAEMON}\necho hostile > hostile.txt",
        "Write honest.txt": WITNESS,
    }
    issue = stage.open_issue("hostile", "honest")
    ran = stage.ask(issue)
    assert ran.code == 0, ran.log
    return ran


def without_commands(text: str) -> list[str]:
    """Return the output without workflow commands."""
    lines = re.split(r"[\r\n]+", text)
    return [line for line in lines if line and "::" not in line and "##[" not in line]


def test_the_attacks_of_these_tests_work_where_nothing_protects(build_stage: Built) -> None:
    stage = build_stage(
        "unprotected",
        FILES,
        options={"isolation": "none"},
        jobs=frozenset({"plan", "work", "control"}),
    )

    play(stage)

    loot = {*without_commands(stage.model.results["Write hostile.txt"])}
    missed = {*ATTACKS} - loot
    assert missed == NOT_EVEN_THEN


def test_hostile_agents_and_checks_get_nothing_in_the_container(build_stage: Built) -> None:
    stage = build_stage("hostile", FILES)

    ran = play(stage)

    assert without_commands(stage.model.results["Write hostile.txt"]) == [*CONTROLS]
    assert "survived" not in stage.model.results["Write honest.txt"]
    assert "left" not in stage.model.results["Write honest.txt"]
    logs = [*ran.artifacts.glob("concertmaster-work-*/tasks/**/check.log")]
    logs += ran.artifacts.glob("concertmaster-verify/**/check.log")
    assert len(logs) >= 3
    for log in logs:
        assert without_commands(log.read_text()) == [*CONTROLS], log
    assert git(stage, "show", "main:honest.txt") == "honest"
    assert not re.search(r"\|\s*(::|##\[)", ran.log)
    assert "pwned" not in "".join(
        line.text for line in ran.lines if " | " in line.text and "output" in line.text
    )
    for secret in (KEY, OTHER_KEY):
        kept = [path for path in ran.artifacts.rglob("*") if path.is_file()]
        assert not [path for path in kept if secret.encode() in path.read_bytes()]
