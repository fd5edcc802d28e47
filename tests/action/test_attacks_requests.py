"""Tests attacks by comments, labels and lists, by the number of their case."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from concertmaster.action.control import control
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.plan.publish import NOTHING
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.text.display import is_visible
from concertmaster.text.marks import read_marks
from tests.action.attacks import gets_a_reply, gets_nothing, plan
from tests.action.repository import LIST, Scene
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.people import Role, User

pytestmark = pytest.mark.matrix


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

    outputs = plan(good)

    known = {*NOTHING, "plan_sha256", "max_parallel"}
    assert set(outputs) == known
    assert [outputs["count"], outputs["shares"]] == ["1", "[0]"]
    for run in scene.runs:
        for line in run.said.getvalue().splitlines():
            assert not line.lstrip().startswith("::")
            assert "##[" not in line
