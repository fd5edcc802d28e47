"""Tests attacks on the jobs that can write, by the number of their case."""

from __future__ import annotations

import base64
import codecs
import io
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.control import control
from concertmaster.action.job import Job
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.plan.publish import NOTHING
from concertmaster.errors import EnvironmentFault, Error, UsageError
from concertmaster.rounds.documents import read_history_file
from concertmaster.settings import load_action_settings
from concertmaster.text.display import is_visible
from concertmaster.text.markdown import BODY_LIMIT
from concertmaster.text.marks import read_marks
from tests.action.repository import LIST, Scene
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.people import Role, User
from tests.github.state import Issue, Pull, Repository

pytestmark = pytest.mark.matrix


@pytest.fixture
def scene(double: Double, repository: Repository, eve: User, token: str, tmp_path: Path) -> Scene:
    return Scene(double=double, repository=repository, eve=eve, token=token, folder=tmp_path)


def gets_nothing(scene: Scene, workflow: Workflow, **inputs: Any) -> str:
    """Run the jobs and return the log; check that nothing on GitHub or in the outputs changes."""
    before = scene.everything()
    assert run_plan(workflow.job(**inputs)) == 0
    assert control(workflow.job(**inputs)) == 0
    assert scene.everything() == before
    assert workflow.outputs == NOTHING
    return workflow.said.getvalue()


def gets_a_reply(scene: Scene, workflow: Workflow, issue: Issue, **inputs: Any) -> str:
    """Run the plan job and return its one comment; check that nothing is started."""
    before = len(issue.comments)
    try:
        run_plan(workflow.job(**inputs))
    except Error as error:
        assert error.what  # noqa: PT017 - some refusals also fail the job
    assert [workflow.outputs["count"], scene.children] == ["0", []]
    (reply,) = issue.comments[before:]
    assert read_marks(reply.body)[0].kind == "reply"
    return reply.body


def plan(workflow: Workflow, **inputs: Any) -> dict[str, str]:
    assert run_plan(workflow.job(**inputs)) == 0
    return workflow.outputs


# --- actors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["CONTRIBUTOR", "MEMBER", "OWNER"])
@pytest.mark.parametrize("role", [Role.NONE, Role.READ, Role.TRIAGE])
def test_case_01_who_may_not_write_gets_nothing_whatever_the_association_says(
    scene: Scene, role: Role, claim: str
) -> None:
    mallory = scene.double.add_user("mallory")
    scene.double.give_role(scene.repository, mallory, role)
    workflow = scene.ask(by=mallory)
    workflow.payload["comment"]["author_association"] = claim

    assert "starting a run needs write" in gets_nothing(scene, workflow)


def test_case_01_a_deleted_account_gets_nothing(scene: Scene) -> None:
    ghost = scene.double.add_user("ghost")
    by_name, by_nobody = scene.ask(by=ghost), scene.ask(by=ghost)
    by_nobody.payload["comment"]["user"] = None
    del scene.double.store.users["ghost"]

    assert "ghost has none permission" in gets_nothing(scene, by_name)
    assert "nobody is a bot" in gets_nothing(scene, by_nobody)


@pytest.mark.parametrize("allowed", [(), ("*",), ("mallory", "[bot]", "", "mallory*")])
def test_case_01_an_app_gets_nothing_unless_the_workflow_file_names_it(
    scene: Scene, allowed: tuple[str, ...]
) -> None:
    app = scene.double.add_app("mallory")
    scene.double.give_role(scene.repository, app.bot, Role.ADMIN)

    told = gets_nothing(scene, scene.ask(by=app.bot), allowed_bots=allowed)

    assert "mallory[bot] is a bot and not in allowed_bots" in told


@pytest.mark.parametrize("effect", [Effect.NOT_FOUND, Effect.BAD_GATEWAY_BEFORE])
def test_case_01_a_doubt_about_the_permission_is_a_no(scene: Scene, effect: Effect) -> None:
    workflow = scene.ask()
    before = scene.everything()
    scene.double.fail(Fault(effect=effect, path="*/permission"))

    if effect is Effect.NOT_FOUND:
        assert "has none permission" in gets_nothing(scene, workflow)
    else:
        with pytest.raises(EnvironmentFault, match="permission"):
            run_plan(workflow.job())
    assert scene.everything() == before


@pytest.mark.parametrize(
    "body",
    [
        "> /orchestrate",
        "```\n/orchestrate\n```",
        "~~~\n/orchestrate",
        "    /orchestrate",
        "`/orchestrate`",
        "Please /orchestrate",
        "Hello\n\n/orchestrate",
        "<!--\n/orchestrate\n-->",
        "<!-- -->/orchestrate",
        "- /orchestrate",
        "/orchestrated",
        "/orchestrate-all",
        "//orchestrate",
        "/orche\u200bstrate",
        "\u202e/orchestrate",
        "\uff0forchestrate",
    ],
)
def test_case_02_words_that_only_mention_the_command_start_nothing(scene: Scene, body: str) -> None:
    assert "not for us" in gets_nothing(scene, scene.ask(body))


