"""The rules of the source. Each rule is a function from modules to violations."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "concertmaster"

# What each package may import, bottom up. Every package may import the ground floor and itself.
# The model's Plan keeps the declared settings, so their declarations lie on the ground floor.
GROUND = (
    "model errors events commands graph persistent retry clock templates"
    " settings.choices settings.setting settings.declarations"
)
PACKAGES = {
    "text": "",
    "settings": "text",
    "git": "text",
    "agents": "text",
    "github": "text",
    "prompts": "text",
    "sandbox": "text",
    "files": "text",
    "insight": "text git",
    "landing": "text git",
    "worktrees": "text git sandbox files",
    "planning": "text settings git prompts sandbox files insight",
    "run": "landing planning",
    "rounds": "text git prompts files landing planning run",
    "report": "text prompts landing planning run",
    "engine": "text git agents sandbox files insight landing worktrees planning run report",
    "comments": "text git prompts planning rounds report",
    "terminal": "text planning run report",
    "action": (
        "text settings git github prompts sandbox files landing planning run rounds report"
        " engine comments terminal"
    ),
    "watch": "text settings git github report comments terminal",
    "cli": (
        "text settings git agents github prompts sandbox files landing worktrees planning run"
        " report engine comments terminal action watch"
    ),
    "__main__": "cli",
}
# The jobs of the Action. No job imports another; only these two modules join them.
JOBS = ("action.plan", "action.work", "action.verify", "action.control", "action.finalize")
JOINS_JOBS = {"action.registry", "action.single_job"}
# Modules that touch the world, or import one that does. Every other module is pure.
SHELL = frozenset(
    """
    __main__
    git.alternates git.blobs git.commit_files git.merge_history landing.judge_change
    action.accept_results action.artifact_files action.artifacts action.authorize
    action.aws_keys action.azure_access action.cloud_token action.federation action.google_access
    action.left_work action.token_server github.identity
    action.child_issues action.control action.dispatch action.due_rounds action.finalize.context
    action.finalize.deliver action.finalize.inputs action.finalize.job action.finalize.memory
    action.finalize.publish_report action.finalize.pull_requests action.finalize.replay_merges
    action.finalize.squashed_pulls action.finalize.given_pulls action.plan.pull_train
    action.finalize.run_pull action.finalize.save_state action.finalize.stranded_work
    action.finalize.task_pulls action.finalize.tidy_branches action.finalize.workflow_files
    action.find_plan action.isolation action.job action.plan.inputs action.plan.job
    action.plan.further_round action.plan.plan_round action.plan.publish action.plan.token_rights
    action.plan_artifact action.reconcile action.registry action.schedule_issue action.single_job
    action.verify action.work
    agents.acp agents.acp_bridge
    agents.aider agents.claude agents.codex agents.command agents.copilot agents.error_patterns
    agents.event_reader agents.gemini agents.json_events agents.opencode agents.pi agents.prices
    agents.protocol agents.catalog
    cli.action cli.cancel cli.clean cli.completion cli.demo cli.diff cli.doctor cli.doctor_agents
    cli.doctor_events cli.doctor_github cli.execute cli.finish cli.improve cli.init cli.land
    cli.listed_prompts cli.memory
    cli.logs cli.main cli.new cli.open cli.options cli.plan cli.prompt_question cli.repair
    cli.report cli.resume cli.retry cli.run cli.run_task cli.split cli.status cli.watch
    clock
    engine.agent_probe engine.junit_files engine.login_check
    engine.unsandboxed_agents engine.agent_session engine.attempt_workspace engine.unmeasured_cost
    engine.credential_files engine.diagnosis engine.event_loop engine.integrator engine.journal
    engine.find_run engine.prepare_agents engine.run_home engine.attempt_base
    engine.last_message engine.local_run engine.logs engine.phase_failure engine.phase_runner
    engine.machine_state engine.reading_tree engine.cancel_requests engine.repeated_look
    engine.earlier_work engine.footprint_observer engine.recorded_run engine.damaged_run
    engine.resource_monitor engine.reviewer engine.run_context
    engine.signals engine.page_material engine.trial engine.merged_result engine.repairer
    files.add_files files.atomic files.run_folder files.untrusted
    git.branches git.command git.conversion git.encryption git.kept_records git.landed_prompts
    git.line_counts
    git.remote git.remote_errors git.remotes git.repository git.run_repository git.tree_overlay
    git.tree_entries git.tree_size
    github.breaker github.client github.errors github.issue_batches github.issues
    github.policies github.pull_requests github.write_pace github.workflows
    insight.facts_cache insight.footprint insight.foresight insight.mentions insight.replay
    insight.repository_reader
    landing.change_limits landing.merges landing.squash landing.target_branch
    planning.build_plan planning.checkout planning.first_prompt planning.past_flakes
    planning.past_runs planning.given_branches
    planning.prose_order planning.recalled_options planning.run_settings
    planning.running_prompts
    prompts.files
    report.html
    retry
    rounds.bundles rounds.check_result rounds.documents rounds.kept_work rounds.state_branch
    sandbox.download_cache sandbox.exit_status sandbox.guard_server sandbox.host sandbox.output
    sandbox.permissions sandbox.ports sandbox.process_tree sandbox.shared_memory
    sandbox.supervisor sandbox.users
    settings.access settings.action_inputs settings.action_source settings.process
    settings.sources
    templates
    terminal.console terminal.live
    watch.follow watch.poller
    worktrees.agent_index worktrees.closing worktrees.file_listing worktrees.git_folder
    worktrees.hidden_work worktrees.ignore_rules worktrees.ignored_files worktrees.included_files
    worktrees.left_commits worktrees.live_listing worktrees.manager worktrees.owner
    worktrees.phase_start worktrees.place worktrees.removal worktrees.staging worktrees.strays
    worktrees.variables worktrees.worktree
    """.split()
)
# Beyond "one module each", which holds for every outside library.
# It gives outside data a shape, wherever such data comes in.
SHARED = frozenset({"pydantic"})

OWNERS = {
    "click": "cli",
    "git": "git.command",
    "github3": "watch.poller",
    "psutil": "sandbox.host",
    "pydantic_settings": "settings",
    "rich": "terminal",
    "subprocess": "sandbox.supervisor",
}
STAND_ALONE = "sandbox.guard_server"  # a script, which imports none of our modules but the next
BRIDGE = "agents.acp_bridge"  # a script that runs in the place of an agent, and starts it
WITH_IT = "sandbox.process_tree"
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "service", "base", "common", "git", "github"}
SPARED_NAMES = {"git", "github", "worktrees.manager"}
IMPURE = set(
    "asyncio getpass glob importlib io logging multiprocessing os pathlib platform random secrets"
    " shutil signal socket subprocess sys tempfile threading time urllib uuid".split()
)
IMPURE_LIBRARIES = set(
    "click git github github3 platformdirs psutil pydantic_settings requests rich tenacity".split()
)
PURE_NAMES = {"pathlib.PurePath", "pathlib.PurePosixPath"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
IMPURE_CALLS = {"open", "input", "now", "utcnow", "today"}
LONGEST_FUNCTION = 50
LONG_FUNCTION = 30
SHARE_OF_SHORT_FUNCTIONS = 0.95
LONGEST_MODULE = 350
MANY_PARAMETERS = 6  # without self and cls
MOST_FUNCTIONS_WITH_MANY_PARAMETERS = 6
# Values are frozen. These change, and the reason says why.
CHANGING_DATACLASSES = {
    "action.single_job._SingleJob": "it goes from one job to the next, also where one fails",
    "action.verify.VerifyRecorder": "it hears of each event and keeps the verdict up to date",
    "engine.agent_session.UsageTotal": "what was used counts, also where the phase raises",
}

Modules = Mapping[str, ast.Module]
Rule = Callable[[Modules], list[str]]


def parse(sources: Mapping[str, str]) -> Modules:
    """Name, relative to the package, to syntax tree."""
    return {name: ast.parse(source) for name, source in sources.items()}


@cache
def read_source() -> Modules:
    def name_of(file: Path) -> str:
        parts = file.relative_to(SOURCE).with_suffix("").parts
        return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)

    return parse({name_of(file): file.read_text() for file in SOURCE.rglob("*.py")})


@cache
def walk(tree: ast.Module) -> tuple[ast.AST, ...]:
    return (*ast.walk(tree),)


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Absolute dotted names of all imports, also late ones and those for types only."""
    for node in walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_libraries(tree: ast.Module) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(tree)} - {"concertmaster"}


