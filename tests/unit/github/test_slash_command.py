from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.github.slash_command import (
    CommandReply,
    CommandVerb,
    SlashCommand,
    help_comment,
    read_comment,
    reply_comment,
)
from concertmaster.settings.sources import load_settings
from tests.rendering import faults


@pytest.mark.parametrize(
    ("body", "order"),
    [
        ("/orchestrate", SlashCommand(verb=CommandVerb.RUN)),
        ("/orchestrate\n\n- prompts/a.md", SlashCommand(verb=CommandVerb.RUN)),
        ("\n \r\n  /orchestrate  \r\n", SlashCommand(verb=CommandVerb.RUN)),
        ("\ufeff/Orchestrate", SlashCommand(verb=CommandVerb.RUN)),
        ("/orchestrate run", SlashCommand(verb=CommandVerb.RUN)),
        ("/orchestrate plan", SlashCommand(verb=CommandVerb.PLAN)),
        ("/orchestrate PLAN", SlashCommand(verb=CommandVerb.PLAN)),
        ("/orchestrate cancel\nplease", SlashCommand(verb=CommandVerb.CANCEL)),
        ("/orchestrate\tstatus", SlashCommand(verb=CommandVerb.STATUS)),
        ("/orchestrate help", SlashCommand(verb=CommandVerb.HELP)),
        ("/orchestrate retry", SlashCommand(verb=CommandVerb.RETRY)),
        ("/orchestrate retry failed", SlashCommand(verb=CommandVerb.RETRY)),
        (
            "/orchestrate retry login-3f2a `a-b-0000`, #12 #12",
            SlashCommand(verb=CommandVerb.RETRY, tasks=("login-3f2a", "a-b-0000", "#12")),
        ),
        ("/orchestrate land #12", SlashCommand(verb=CommandVerb.LAND, pulls=(12,))),
        (
            "/orchestrate LAND `#12`, #7 #12 target=next history=linear",
            SlashCommand(
                verb=CommandVerb.LAND,
                options=(("target", "next"), ("history", "linear")),
                pulls=(12, 7),
            ),
        ),
        (
            "/orchestrate plan parallel=4 agent=codex budget=20 landing=pull-requests",
            SlashCommand(
                verb=CommandVerb.PLAN,
                options=(
                    ("parallel", "4"),
                    ("agent", "codex"),
                    ("budget", "20"),
                    ("landing", "pull-requests"),
                ),
            ),
        ),
        (
            "/orchestrate parallel=2 plan",
            SlashCommand(verb=CommandVerb.PLAN, options=(("parallel", "2"),)),
        ),
    ],
)
def test_an_order_stands_in_the_first_line(body: str, order: SlashCommand) -> None:
    assert read_comment(body) == order


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n\n",
        "I would say\n/orchestrate",
        "please /orchestrate",
        "> /orchestrate",
        ">\n/orchestrate",
        "```\n/orchestrate\n```",
        "~~~\n/orchestrate",
        "    /orchestrate",
        "\t/orchestrate",
        "`/orchestrate`",
        "<!-- \n/orchestrate\n-->",
        "- /orchestrate",
        "**/orchestrate**",
        "\\/orchestrate",
        "/orchestrated",
        "/orchestrate-all",
        "/orchestrate/plan",
        "orchestrate",
        "//orchestrate",
        "\u200b/orchestrate",
        "/orch\u200bestrate",
        "\uff0forchestrate",
        "x\u2028/orchestrate",
        "# /orchestrate",
    ],
)
def test_any_other_comment_is_not_for_us(body: str) -> None:
    assert read_comment(body) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("parallel=1", "1"),
        ("parallel=256", "256"),
        ("parallel=auto", "auto"),
        ("agent=claude", "claude"),
        ("budget=0.5", "0.5"),
        ("budget=$20", "20"),
        ("landing=single-pull-request", "single-pull-request"),
        ("timeout=1h30m", "5400s"),
        ("timeout=45", "2700s"),
        ("timeout=90s", "90s"),
        ("target=release/1.2", "release/1.2"),
        ("target=größe", "größe"),
        ("phases=lean", "lean"),
        ("phases=full", "full"),
        ("phases=review,research", "prepare,research,implement,test,review,deliver"),
    ],
)
def test_an_option_is_read_into_the_words_of_the_settings(written: str, read: str) -> None:
    order = read_comment(f"/orchestrate {written}")

    assert isinstance(order, SlashCommand)
    assert order.options == ((written.partition("=")[0], read),)
    assert load_settings(dict(order.options))


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("paralel=4", "Did you mean `parallel=4`?"),
        ("--parallel=4", "Did you mean `parallel=4`?"),
        ("--parallel 4", "Write an option as `parallel=4`."),
        ("parallel = 4", "Write an option as `parallel=4`."),
        ("xyz=1", "Options are `target`, `agent`"),
        ("=4", "Options are `target`, `agent`"),
        ("parallel=", "a number from 1 to 256"),
        ("parallel=0", "a number from 1 to 256"),
        ("parallel=-1", "a number from 1 to 256"),
        ("parallel=257", "a number from 1 to 256"),
        ("parallel=1e2", "a number from 1 to 256"),
        ("parallel=٤", "a number from 1 to 256"),
        ("parallel=2 parallel=4", "Keep one of them."),
        ("budget=0", "an amount in USD"),
        ("budget=-5", "an amount in USD"),
        ("budget=nan", "an amount in USD"),
        ("budget=inf", "an amount in USD"),
        ("budget=1e9", "an amount in USD"),
        ("budget=999999", "an amount in USD"),
        ("timeout=0", "the longest time"),
        ("timeout=-5m", "the longest time"),
        ("timeout=99999h", "the longest time"),
        ("timeout=soon", "the longest time"),
        ("landing=merged", "Did you mean `landing=merge`?"),
        ("agent=$(id)", "the name of an agent"),
        ("agent=../x", "the name of an agent"),
        ("phases=lean,full", "full, lean, or some of"),
        ("phases=revew", "Did you mean `phases=review`?"),
        ("phases=", "full, lean, or some of"),
        *(
            (f"target={name}", "the name of a branch")
            for name in (
                *(";$(id)", "`id`", "-x", "@{u}", "main@{1}", "a.lock", "a.lock/b", "a..b", "a//b"),
                *(
                    "/a",
                    "a/",
                    "a.",
                    ".a",
                    "a/.b",
                    "a~1",
                    "a^",
                    "a:b",
                    "a*",
                    "a\\b",
                    "HEAD",
                    "refs/x",
                ),
                *("concertmaster/x/y", "0" * 40, "x" * 300),
            )
        ),
        ("check=true", "Set `check` in `concertmaster.yml`"),
        ("setup=curl", "Set `setup` in `concertmaster.yml`"),
        ("agent_command=sh", "Set `agent_command` in `concertmaster.yml`"),
        ("dry-run", "Did you mean `/orchestrate plan`?"),
        ("--dry-run", "Did you mean `/orchestrate plan`?"),
        ("stop", "Did you mean `/orchestrate cancel`?"),
        ("statsu", "Did you mean `/orchestrate status`?"),
        (": plan", "I know `run`, `plan`"),
        ("prompts/a.md", "`- prompts/a.md`"),
        ("plan everything", "prompts as bullets"),
        ("cancel parallel=4", "Write `/orchestrate cancel`."),
        ("retry failed a-1", "Write `retry` alone"),
        ("retry ../x", "Write `retry` alone"),
        ("retry #0", "Write `retry` alone"),
        ("land", "Write `/orchestrate land #12 #15`."),
        ("land ,", "Write `/orchestrate land #12 #15`."),
        ("land 12", "Write it as `#12`."),
        ("land #0", "Write it as `#12`."),
        ("land octo/opera#12", "Write it as `#12`."),
        ("land #12 topic", "Write it as `#12`."),
        ("land #12 agent=codex", "It takes `history` and `target`."),
        (f"land {' '.join(f'#{n}' for n in range(1, 52))}", "Name at most 50 at once."),
        ("merge", "Did you mean `/orchestrate land`?"),
        ("pl\u200ban", "Type it again by hand."),
        ("plan\u202e", "Type it again by hand."),
        ("a" * 5000, "one bullet each"),
    ],
)
def test_what_cannot_be_read_is_answered_with_the_line_and_the_fix(line: str, fix: str) -> None:
    reply = read_comment(f"\n/orchestrate {line}\n- a.md")

    assert isinstance(reply, CommandReply)
    assert (reply.line, reply.written) == (2, f"/orchestrate {line}"[:4000])
    assert fix in reply.fix
    assert "Line 2:\n\n```text\n/orchestrate " in reply_comment([reply])
    assert faults(reply_comment([reply])) == []