@pytest.mark.parametrize("action", ["edited", "deleted"])
def test_case_02_a_comment_that_was_edited_starts_nothing(scene: Scene, action: str) -> None:
    assert "only a new comment" in gets_nothing(scene, scene.ask(action=action))


def test_case_02_our_own_comments_start_nothing(scene: Scene) -> None:
    issue = scene.open_issue("- missing.md")
    gets_a_reply(scene, scene.ask("/orchestrate", issue=issue), issue)
    plan(scene.ask("/orchestrate\n" + LIST, issue=issue))
    control(scene.ask("/orchestrate help", issue=issue).job())
    bot = scene.double.store.actions_app.bot
    ours = [one for one in issue.comments if one.user == bot]
    assert len(ours) == 3
    assert any("/orchestrate" in one.body for one in ours)

    for one in ours:
        payload = scene.double.comment_event(scene.repository, issue, one)
        # This holds even if the workflow file allows our token's bot or the token is a person's.
        told = gets_nothing(scene, scene.start("issue_comment", payload), allowed_bots=(bot.login,))
        assert "not for us" in told


# --- comments, lists and names -----------------------------------------------------------------


def test_case_03_what_is_edited_after_the_label_does_not_count(scene: Scene) -> None:
    issue = scene.open_issue("- prompts/apple.md\n")
    workflow = scene.label(issue, by=scene.eve)
    issue.title, issue.body = "Evil", "- prompts/pear.md\n"

    plan(workflow)

    assert [child.title for child in scene.children] == ["Write apple.txt"]


def test_case_03_what_is_edited_after_the_comment_does_not_count(scene: Scene) -> None:
    issue = scene.open_issue("- prompts/apple.md\n")
    workflow = scene.ask("/orchestrate budget=5", issue=issue)
    issue.body = "- prompts/pear.md\n"
    issue.comments[0].body = "/orchestrate budget=5000\n- prompts/plum.md"

    plan(workflow)

    assert [child.title for child in scene.children] == ["Write apple.txt"]
    assert "limited to $5.00" in issue.comments[-1].body


def test_case_03_the_label_of_somebody_who_may_only_triage_starts_nothing(scene: Scene) -> None:
    mallory = scene.double.add_user("mallory")
    scene.double.give_role(scene.repository, mallory, Role.TRIAGE)

    told = gets_nothing(scene, scene.label(scene.open_issue(), by=mallory))

    assert "mallory has read permission" in told


@pytest.mark.parametrize(
    "hidden",
    [
        "<!--\n- prompts/pear.md\n-->\n",
        "<!-- \n\n- prompts/pear.md\n",
        "<div>\n- prompts/pear.md\n</div>\n\n",
        "![](x 'prompts/pear.md')\n\n- ![prompts/pear.md](x)\n",
        '- [the docs](https://example.org "prompts/pear.md")\n',
        "- &#60;!-- prompts/pear.md\n",
        "```\n- prompts/pear.md\n",
        "> - prompts/pear.md\n\n",
    ],
)
def test_case_04_a_list_that_nobody_sees_is_not_run(scene: Scene, hidden: str) -> None:
    plan(scene.ask("/orchestrate\n- prompts/apple.md\n\n" + hidden))

    assert [child.title for child in scene.children] == ["Write apple.txt"]


@pytest.mark.parametrize(
    "path",
    [
        "prompts/pe\u200bar.md",
        "prompts/\u202era\u202cep.md",
        "prompts/pear\U000e0041.md",
        "prompts/pear\x1b[31m.md",
        "prompts/pe\x00ar.md",
    ],
)
def test_case_04_a_path_with_invisible_characters_is_refused(scene: Scene, path: str) -> None:
    issue = scene.open_issue("")

    reply = gets_a_reply(scene, scene.ask(f"/orchestrate\n- {path}", issue=issue), issue)

    assert all(is_visible(one) or one == "\n" for one in reply)


