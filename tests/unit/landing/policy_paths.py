"""Paths with the class that the policy gives them by name; "" = any task may change them."""

from __future__ import annotations

from concertmaster.landing.path_classes import PathClass

_TEXT = {
    PathClass.PLATFORM: """
        .github/workflows/ci.yml .github/workflows/nested/ci.yml .GITHUB/Workflows/x.yml
        .github/workflows .github/actions .github/actions/x/action.yml CODEOWNERS codeowners
        docs/CODEOWNERS .github/CODEOWNERS .github/Memory.md concertmaster.yml
        .github/concertmaster.yml .github .github/concertmaster/phases/review.md
        .github/concertmaster/phases/implement.md .github/concertmaster/split.md
        .github/dependabot.yml .github/renovate.json .github/settings.yml .github/labeler.yml
        .github/hooks/x.json .github/scripts/ci.sh .github/release.yml .github/stale.yml""",
    PathClass.AGENT: """
        CLAUDE.md sub/CLAUDE.md claude.MD CLAUDE.local.md .claude .claude/settings.json
        .claude/settings.local.json sub/.claude/hooks/x.sh .claude.json AGENTS.md sub/AGENTS.md
        AGENTS.override.md AGENT.md .agents/skills/x/SKILL.md skills/x/SKILL.md GEMINI.md
        .gemini .gemini/settings.json .geminiignore QWEN.md .qwen/settings.json .codex
        .codex/config.toml .codex/hooks.json .aider.conf.yml .aider.model.settings.yml .aiderignore
        CONVENTIONS.md .cursor/rules/x.mdc .cursorrules .cursor/mcp.json .windsurfrules
        .windsurf/rules.md .clinerules .clinerules/x.md .roo/rules.md .roomodes .kilocode/rules.md
        .goosehints .opencode/agent/x.md opencode.json opencode.jsonc .continue/config.yaml
        .kiro/steering/x.md .amazonq/rules/x.md .junie/guidelines.md .augment/rules.md
        .augment-guidelines .trae/rules.md .factory/x.md .crush.json CRUSH.md WARP.md .rules
        .zed/settings.json .vscode/tasks.json .vscode/mcp.json .idea/x.xml .mcp.json sub/.mcp.json
        mcp.json .devcontainer/devcontainer.json .devcontainer.json x.code-workspace .vimrc .exrc
        .dir-locals.el .github/copilot-instructions.md .github/instructions/x.instructions.md
        .github/prompts/x.prompt.md .github/chatmodes/x.chatmode.md .openhands/setup.sh""",
    PathClass.TOOL: """
        conftest.py tests/conftest.py pytest.ini .pytest.ini tox.ini noxfile.py setup.py
        setup.cfg pyproject.toml sub/pyproject.toml sitecustomize.py usercustomize.py src/x.pth
        mypy.ini .flake8 .pylintrc .coveragerc Makefile sub/makefile GNUmakefile mk/test.mk
        Makefile.in Makefile.am justfile Justfile .justfile Taskfile.yml Rakefile CMakeLists.txt
        cmake/x.cmake configure.ac package.json packages/a/package.json .npmrc .yarnrc .yarnrc.yml
        .pnpmfile.cjs pnpm-workspace.yaml jest.config.js vitest.config.ts babel.config.js
        eslint.config.mjs .eslintrc.js .eslintrc .babelrc .mocharc.yml .nycrc .prettierrc.js
        bunfig.toml deno.json tsconfig.json tsconfig.build.json gulpfile.js lerna.json nx.json
        turbo.json build.rs crates/a/build.rs Cargo.toml .cargo .cargo/config.toml
        sub/.cargo/config.toml rust-toolchain.toml .config/nextest.toml go.work go.mod build.gradle
        build.gradle.kts settings.gradle gradle.properties gradlew
        gradle/wrapper/gradle-wrapper.properties pom.xml .mvn/maven.config mvnw build.sbt Gemfile
        x.gemspec .rspec spec/spec_helper.rb composer.json phpunit.xml mix.exs x.cabal x.csproj
        Directory.Build.props Package.swift build.zig flake.nix Dockerfile Dockerfile.test
        sub/Containerfile docker-compose.yml compose.yaml Jenkinsfile azure-pipelines.yml
        .gitlab-ci.yml action.yml sub/action.yaml renovate.json lefthook.yml .husky
        .husky/pre-commit .githooks/pre-push .envrc sub/.envrc .env .env.local .tool-versions
        mise.toml .mise.toml
        .python-version .nvmrc .pre-commit-config.yaml .bashrc .profile .gitmodules .gitattributes
        sub/.gitattributes .lfsconfig BUILD BUILD.bazel WORKSPACE x.bzl meson.build""",
    PathClass.DEPENDENCIES: """
        requirements.txt requirements-dev.txt requirements/test.txt constraints.txt uv.lock
        poetry.lock Pipfile Pipfile.lock pdm.lock environment.yml package-lock.json yarn.lock
        pnpm-lock.yaml sub/pnpm-lock.yaml bun.lockb Cargo.lock go.sum Gemfile.lock composer.lock
        gradle/libs.versions.toml flake.lock""",
    PathClass.HIDDEN: """
        .travis.yml .circleci/config.yml .golangci.yml .readthedocs.yaml .storybook/main.ts
        .goreleaser.yaml .hidden/x.py .well-known/x .reuse/dep5 .changeset/config.json
        .drone.yml""",
}
_FREE = """
    src/a.py a/b README.md docs/guide.md docs/concertmaster.yml workflows/ci.yml src/github/x.yml
    .gitignore sub/.gitignore .editorconfig .changeset/fast-dogs-run.md .mailmap .dockerignore
    .github/ISSUE_TEMPLATE/bug.yml .github/PULL_REQUEST_TEMPLATE.md .github/FUNDING.yml
    .clang-format .markdownlint.json .ruff.toml .eslintignore .env.example sub/.env.example
    src/build/a.py tests/test_a.py src/config.py docs/agents/intro.md
    src/claude.py lib/agents.rb src/setup.ts LICENSE CHANGELOG.md MANIFEST.in src/.hidden/x.py
    go/x.go crates/a/src/lib.rs x.toml data/x.json scripts/check.sh ci/test.sh docs/package.md"""

CLASSES: dict[str, str] = {
    **{path: kind for kind, paths in _TEXT.items() for path in paths.split()},
    **dict.fromkeys(_FREE.split(), ""),
}
REFUSED = """
    .github/workflows/ci.yml .github/workflows/nested/ci.yml .GITHUB/Workflows/x.yml .github
    .github/workflows .github/actions .github/actions/x/action.yml CODEOWNERS codeowners
    docs/CODEOWNERS .github/CODEOWNERS .github/Memory.md concertmaster.yml
    .github/concertmaster.yml""".split()
