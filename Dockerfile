# Two images. `concertmaster` holds git without Perl, make and the program, for the jobs that plan and
# write. `concertmaster-agents` holds the packages whole, the program and the agents' command lines, for
# the jobs that run agents and checks.
#
#   docker build --tag concertmaster-agents .
#   docker build --tag concertmaster-agents --build-arg AGENTS="claude codex" .
#   docker build --tag concertmaster --target concertmaster .
#
# It runs as root and has no USER: the program gives each attempt a user of its own, and GitHub asks
# for root in container actions. Nothing secret is in it, and no cache of a package manager.

# Which Python and Debian. A release names it with the digest that it was tested with
# (`--build-arg BASE_IMAGE=python:3.13-slim-bookworm@sha256:…`); only a build that reaches the
# registry can know that digest, so none is written here.
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /parts

COPY image/tools.lock ./
RUN python3 -m venv tools \
 && tools/bin/pip install --quiet --require-hashes --no-deps --only-binary=:all: --requirement tools.lock


FROM tools AS agents
# Of claude, codex, gemini, opencode (x64 only), copilot, pi (npm) and aider (PyPI; needs a base with
# Python before 3.13).
ARG AGENTS="claude"
COPY image/ image/
COPY tests/claude/ image/claude/
RUN sh image/install-agents ${AGENTS}


FROM tools AS program
COPY requirements.lock ./
RUN python3 -m venv --without-pip /opt/concertmaster \
 && tools/bin/pip --python /opt/concertmaster/bin/python install --quiet --require-hashes --no-deps --only-binary=:all: --requirement requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY .github/ .github/
COPY examples/ examples/
COPY src/ src/
RUN tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels . \
 && tools/bin/pip --python /opt/concertmaster/bin/python install --quiet --no-deps wheels/*.whl


FROM ${BASE_IMAGE} AS system
RUN apt-get update --quiet=2 \
 && DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends ca-certificates git make >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/log/apt /var/log/*.log /usr/share/doc /usr/share/man


FROM system AS git
WORKDIR /parts
COPY image/select-git ./
COPY --from=tools /var/lib/dpkg/status base-status
RUN sh select-git base-status


FROM ${BASE_IMAGE} AS concertmaster
LABEL org.opencontainers.image.title="Concertmaster" \
      org.opencontainers.image.description="Runs many coding agents on one repository at once and lands only what passed its check." \
      org.opencontainers.image.licenses="MIT"

COPY --from=git /parts/tree/ /
COPY --from=program /opt/concertmaster/ /opt/concertmaster/
RUN ln -s /opt/concertmaster/bin/concertmaster /usr/local/bin/concertmaster \
 && concertmaster --version && git --version && make --version >/dev/null

# The workspace that the runner mounts belongs to another user than root.
ENV GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory \
    GIT_CONFIG_VALUE_0=/github/workspace

ENTRYPOINT ["concertmaster"]


# Agents and checks find the packages whole, with Perl.
FROM system AS concertmaster-agents
LABEL org.opencontainers.image.title="Concertmaster with agents" \
      org.opencontainers.image.description="Runs many coding agents on one repository at once and lands only what passed its check." \
      org.opencontainers.image.licenses="MIT"

COPY --from=program /opt/concertmaster/ /opt/concertmaster/
COPY --from=agents /opt/agents/ /
RUN ln -s /opt/concertmaster/bin/concertmaster /usr/local/bin/concertmaster \
 && concertmaster --version

ENV GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory \
    GIT_CONFIG_VALUE_0=/github/workspace

ENTRYPOINT ["concertmaster"]