def test_case_04_nothing_that_we_write_hides_or_steers_anything(scene: Scene) -> None:
    evil = "\x1b[31mred\x1b[0m \u202eevil\u200b\U000e0041 <!-- x --> @ada #1 <img src=x onerror=y>"
    listed = scene.write_prompts([f"# {evil}\n", "---\nneeds: [p000.md]\n---\n" + evil + "\n"])

    plan(scene.ask("/orchestrate\r\n" + listed.replace("\n", "\r\n")))

    assert len(scene.children) == 2
    for text in scene.texts():
        assert all(is_visible(one) or one == "\n" for one in text)
        without_code = re.sub(r"(`+)[^`].*?\1", "", text, flags=re.DOTALL)
        assert not re.search(r"@ada|<img|<!-- x", without_code)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../../etc/passwd.md", "climbs out"),
        ("/etc/passwd.md", "outside the repository"),
        ("~/.ssh/id.md", "outside the repository"),
        (".git/config.md", "git's own folder"),
        ("prompts/outside.md", "a symbolic link"),
        ("prompts/inside.md", "a symbolic link"),
        ("link/hooks.md", "missing"),
        ("vendor.md", "a submodule"),
        ("folder.md", "missing"),
        ("absent.md", "missing"),
        ("PROMPTS/apple.md", "missing"),
        ("prompts/huge.md", "larger than 1 MiB"),
        ("prompts/latin.md", "is not UTF-8"),
        ("prompts/binary.md", "binary"),
        ("prompts/empty.md", "empty"),
    ],
)
def test_case_05_a_path_that_is_no_prompt_of_the_repository_is_refused(
    scene: Scene, path: str, why: str
) -> None:
    scene.write("prompts/outside.md", b"/etc/passwd", mode="120000")
    scene.write("prompts/inside.md", b"../.git/config", mode="120000")
    scene.write("link", b".git", mode="120000")
    scene.write("vendor.md", b"", mode="160000")
    scene.write("folder.md/a.txt", b"a")
    scene.write("prompts/huge.md", b"# x\n" * (10 << 18))
    scene.write("prompts/latin.md", "# Äpfel".encode("latin-1"))
    scene.write("prompts/binary.md", b"a\0b")
    scene.write("prompts/empty.md", b"")
    issue = scene.open_issue("")

    reply = gets_a_reply(scene, scene.ask(f"/orchestrate\n- {path}", issue=issue), issue)

    assert why in reply
    assert "root:" not in reply


def test_case_05_a_bad_path_of_a_dispatch_is_told_in_the_log_and_on_the_page_of_the_job(
    scene: Scene,
) -> None:
    workflow = scene.dispatch(by=scene.eve)

    assert "climbs out" in gets_nothing(scene, workflow, prompts="../../etc/passwd.md\r\na.md\r\n")

    assert "climbs out" in (workflow.folder / "summary.md").read_text()


def test_case_05_a_path_in_two_spellings_runs_once(scene: Scene) -> None:
    issue = scene.open_issue("- prompts/apple.md\n- ./prompts/apple.md\n- Prompts/APPLE.md\n")

    plan(scene.ask(issue=issue))

    assert [child.title for child in scene.children] == ["Write apple.txt"]
    assert "listed more than once" in issue.comments[-1].body


def test_case_06_a_prompt_of_a_pull_request_is_not_on_the_target(scene: Scene) -> None:
    scene.write("prompts/evil.md", b"# Evil\n", branch="feature")
    bare = scene.double.git(scene.repository)
    tip = bare.branch("feature")
    assert tip
    bare.update({"refs/pull/9/head": (tip, None)})
    issue = scene.open_issue("- prompts/evil.md\n")

    assert "missing" in gets_a_reply(scene, scene.ask(issue=issue), issue)
    for target in ("pull/9/head", "refs/pull/9/head", tip):
        reply = gets_a_reply(scene, scene.ask(f"/orchestrate target={target}", issue=issue), issue)
        assert "Nothing was started" in reply


def test_case_06_a_prompt_that_changes_after_the_plan_runs_as_it_was_planned(scene: Scene) -> None:
    workflow = scene.ask(listed="- prompts/apple.md\n")
    plan(workflow)
    scene.double.commit(scene.repository, "main", {"prompts/apple.md": "# Evil\n"})

    folder = workflow.job().artifacts / "concertmaster-plan"
    (task,) = json.loads((folder / "plan.json").read_text())["tasks"]

    assert (folder / "prompts" / task["blob"]).read_text() == "# Write apple.txt\n"
    assert workflow.outputs["plan_sha256"]


HOSTILE_BRANCHES = (
    "x;$(touch${IFS}pwned)",
    "`id`",
    "-x",
    "--upload-pack=touch${IFS}pwned",
    "a@{1}",
    "a..b",
    "main.lock",
    "refs/heads/main",
    "main:evil",
    "+main",
    "HEAD",
    "concertmaster/x",
    "a" * 300,
    "ext::sh${IFS}-c${IFS}pwned",
    "tag-of-evil",
    "größe",
)