def imported_modules(modules: Modules, name: str) -> set[str]:
    """Those of our own modules that the module imports; a name in a module counts as the module."""
    found = set()
    for imported in imported_names(modules[name]):
        package, _, ours = imported.partition(".")
        if package == "concertmaster":
            parent = ours.rpartition(".")[0]
            found.add(ours if ours in modules else parent or "__init__")
    return found


def package_of(name: str) -> str:
    """The package of a module; "" for the ground floor."""
    is_ground = any(is_in(name, module) for module in (*GROUND.split(), "__init__"))
    return "" if is_ground else name.partition(".")[0]


def is_in(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines, without decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def called_names(tree: ast.Module) -> Iterator[str]:
    """The last part of each called name: `now` for `datetime.now()`."""
    for node in walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name
            case _:
                pass


def used_names(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all imports, and of what is used of them as `module.name`."""
    yield from imported_names(tree)
    for node in walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                yield f"{module}.{name}"
            case _:
                pass


def every_module_has_a_package(modules: Modules) -> list[str]:
    known = {"", *PACKAGES}
    return [f"{name} is in no package" for name in modules if package_of(name) not in known]


def imports_keep_the_order_of_packages(modules: Modules) -> list[str]:
    return [
        f"{name} imports {imported}"
        for name in modules
        for imported in imported_modules(modules, name)
        if package_of(imported)
        not in {"", package_of(name), *PACKAGES.get(package_of(name), "").split()}
    ]


def no_job_imports_another(modules: Modules) -> list[str]:
    def job_of(name: str) -> str:
        return next((job for job in JOBS if is_in(name, job)), "")

    return [
        f"{name} imports {imported}"
        for name in modules
        if package_of(name) == "action" and name not in JOINS_JOBS
        for imported in imported_modules(modules, name)
        if job_of(imported) not in {"", job_of(name)}
    ]


def imports_form_no_cycle(modules: Modules) -> list[str]:
    graph = {name: imported_modules(modules, name) for name in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" > ".join(error.args[1])]
    return []


def each_outside_library_has_one_owner(modules: Modules) -> list[str]:
    users: dict[str, list[str]] = {}
    for name, tree in modules.items():
        for library in imported_libraries(tree) - ({"subprocess"} if name == BRIDGE else set()):
            users.setdefault(library, []).append(name)
    return [
        f"{library} is imported by {', '.join(names)}"
        for library, names in users.items()
        if (library in OWNERS and not all(is_in(name, OWNERS[library]) for name in names))
        or (library not in {*sys.stdlib_module_names, *SHARED, *OWNERS} and len(names) > 1)
    ]


def the_stand_alone_script_imports_only_the_standard_library(modules: Modules) -> list[str]:
    return [
        f"{script} imports {name}"
        for script in {STAND_ALONE, WITH_IT, BRIDGE} & {*modules}
        for name in imported_names(modules[script])
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not (script == STAND_ALONE and f".{name}.".startswith(f".concertmaster.{WITH_IT}."))
    ]


def only_the_settings_of_the_process_read_the_environment(modules: Modules) -> list[str]:
    return [
        f"{name} reads {word}"
        for name, tree in modules.items()
        if name != "settings.process"
        for word in ENVIRONMENT.intersection(used_names(tree))
    ]


def only_the_console_prints(modules: Modules) -> list[str]:
    return [
        f"{name} prints"
        for name, tree in modules.items()
        if not is_in(name, "terminal") and name != STAND_ALONE and "print" in called_names(tree)
    ]


def no_function_is_long(modules: Modules) -> list[str]:
    return [
        f"{name}.{function.name} has {length(function)} lines"
        for name, tree in modules.items()
        for function in functions(tree)
        if length(function) > LONGEST_FUNCTION
    ]


def nearly_all_functions_are_short(modules: Modules) -> list[str]:
    lengths = [length(function) for tree in modules.values() for function in functions(tree)]
    short = sum(lines < LONG_FUNCTION for lines in lengths)
    if short < SHARE_OF_SHORT_FUNCTIONS * len(lengths):
        return [f"only {short} of {len(lengths)} functions are under {LONG_FUNCTION} lines"]
    return []


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [one.arg for one in named if one is not None and one.arg not in {"self", "cls"}]


def few_functions_have_many_parameters(modules: Modules) -> list[str]:
    """What travels together is a value of its own."""
    found = [
        f"{name}.{function.name} has {len(parameters(function))} parameters"
        for name, tree in modules.items()
        for function in functions(tree)
        if len(parameters(function)) >= MANY_PARAMETERS
    ]
    return found if len(found) > MOST_FUNCTIONS_WITH_MANY_PARAMETERS else []


def no_function_takes_url_and_token(modules: Modules) -> list[str]:
    """The two travel as one value, a Remote."""
    return [
        f"{name}.{function.name} takes a URL and a token"
        for name, tree in modules.items()
        for function in functions(tree)
        if {"url", "token"} <= {one.rpartition("_")[2] for one in parameters(function)}
    ]


def dataclasses_are_frozen(modules: Modules) -> list[str]:
    changing = {
        f"{name}.{node.name}"
        for name, tree in modules.items()
        for node in walk(tree)
        if isinstance(node, ast.ClassDef) and any(map(is_changing, node.decorator_list))
    }
    listed = {one for one in CHANGING_DATACLASSES if one.rpartition(".")[0] in modules}
    return [f"{one} is not frozen" for one in changing - listed] + [
        f"{one} is listed and frozen" for one in listed - changing
    ]


def is_changing(decorator: ast.expr) -> bool:
    """Whether it is `dataclass` without `frozen=True`."""
    call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            pass
        case _:
            return False
    frozen = (
        isinstance(one.value, ast.Constant) and one.value.value is True
        for one in call.keywords
        if one.arg == "frozen"
    )
    return name == "dataclass" and not any(frozen)


def modules_have_names_of_their_own(modules: Modules) -> list[str]:
    libraries = {library for tree in modules.values() for library in imported_libraries(tree)}
    return [
        f"{name} is named like a library or like nothing"
        for name in modules.keys() - SPARED_NAMES
        if name.rpartition(".")[2] in FORBIDDEN_NAMES | (libraries - sys.stdlib_module_names)
    ]


def no_module_is_long(modules: Modules) -> list[str]:
    return [
        f"{name} ends at line {last_line(tree)}"
        for name, tree in modules.items()
        if last_line(tree) > LONGEST_MODULE
    ]


def last_line(tree: ast.Module) -> int:
    return tree.body[-1].end_lineno or 0 if tree.body else 0


def no_class_name_stands_twice(modules: Modules) -> list[str]:
    places: dict[str, list[str]] = {}
    for name, tree in modules.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
    return [
        f"{name} is a class in {' and '.join(found)}"
        for name, found in places.items()
        if len(found) > 1
    ]


def pure_modules_stay_pure(modules: Modules) -> list[str]:
    """A pure module imports no shell module, so it reaches none through other pure modules."""
    pure = {name: tree for name, tree in modules.items() if name not in SHELL}
    libraries = [
        f"{name} imports {imported}"
        for name, tree in pure.items()
        for imported in imported_names(tree)
        if imported.partition(".")[0] in IMPURE | IMPURE_LIBRARIES and imported not in PURE_NAMES
        if not imported.startswith("concertmaster")
    ]
    shell = [
        f"{name} imports {imported}"
        for name in pure
        for imported in imported_modules(modules, name) & SHELL
    ]
    calls = [
        f"{name} calls {called}"
        for name, tree in pure.items()
        for called in called_names(tree)
        if called in IMPURE_CALLS
    ]
    return libraries + shell + calls


def the_shell_lists_only_modules_that_need_it(modules: Modules) -> list[str]:
    """A listed module that could be pure would hide the next impure import."""
    if "__main__" not in modules or len(modules) < len(SHELL):
        return []
    gone = [f"{name} is listed and gone" for name in SHELL - modules.keys()]
    idle = [
        f"{name} is listed and pure"
        for name in SHELL & modules.keys()
        if not touches_the_world(modules[name]) and not imported_modules(modules, name) & SHELL
    ]
    return gone + idle


def touches_the_world(tree: ast.Module) -> bool:
    impure = IMPURE | IMPURE_LIBRARIES
    return any(
        name.partition(".")[0] in impure and name not in PURE_NAMES for name in imported_names(tree)
    ) or bool(IMPURE_CALLS & {*called_names(tree)})


def only_the_top_catches_everything(modules: Modules) -> list[str]:
    return [
        f"{name} catches everything"
        for name, tree in modules.items()
        if name not in {"cli.main", "__main__"} and any(map(catches_everything, walk(tree)))
    ]


def catches_everything(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.expr() as caught):
            pass
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args):
            caught = ast.Tuple(elts=args)
        case _:
            return False
    everything = {"Exception", "BaseException"}
    return any(isinstance(part, ast.Name) and part.id in everything for part in ast.walk(caught))
