"""The rule that regular expressions read what others wrote, and names.

Text that Concertmaster wrote is not taken apart: its data travels in hidden marks, in documents and
on the state branch.
"""

from __future__ import annotations

from tests.source_rules import Modules, imported_libraries

# What the regular expressions of a module read.
READ_BY = {
    "prompts, issues, comments and settings of users": """
        cli.doctor cli.doctor_github cli.split_answer github.file_address
        github.issue_reference github.list_lines
        github.prompt_list github.slash_command insight.mentions insight.names
        insight.path_spelling insight.words planning.first_prompt planning.prose_order
        planning.checkout prompts.other_tools prompts.parser settings.access
        settings.action_inputs settings.action_source settings.agent_variables text.display
        text.durations text.markdown
        text.markdown_parser""",
    "files, paths and changes of the repository": """
        git.conversion git.encryption insight.changelogs insight.change_distance
        insight.definitions insight.tree_view
        landing.file_sections landing.join_appends landing.named_files landing.path_classes
        landing.path_portability planning.detect_commands text.globs worktrees.git_folder
        worktrees.ignored_files""",
    "output of agents and of checks": """
        agents.aider agents.answers agents.codex agents.error_patterns agents.gemini
        agents.json_events agents.prices cli.doctor_agents planning.failure_causes
        text.failing_tests text.redaction git.commit_body""",
    "output and configuration of git": """
        git.command git.commit_message git.landed_prompts git.line_counts git.merge_conflict
        git.remote_errors
        git.remotes git.repository landing.target_branch rounds.bundles""",
    "names and ids, also of branches, folders and jobs": """
        action.workflow_commands comments.plan_data github.event github.models
        rounds.state_branch rounds.validation text.object_ids watch.read_status worktrees.owner
        worktrees.strays worktrees.variables worktrees.worktree""",
}
# Ours, and the reason.
OURS = {
    "text.marks": "the hidden marks, whose only reader it is",
    "comments.memory_v1": "entries of Memory.md of version 1, which have no hidden data",
    "comments.plan_comment_v1": "plan comments of version 1, which have no hidden data",
    "terminal.console": "only the colour of a word on the terminal comes of it",
    "terminal.layout": "only the indentation of a line on the terminal comes of it",
}


def regular_expressions_read_what_others_wrote(modules: Modules) -> list[str]:
    listed = {*OURS, *(name for names in READ_BY.values() for name in names.split())}
    using = {name for name, tree in modules.items() if "re" in imported_libraries(tree)}
    return [
        f"{name} has regular expressions: say in READ_BY of tests/pattern_rules.py what they read"
        for name in using - listed
    ] + [f"{name} is listed and has none" for name in (listed & modules.keys()) - using]