@pytest.mark.parametrize("branch", HOSTILE_BRANCHES)
def test_case_07_a_hostile_target_gets_a_reply(scene: Scene, branch: str) -> None:
    bare = scene.double.git(scene.repository)
    bare.run("update-ref", "refs/tags/tag-of-evil", "refs/heads/main")
    issue = scene.open_issue()

    reply = gets_a_reply(scene, scene.ask(f"/orchestrate target={branch}", issue=issue), issue)

    assert "`target` cannot be" in reply or "could not be cloned" in reply or "no branch" in reply
    assert not [*scene.folder.rglob("pwned*")]


def test_case_07_hostile_names_of_branch_prompt_and_label_are_only_names(
    double: Double, token: str, eve: User, tmp_path: Path
) -> None:
    branch = "a;$(touch${IFS}pwned)`id`|x"
    made = double.add_repository("ada/hostile", default_branch=branch)
    double.give_role(made, eve, Role.WRITE)
    scene = Scene(double, made, eve, double.workflow_token(made, {"issues": "write"}), tmp_path)
    scene.write("concertmaster.yml", b"check: 'true'\nagent_command: 'true'\n", branch=branch)
    names = ["$(touch pwned);`id`.md", "@{u}.lock.md", "-rf.md", "größe'\"|&.md", "a" * 200 + ".md"]
    for name in names:
        scene.write(f"prompts/{name}", b"# Write it\n", branch=branch)
    scene.token = double.workflow_token(made, {"issues": "write", "contents": "read"})
    issue = scene.open_issue(
        "".join(f"- ``prompts/{name}``\n" for name in names), title="$(id)\n::x"
    )

    plan(scene.label(issue, by=eve))

    ids = [read_marks(child.body or "")[0].task for child in scene.children]
    assert len(ids) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one) and len(one) < 60 for one in ids)
    assert not [*tmp_path.rglob("pwned*")]
    label = scene.label(issue, by=eve, name="orchestrate;$(id)")
    assert "only the label 'orchestrate'" in gets_nothing(scene, label)


RUNNER_WORDS = (
    "EOF",
    "shares=[0]",
    "::set-output name=count::9",
    "##[set-output name=count]9",
    "::add-mask::a",
    "::stop-commands::x",
    "::error::x",
    "count<<EOF",
)


@pytest.mark.parametrize("word", RUNNER_WORDS)
def test_case_08_agents_words_set_no_output_and_command_no_runner(scene: Scene, word: str) -> None:
    texts = [
        f"# {word}\n",
        f"---\ntitle: |\n  a\n  {word}\n  b\nneeds: [p000.md]\n---\nText\n",
        f"---\nneeds: ['{word}']\n---\n# x\n",
    ]
    listed = scene.write_prompts(texts)
    bad = scene.ask(listed=listed)
    with pytest.raises(UsageError) as refused:
        run_plan(bad.job())
    bad.job().console.error(refused.value)  # the command line shows the error
    good = scene.ask(listed=listed.replace("- prompts/p002.md\n", ""))

    outputs = plan(good, runs_on=f"ubuntu\n{word}\ncount=9")

    known = {*NOTHING, "plan_sha256", "runs_on", "max_parallel"}
    assert set(outputs) == known
    assert [outputs["count"], outputs["shares"]] == ["1", "[0]"]
    for run in scene.runs:
        for line in run.said.getvalue().splitlines():
            assert not line.lstrip().startswith("::")
            assert "##[" not in line


# --- secrets -----------------------------------------------------------------------------------

SIGNATURE = base64.urlsafe_b64encode(bytes(range(7, 250, 3))).decode().rstrip("=")
OURS = f"ghs_1234567_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTY3In0.{SIGNATURE}"
PEM = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *(base64.b64encode(bytes((7 * n + k) % 251 for k in range(48))).decode() for n in range(9)),
        "-----END RSA PRIVATE KEY-----",
    ]
)
KEYS = {
    "installation": OURS,
    "classic": "ghp_" + "aB3dE6gH9j" * 4,
    "fine-grained": "github_pat_" + "A1b2C3d4E5" * 5,
    "Anthropic": "sk-ant-api03-" + "Qw3rTy_-9x" * 6,
    "JWT": f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.{SIGNATURE}",
    "beside a letter": "x" + "ghp_" + "aB3dE6gH9j" * 4,
}


@pytest.fixture
def known(scene: Scene) -> Scene:
    """The scene with a token in the format that GitHub has used since 2026."""
    found = scene.double.store.tokens[scene.token]
    scene.double.store.tokens[OURS] = replace(found, value=OURS)
    scene.token = OURS
    return scene


def leaks(scene: Scene, secret: str, *, length: int = 16) -> set[str]:
    """Return the parts of a secret in our texts, with Mermaid's entities decoded."""
    shown = [re.sub(r"#(\d+);", lambda found: chr(int(found[1])), text) for text in scene.texts()]
    pieces = (secret[start : start + length] for start in range(len(secret) - length + 1))
    return {piece for piece in pieces if any(piece in text for text in shown)}


