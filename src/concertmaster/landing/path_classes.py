"""Tells by name which paths steer agents, checks or automation.

A name is compared after folding: case, Unicode forms, invisible characters and trailing dots do not
matter, because some file systems open the same file under all of these names.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache


class PathClass(StrEnum):
    """The reason why only a person lets a change of a path land."""

    PLATFORM = "steers GitHub or Concertmaster"
    HIDDEN = "a dot file or folder at the top"
    AGENT = "instructions or settings of agents and editors"
    TOOL = "read by setup, check or tools before the code runs"
    DEPENDENCIES = "dependencies"
    COMMAND = "named by check, setup or concertmaster.yml"
    PROMPT = "prompts"
    SUBMODULE = "a submodule"


# --- folding -----------------------------------------------------------------------------------

_INVISIBLE = {"Cf", "Cc"}


@lru_cache(maxsize=4096)
def fold_path(path: str) -> str:
    """Return the path as the most tolerant file system compares it, with / between its parts."""
    parts = path.replace("\\", "/").split("/")
    return "/".join(_fold_part(part) for part in parts)


def _fold_part(part: str) -> str:
    if part.isascii() and part.isprintable():
        return part.lower().rstrip(". ") or part
    seen = "".join(one for one in part if unicodedata.category(one) not in _INVISIBLE)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold())
    return folded.rstrip(". ") or folded


# --- what is harmless --------------------------------------------------------------------------

# Dot files and folders at the top that neither run nor load code. `*` stops at a slash.
_HARMLESS = (
    *(".gitignore", ".gitkeep", ".keep", ".mailmap", ".git-blame-ignore-revs", ".nojekyll"),
    *(".editorconfig", ".all-contributorsrc", ".zenodo.json", ".markdownlint.json"),
    *(".markdownlint.yml", ".markdownlint.yaml", ".yamllint", ".yamllint.yml", ".yamllint.yaml"),
    *(".clang-format", ".rustfmt.toml", ".ruff.toml", ".typos.toml", ".codespellrc", ".jshintrc"),
    *(".golangci.reference.yml", ".licenserc.yaml", ".taplo.toml", ".scalafmt.conf"),
    *(".*ignore", ".env.example", "**/.env.example"),
    *(".changeset/*.md", ".changes/**", ".github/ISSUE_TEMPLATE/**", ".github/FUNDING.yml"),
    *(".github/PULL_REQUEST_TEMPLATE.md", ".github/PULL_REQUEST_TEMPLATE/**"),
    *(".github/SECURITY.md", ".github/CONTRIBUTING.md", ".github/CODE_OF_CONDUCT.md"),
)

# --- agents and editors ------------------------------------------------------------------------

# Names of files and folders, at any depth; `*` may stand for anything but a slash.
_AGENT_NAMES = (
    *("claude.md", "claude.local.md", ".claude*", "agents.md", "agents.override.md", "agent.md"),
    *(".agents", ".agent", "gemini.md", ".gemini*", "qwen.md", ".qwen*", ".codex*", "crush.md"),
    *(".crush*", "crush.json", "warp.md", ".warp", "conventions.md", ".aider*", ".cursor*"),
    *(".windsurf*", ".cline*", ".roo*", ".kilo*", ".goose*", ".opencode*", "opencode.json*"),
    *(".continue*", ".kiro*", ".amazonq*", ".junie*", ".augment*", ".trae*", ".factory*"),
    *(".amp", ".pi", ".zed*", ".vscode*", ".idea*", ".fleet", ".devcontainer*", ".mcp.json"),
    *("mcp.json", ".mcp*", "skill.md", ".rules", ".aiexclude", ".copilot*", "*.instructions.md"),
    *("copilot-instructions.md", "*.prompt.md", "*.chatmode.md", "*.agent.md", ".openhands*"),
    *(".vimrc", ".exrc", ".nvim.lua", ".nvimrc", ".dir-locals*.el", ".emacs*"),
    *("*.code-workspace", "*.sublime-project", ".agentignore"),
)

# --- tools -------------------------------------------------------------------------------------

_TOOL_NAMES = (
    # Python
    *("conftest.py", "sitecustomize.py", "usercustomize.py", "*.pth", "setup.py", "setup.cfg"),
    *("noxfile.py", "toxfile.py", "dodo.py", "fabfile.py", "pytest.ini", ".pytest.ini"),
    *("pytest.toml", ".pytest.toml", "tox.ini", "tox.toml", "pyproject.toml", "mypy.ini"),
    *(".mypy.ini", "pylintrc", ".pylintrc*", ".coveragerc*", ".flake8", "hatch.toml", "uv.toml"),
    *("poetry.toml", "pdm.toml", "pip.conf", "pip.ini", ".pypirc", "pixi.toml", "meson.build"),
    *("meson_options.txt", "meson.options", "pyrightconfig.json", ".pre-commit-*.yaml"),
    # make and its like
    *("makefile", "gnumakefile", "bsdmakefile", "makefile.*", "*.mk", "*.mak", "justfile"),
    *(".justfile", "*.just", "taskfile.y*ml", "taskfile.dist.y*ml", "rakefile", "*.rake"),
    *("earthfile", "cmakelists.txt", "*.cmake", "cmakepresets.json", "cmakeuserpresets.json"),
    *("configure", "configure.ac", "configure.in", "*.m4", "build", "build.bazel", "*.bzl"),
    *("workspace", "workspace.bazel", "module.bazel", "buck", "pants.toml", "sconstruct"),
    *("sconscript", "wscript", "build.ninja", "magefile.go", "tiltfile", "procfile"),
    # JavaScript
    *("package.json", ".npmrc", ".yarnrc*", ".pnpmfile.*", "pnpm-workspace.yaml", "lerna.json"),
    *("nx.json", "turbo.json", "project.json", "rush.json", "bunfig.toml", "deno.json*"),
    *("*.config.js", "*.config.cjs", "*.config.mjs", "*.config.ts", "*.config.cts"),
    *("*.config.mts", "*.config.json", "*.conf.js", "*.conf.ts", "*.setup.js", "*.setup.ts"),
    *("*.workspace.ts", "*.workspace.js", "jest.*.js", "jest.*.ts", "setuptests.*"),
    *("gulpfile.*", "gruntfile.*", "tsconfig*.json", "jsconfig*.json", "biome.json*"),
    *(".babelrc*", ".swcrc", ".mocharc*", ".nycrc*", ".c8rc*", ".eslintrc*", ".prettierrc*"),
    *(".stylelintrc*", ".lintstagedrc*", ".huskyrc*", ".taprc", ".*rc.js", ".*rc.cjs"),
    *(".*rc.mjs", ".*rc.ts", ".releaserc*", ".commitlintrc*", ".node-version", ".nvmrc"),
    # Rust, Go, Java and others
    *("build.rs", "cargo.toml", ".cargo", "rust-toolchain", "rust-toolchain.toml", ".config"),
    *("go.work", "go.work.sum", "go.mod", "*.gradle", "*.gradle.kts", "gradle.properties"),
    *("gradlew*", "gradle-wrapper.*", ".gradle", "pom.xml", "mvnw*", ".mvn", "build.xml"),
    *("ivy.xml", "build.sbt", "*.sbt", "build.sc", "build.mill", "bnd.bnd", "gemfile"),
    *("*.gemspec", ".rspec", "spec_helper.rb", "rails_helper.rb", ".bundle", "composer.json"),
    *("phpunit.xml*", "phpstan*.neon*", "pest.php", "mix.exs", "rebar.config*", "*.cabal"),
    *("stack.yaml", "cabal.project*", "setup.hs", "package.yaml", "dune-project", "*.csproj"),
    *("*.fsproj", "*.vbproj", "*.sln", "*.slnx", "*.props", "*.targets", "nuget.config"),
    *("global.json", "package.swift", "podfile", "cartfile", "build.zig", "build.zig.zon"),
    *("project.toml", "makefile.pl", "build.pl", ".proverc", ".perltidyrc", ".perlcriticrc"),
    *("dist.ini", "cpanfile", ".rprofile", ".renviron", "flake.nix", "default.nix"),
    *("shell.nix", "devenv.nix", "devenv.yaml", "pubspec.yaml", "build.yaml"),
    # containers, automation, shells, versions of tools, git
    *("dockerfile*", "*.dockerfile", "containerfile*", "docker-compose*.y*ml", "compose*.y*ml"),
    *("docker-bake.*", "jenkinsfile*", "azure-pipelines*.y*ml", "appveyor.yml"),
    *("bitbucket-pipelines.yml", "buildspec*.y*ml", "cloudbuild*.y*ml", ".gitlab-ci*"),
    *("action.yml", "action.yaml", "renovate.json*", "netlify.toml", "vercel.json"),
    *("wrangler.toml", "wrangler.json*", "fly.toml", "lefthook*.y*ml", "lefthook*.toml"),
    *(".lefthook*", ".husky", ".githooks", ".envrc", ".env", ".env.*", ".tool-versions"),
    *("mise*.toml", ".mise*", ".rtx*", ".python-version", ".ruby-version", ".java-version"),
    *(".sdkmanrc", ".terraform-version", ".bashrc", ".bash_profile", ".bash_login"),
    *(".bash_logout", ".zshrc", ".zshenv", ".zprofile", ".profile", ".login", ".cshrc"),
    *(".inputrc", ".netrc", ".curlrc", ".wgetrc", ".gdbinit", ".lldbinit", ".ssh"),
    *(".gitmodules", ".gitattributes", ".gitconfig", ".lfsconfig", ".git*hooks*"),
)
_DEPENDENCY_NAMES = (
    *("requirements*.txt", "requirements*.in", "constraints*.txt", "*-requirements.txt"),
    *("pipfile", "pipfile.lock", "uv.lock", "poetry.lock", "pdm.lock", "pylock*.toml"),
    *("pixi.lock", "environment.y*ml", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock"),
    *("pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock", "cargo.lock", "go.sum"),
    *("libs.versions.toml", "gradle.lockfile", "verification-metadata.xml", "gemfile.lock"),
    *("composer.lock", "mix.lock", "rebar.lock", "stack.yaml.lock", "packages.lock.json"),
    *("package.resolved", "podfile.lock", "cartfile.resolved", "manifest.toml", "flake.lock"),
    *("devenv.lock", "pubspec.lock", "cpanfile.snapshot", "requirements.lock"),
)
# Python requirements lie in a folder of this name as well: requirements/test.txt.
_REQUIREMENTS = re.compile(r"(?:.*/)?requirements/[^/]+\.(?:txt|in)")

_PLATFORM = re.compile(
    r"\.github/(?:workflows|actions)(?:/.*)?|\.github/memory\.md|(?:.*/)?codeowners(?:/.*)?"
    r"|(?:\.github/)?concertmaster\.yml(?:/.*)?"
)
_VARIABLES = re.compile(r"\.env(?:\..*)?")
_OF_COPILOT = re.compile(
    r"\.github/(?:instructions|agents|hooks|prompts|skills|copilot|mcp\.json)(?:/.*)?"
)


def _pattern(*globs: str) -> re.Pattern[str]:
    """Return what matches any of the globs: `*` stops at a slash, `**` does not."""
    return re.compile("|".join(_glob(glob.lower()) for glob in globs))


def _glob(glob: str) -> str:
    return re.escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


_IS_HARMLESS = _pattern(*_HARMLESS)
_IS_AGENT = _pattern(*_AGENT_NAMES)
_IS_TOOL = _pattern(*_TOOL_NAMES)
_IS_DEPENDENCY = _pattern(*_DEPENDENCY_NAMES)


def steers_platform(path: str) -> bool:
    """Return whether the path steers workflows, ownership or Concertmaster itself."""
    return _PLATFORM.fullmatch(fold_path(path)) is not None


def steers_agents(path: str) -> bool:
    """Return whether an agent reads the file by itself, before it is told to."""
    folded = fold_path(path)
    parts = folded.split("/")
    is_known = any(_IS_AGENT.fullmatch(part) or _VARIABLES.fullmatch(part) for part in parts)
    return is_known or _OF_COPILOT.fullmatch(folded) is not None


def classify(path: str) -> PathClass | None:
    """Return the class of the path by its name alone; None if any task may change it."""
    folded = fold_path(path)
    parts = folded.split("/")
    if _PLATFORM.fullmatch(folded):
        return PathClass.PLATFORM
    if any(_IS_AGENT.fullmatch(part) for part in parts):
        return PathClass.AGENT
    if _IS_DEPENDENCY.fullmatch(parts[-1]) or _REQUIREMENTS.fullmatch(folded):
        return PathClass.DEPENDENCIES
    if _IS_HARMLESS.fullmatch(folded):
        return None
    if parts[0] == ".github":
        return PathClass.PLATFORM
    if _IS_TOOL.fullmatch(parts[-1]) or any(_is_tool_folder(part) for part in parts[:-1]):
        return PathClass.TOOL
    is_hidden = parts[0].startswith(".") and parts[0] not in (".", "..")
    return PathClass.HIDDEN if is_hidden else None


def _is_tool_folder(part: str) -> bool:
    return part.startswith(".") and _IS_TOOL.fullmatch(part) is not None