@pytest.mark.parametrize(
    "line",
    ["@octo", "x=@octo", "parallel=`@octo`", "retry #12` @octo", "plan <b>@octo", "Closes #1"],
)
def test_an_answer_repeats_nothing_that_acts(line: str) -> None:
    reply = read_comment(f"/orchestrate {line}")
    assert isinstance(reply, CommandReply)

    assert faults(reply_comment([reply])) == []
    assert read_comment(reply_comment([reply])) is None


def test_many_lines_are_answered_in_one_bounded_comment() -> None:
    reply = CommandReply(line=1, written="x" * 9000, why="Why.", fix="Fix.")

    assert len(reply_comment([reply] * 500)) < 10_000
    assert "480 more lines" in reply_comment([reply] * 500)


def test_the_help_tells_every_verb_and_option() -> None:
    text = help_comment()

    assert all(
        f"/orchestrate {verb}" in text for verb in CommandVerb if verb is not CommandVerb.RUN
    )
    for name in "parallel agent budget landing timeout target phases".split():
        assert f"`{name}=" in text
    assert read_comment(text) is None


words = st.sampled_from(
    [
        "/orchestrate",
        "plan",
        "retry",
        "failed",
        "parallel=4",
        "budget=",
        "=",
        "\n",
        "\r",
        " ",
        "#1",
        "\0",
    ]
)


@given(st.lists(words | st.text(max_size=6)).map("".join))
def test_every_comment_is_read_as_something(body: str) -> None:
    for text in (body, f"/orchestrate {body}"):
        found = read_comment(text)
        if isinstance(found, CommandReply):
            assert faults(reply_comment([found])) == []
        if isinstance(found, SlashCommand):
            assert load_settings(dict(found.options))