def tell_everywhere(scene: Scene, secret: str) -> None:
    """Put the secret in each place whose text we repeat."""
    inline, words = json.dumps(secret), secret.replace("\n", " ")
    front = f"---\ntitle: {inline}\ntouches: [{json.dumps(words)}]\nneeds: [p000.md]\n---\n"
    listed = scene.write_prompts(
        [
            f"# {secret}\n\nEdit `{secret}.py`.\n",
            f"{front}Edit {secret}\n",
            f"# Done {secret} (IMPLEMENTED)\n",
        ]
    )
    issue = scene.open_issue(f"{listed}- read {secret}/a.md\n", title=secret)
    plan(scene.ask(issue=issue))
    scene.write("prompts/bad.md", f"---\nneeds: [{inline}]\n---\nx\n".encode())
    for body in (
        f"/orchestrate {words}",
        f"/orchestrate target={words}",
        f"/orchestrate\n- {words}/../a.md\n- `{words}.md`",
        "/orchestrate\n- prompts/bad.md",
    ):
        try:
            run_plan(scene.ask(body, issue=issue).job())
        except Error as error:
            scene.runs[-1].job().console.error(error)


@pytest.mark.parametrize("spelling", ["plain", "base64", "reversed", "cut", "rot13", "hex"])
def test_case_13_our_token_is_in_nothing_that_we_write_however_it_is_spelt(
    known: Scene, spelling: str
) -> None:
    spelt = {
        "plain": OURS,
        "base64": base64.b64encode(OURS.encode()).decode(),
        "reversed": OURS[::-1],
        "cut": OURS[7:],
        "rot13": codecs.encode(OURS, "rot13"),
        "hex": OURS.encode().hex(),
    }[spelling]

    tell_everywhere(known, spelt)

    assert leaks(known, spelt) == set()


@pytest.mark.parametrize("kind", KEYS)
def test_case_14_no_key_of_any_kind_is_in_what_we_write(scene: Scene, kind: str) -> None:
    tell_everywhere(scene, KEYS[kind])

    assert leaks(scene, KEYS[kind][8:]) == set()


def test_case_14_a_key_over_several_lines_is_in_nothing_that_we_write(scene: Scene) -> None:
    tell_everywhere(scene, PEM)

    for line in PEM.splitlines()[1:-1]:
        assert leaks(scene, line) == set()


def test_case_14_a_file_named_like_a_key_still_has_one_issue(scene: Scene) -> None:
    name = "prompts/sk-ant-api03-abcdefghij0123456789abcdefghij.md"
    scene.write(name, b"# Write it\n")
    workflow = scene.ask(listed=f"- {name}\n")

    plan(workflow)
    plan(workflow)

    assert len(scene.children) == 1


# --- the plan ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["---\nneeds: [p001.md]\n---\nx", "---\nneeds: [p000.md]\n---\nx"], "needs"),
        (["---\nneeds: [p000.md]\n---\nx"], "wait for the others"),
        (["---\nneeds: [absent.md]\n---\nx"], "absent.md"),
        ([], "no prompt files are listed"),
        (["x"] * 257, "more than 256"),
        (["x"] * 300, "more than 256"),
    ],
)
def test_case_23_needs_that_cannot_be_met_and_lists_that_are_too_long_get_a_reply(
    scene: Scene, texts: list[str], why: str
) -> None:
    issue = scene.open_issue(scene.write_prompts(texts) if texts else "Do something")

    assert why in gets_a_reply(scene, scene.ask(issue=issue), issue)


def test_case_23_one_task_is_a_matrix_of_one(scene: Scene) -> None:
    outputs = plan(scene.ask(listed="- prompts/apple.md\n- prompts/apple.md\n"))

    assert [outputs["count"], outputs["shares"]] == ["1", "[0]"]


def test_case_23_nothing_left_to_do_is_no_matrix(scene: Scene) -> None:
    outputs = plan(scene.ask(listed=scene.write_prompts(["# Done (IMPLEMENTED)\nx\n"])))

    assert [outputs["count"], outputs["shares"]] == ["0", "[]"]


def test_case_24_what_tasks_say_they_touch_only_decides_who_waits(scene: Scene) -> None:
    lie = "---\ntouches: [{}.py]\n---\n# Write shared.txt\n"
    texts = [lie.format("one"), lie.format("two"), "---\ntouches: ['**']\n---\n# Write b.txt\n"]
    workflow = scene.ask(listed=scene.write_prompts(texts))

    plan(workflow)

    # The plan must not weaken the check, because landing relies on it for every tree.
    made = json.loads((workflow.job().artifacts / "concertmaster-plan" / "plan.json").read_text())
    assert len(made["tasks"]) == 3
    assert made["settings"]["check"] == "sh check.sh"
    assert all(task["check"] == "" for task in made["tasks"])


# --- faults and limits of GitHub ---------------------------------------------------------------


def is_whole(scene: Scene, *, tasks: int = 2) -> bool:
    """Return whether there is one issue for each task, one parent and one plan."""
    bot = scene.double.store.actions_app.bot
    parents = {child.parent for child in scene.children}
    plans = [
        one
        for issue in scene.repository.issues.values()
        for one in issue.comments
        if one.user == bot and read_marks(one.body)[0].kind == "plan"
    ]
    return [len(scene.children), len(parents), len(plans)] == [tasks, 1, 1]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(effect=Effect.BAD_GATEWAY_AFTER, path="/graphql", nth=2),
        Fault(effect=Effect.BAD_GATEWAY_AFTER, mutation="createIssue", nth=2),
        Fault(effect=Effect.FIELD_ERROR, mutation="createIssue", nth=2),
        Fault(effect=Effect.BAD_GATEWAY_AFTER, method="POST", path="*/comments"),
        Fault(effect=Effect.SECONDARY_LIMIT, method="POST", path="*/comments", nth=1),
    ],
    ids=lambda fault: f"{fault.effect} {fault.mutation or fault.path}",
)
def test_case_25_a_lost_or_partial_answer_makes_nothing_twice(scene: Scene, fault: Fault) -> None:
    workflow = scene.ask()
    scene.double.fail(replace(fault, nth=fault.nth or 1))

    plan(workflow)

    assert is_whole(scene)


def test_case_25_lists_that_lag_make_nothing_twice(scene: Scene) -> None:
    workflow = scene.ask()
    scene.double.clock.advance(60)
    scene.double.lag(8)
    scene.double.fail(Fault(effect=Effect.BAD_GATEWAY_AFTER, mutation="createIssue", nth=2))

    plan(workflow)

    assert is_whole(scene)


def test_case_25_where_issues_are_disabled_the_job_says_so(scene: Scene) -> None:
    workflow = scene.ask()
    scene.repository.has_issues = False

    with pytest.raises(EnvironmentFault) as refused:
        run_plan(workflow.job())

    assert "issues" in refused.value.next_step
    assert scene.children == []


def test_case_25_a_title_is_cut_to_what_github_takes(scene: Scene) -> None:
    wide = "`#1 @ada` <b>\u00e4\U0001f600 " * 40
    plan(scene.ask(listed=scene.write_prompts([f"# {wide}\n", f"---\ntitle: {'y' * 300}\n---\nx"])))

    assert all(0 < len(child.title) <= 256 for child in scene.children)
    assert is_whole(scene)


def test_case_25_a_body_is_cut_to_what_github_takes_and_the_whole_is_kept(scene: Scene) -> None:
    names = [f"{'long-name-' * 30}{n:03}.md" for n in range(240)]
    files: dict[str, str | None] = {f"prompts/{name}": "# Write it\n" for name in names}
    scene.double.commit(scene.repository, "main", files)
    issue = scene.open_issue("".join(f"- prompts/{name}\n" for name in names))
    workflow = scene.ask(issue=issue)

    plan(workflow)

    assert len(scene.children) == 240
    shown = issue.comments[-1].body
    assert BODY_LIMIT - 1000 < len(shown) <= BODY_LIMIT
    whole = (
        workflow.job().artifacts / "concertmaster-plan" / "texts" / "plan-comment.md"
    ).read_text()
    assert all(read_marks(child.body or "")[0].task in whole for child in scene.children)


def test_case_25_ours_is_found_behind_a_hundred_comments_of_others(scene: Scene) -> None:
    issue = scene.open_issue()
    for number in range(130):
        scene.double.comment(scene.repository, issue, user=scene.eve, body=f"Word {number}")
    workflow = scene.ask(issue=issue)

    plan(workflow)
    plan(workflow)

    assert is_whole(scene)


# --- repeated, parallel and cancelled jobs -----------------------------------------------------


def test_case_26_the_same_job_again_makes_nothing_twice(scene: Scene) -> None:
    workflow = scene.ask()
    first = plan(workflow)
    before = scene.everything()
    scene.double.clock.advance(8 * 3600)

    again = plan(workflow)

    assert scene.everything() == before
    assert (again["shares"], again["run"]) == (first["shares"], first["run"])


def test_case_26_two_at_once_leave_one_set(scene: Scene) -> None:
    one = scene.ask()
    other = replace(one, folder=one.folder.with_name("beside"), said=io.StringIO())
    jobs = [run.job() for run in (one, other)]
    start = threading.Barrier(len(jobs))

    def run_beside(job: Job) -> None:
        start.wait(timeout=60)
        run_plan(job)

    threads = [threading.Thread(target=run_beside, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert all(run.outputs["count"] != "0" for run in (one, other))
    assert is_whole(scene)


class Cancelled(BaseException):
    """The end of a job that the runner cancels."""


class Cut(io.StringIO):
    """A log that ends the job when a word is written to it."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def write(self, text: str) -> int:
        if self.word in text:
            raise Cancelled
        return super().write(text)


@pytest.mark.parametrize("word", ["creating child issues", "linking child issues", "output run"])
def test_case_26_a_job_that_was_cancelled_half_way_is_completed_by_the_next(
    scene: Scene, word: str
) -> None:
    workflow = scene.ask(listed=LIST + "- prompts/plum.md\n")
    cut = replace(workflow, said=Cut(word))
    with pytest.raises(Cancelled):
        run_plan(cut.job())

    plan(workflow)

    assert is_whole(scene, tasks=3)


def test_case_27_no_event_of_ours_asks_github_for_anything(scene: Scene) -> None:
    issue = scene.open_issue()
    plan(scene.ask(issue=issue))
    (ours,) = [one for one in issue.comments if one.user.login == "github-actions[bot]"]
    events = [
        scene.start("issue_comment", scene.double.comment_event(scene.repository, issue, ours))
    ]
    bot = scene.double.store.actions_app.bot
    events += [scene.label(child, by=bot) for child in scene.children]
    events += [scene.label(issue, by=bot, name="concertmaster:queued")]
    scene.double.log.clear()

    for event in events:
        gets_nothing(scene, event)

    assert len(scene.double.log) == 0


# --- unusual parent issues ---------------------------------------------------------------------


def test_case_28_a_parent_that_was_closed_is_planned_as_asked_and_stays_closed(
    scene: Scene,
) -> None:
    issue = scene.open_issue()
    scene.double.close(issue, user=scene.eve)

    plan(scene.ask(issue=issue))

    assert issue.state == "closed"
    assert is_whole(scene)


def test_case_28_a_locked_parent_stops_the_job_and_unlocked_it_is_completed(scene: Scene) -> None:
    issue = scene.open_issue()
    workflow = scene.ask(issue=issue)
    issue.locked = True
    with pytest.raises(EnvironmentFault, match="it is locked") as refused:
        run_plan(workflow.job())
    assert "unlock" in refused.value.next_step
    assert not (workflow.folder / "output").exists() or workflow.outputs == NOTHING

    issue.locked = False
    plan(workflow)

    assert is_whole(scene)


def test_case_28_a_parent_that_is_gone_stops_the_job_before_it_makes_anything(
    scene: Scene,
) -> None:
    workflow = scene.ask()
    del scene.repository.issues[1]

    with pytest.raises(EnvironmentFault):
        run_plan(workflow.job())

    assert scene.repository.issues == {}


def test_case_28_a_pull_request_is_no_parent(scene: Scene) -> None:
    issue = scene.open_issue()
    comment, label = scene.ask(issue=issue), scene.label(issue, by=scene.eve)
    for workflow in (comment, label):
        workflow.payload["issue"]["pull_request"] = {"url": "https://example.org"}
        gets_nothing(scene, workflow)


def test_case_28_a_dispatch_that_names_a_pull_request_makes_nothing(scene: Scene) -> None:
    issue = scene.open_issue()
    tip = scene.double.git(scene.repository).branch("main") or ""
    issue.pull = Pull(id=1, head="x", base="main", head_commit=tip, base_commit=tip)
    workflow = scene.dispatch(by=scene.eve)

    with pytest.raises(EnvironmentFault):
        run_plan(workflow.job(issue=issue.number, prompts="prompts/apple.md"))

    assert [*scene.repository.issues.values()] == [issue]


def test_case_28_a_child_that_was_closed_or_moved_by_hand_is_still_the_only_one(
    scene: Scene,
) -> None:
    issue = scene.open_issue()
    workflow = scene.ask(issue=issue)
    plan(workflow)
    closed, moved = scene.children
    scene.double.close(closed, user=scene.eve)
    other = scene.open_issue("", title="Other")
    issue.children.remove(moved.id)
    other.children.append(moved.id)
    moved.parent = other.id

    plan(workflow)
    plan(scene.ask(issue=issue))

    assert len(scene.children) == 2
    assert moved.parent == other.id


def test_case_28_an_issue_that_somebody_else_marked_as_ours_is_not_taken(scene: Scene) -> None:
    issue = scene.open_issue()
    workflow = scene.ask(issue=issue)
    mallory = scene.double.add_user("mallory")
    run = f"i{issue.number}-c{issue.comments[0].id}"
    plan(workflow)
    ours = next(child for child in scene.children if child.title == "Write apple.txt")
    task = read_marks(ours.body or "")[0].task
    forged = scene.double.open_issue(scene.repository, user=mallory, title="Forged", body=ours.body)
    forged.labels, forged.parent = [*ours.labels], issue.id
    issue.children.insert(0, forged.id)
    scene.double.comment(
        scene.repository,
        issue,
        user=mallory,
        body=f"<!-- concertmaster run={run} kind=plan -->\n[Workflow run](x/actions/runs/666)",
    )

    plan(workflow)

    history = read_history_file(workflow.job().artifacts / "concertmaster-plan")
    assert history.task(task).issue == ours.number
    assert forged.title == "Forged"


# --- cost --------------------------------------------------------------------------------------


def test_case_30_many_commands_of_one_person_still_make_one_set_of_issues(scene: Scene) -> None:
    issue = scene.open_issue()
    for _ in range(6):
        plan(scene.ask(issue=issue))

    assert len(scene.children) == 2


def test_case_30_a_stranger_costs_one_question_a_comment(scene: Scene) -> None:
    mallory = scene.double.add_user("mallory")
    issue = scene.open_issue()
    workflows = [scene.ask("/orchestrate\n" + "- x.md\n" * 7000, issue=issue, by=mallory)]
    workflows += [scene.ask(issue=issue, by=mallory) for _ in range(5)]
    scene.double.log.clear()

    for workflow in workflows:
        run_plan(workflow.job())

    assert [call.path.rpartition("/")[2] for call in scene.double.log] == ["permission"] * 6


def test_case_30_an_issue_that_an_agent_opens_starts_nothing(scene: Scene) -> None:
    bot = scene.double.store.actions_app.bot
    issue = scene.double.open_issue(scene.repository, user=bot, title="x", body=LIST)
    opened = scene.double.label_event(scene.repository, issue, name="x", sender=bot)
    workflows = [
        scene.start("issues", {**opened, "action": "opened"}),
        scene.label(issue, by=bot),
        scene.ask(issue=issue, by=bot),
        scene.dispatch(by=bot),
    ]
    for workflow in workflows:
        gets_nothing(scene, workflow, allowed_bots="*", prompts=LIST)


@pytest.mark.parametrize("size", [65_000, 65_536])
def test_case_30_a_comment_of_the_largest_size_gets_one_reply(scene: Scene, size: int) -> None:
    issue = scene.open_issue()
    lines = "".join(f"- ../{n}.md\n" for n in range(9000))
    workflow = scene.ask(f"/orchestrate\n{lines}"[: size // 2], issue=issue)

    reply = gets_a_reply(scene, workflow, issue)

    assert "more lines like these" in reply
    assert len(reply) < 10_000


@pytest.mark.parametrize(
    "option",
    [
        *("budget=-1", "budget=nan", "budget=inf", "budget=0", "budget=1e9", "budget=999999999"),
        *("parallel=0", "parallel=-1", "parallel=999", "timeout=-1", "timeout=9999h"),
        *("check=true", "setup=curl", "agent_command=sh", "budget=5 budget=5"),
    ],
)
def test_case_30_a_cap_that_is_none_is_refused_in_a_comment(scene: Scene, option: str) -> None:
    issue = scene.open_issue()

    reply = gets_a_reply(scene, scene.ask(f"/orchestrate {option}", issue=issue), issue)

    assert "Nothing was started" in reply


@pytest.mark.parametrize(
    "line",
    [
        *("budget: .nan", "budget: -1", "budget: .inf", "parallel: 0", "timeout: .nan"),
        *("attempts: 99", "allow: '*'", "allowed_bots: ['*']", "budget: {a: 1}"),
        *("[", "a: !!python/object:os.x {}", "x: 2001-99-99", "x: !!int ''"),
        *("x: !!bool maybe", "x: !!timestamp a", "? {a: 1}\n: 2"),
    ],
)
def test_case_30_a_cap_that_is_none_is_refused_in_the_file(scene: Scene, line: str) -> None:
    scene.write("concertmaster.yml", f"check: 'true'\n{line}\n".encode())
    issue = scene.open_issue()

    reply = gets_a_reply(scene, scene.ask(issue=issue), issue)

    assert "concertmaster.yml" in reply


@pytest.mark.parametrize(
    ("name", "value"),
    [("job_minutes", "nan"), ("job_minutes", "-1"), ("slots", "0"), ("max_parallel", "1000")],
)
def test_case_30_a_cap_that_is_none_is_refused_as_an_input(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"INPUT_{name.upper()}", value)

    with pytest.raises(UsageError, match=name):
        load_action_settings()
