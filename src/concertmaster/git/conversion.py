"""Takes over how the user's git converts and merges files: attributes, filters, merge drivers.

All of it is read from the base and the user's configuration before an agent runs. Nothing that an
agent writes changes it, and no program in an attempt's worktree is ever run.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.git.command import Git, decode, parse_object_id, quoted, split_records
from concertmaster.git.encryption import find_encrypted, list_filtered, names_encryption
from concertmaster.git.repository import Repository

LFS = "lfs"
_TRUE = ("true", "yes", "on", "1")
_FILTER = re.compile(r"(?<![\w-])filter=(\S+)")
_KEYS = r"^(filter\..*|merge\..*\.(name|driver|recursive)|core\.(autocrlf|eol|attributesfile))$"
_SPECIAL = re.compile(r"([\\*?\[])")
_LINE = re.compile(r'"((?:[^"\\]|\\.)*)"(.*)|(\S+)(.*)')
# A filter works with the user's own repository and configuration, as it does for the user.
_UNSET = (
    "unset GIT_WORK_TREE GIT_INDEX_FILE GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_ATTR_NOSYSTEM"
    " GIT_CONFIG_COUNT GIT_CONFIG_PARAMETERS GIT_PREFIX"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The attributes and the commands that hold for a base.

    `attributes` are lines for info/attributes. `filters` are the names that the attributes use.
    `config` maps the user's settings, such as filter.NAME.clean, to their values. `files` maps a
    filter to the first file of the base that has it, `encrypted` to one that is stored encrypted.
    """

    base: str
    attributes: str
    filters: tuple[str, ...]
    config: Mapping[str, str]
    paths: frozenset[str]
    files: Mapping[str, str] = field(default_factory=dict)
    encrypted: Mapping[str, str] = field(default_factory=dict)

    @property
    def unset(self) -> tuple[str, ...]:
        """Return the filters, other than LFS, for which git has no command: it changes nothing."""
        return tuple(name for name in self.filters if name != LFS and not self.commands(name))

    @property
    def opened(self) -> tuple[str, ...]:
        """Return the filters, other than LFS, whose files an agent sees converted."""
        return tuple(name for name in self.filters if name != LFS and self.commands(name))

    @property
    def lacks_lfs(self) -> bool:
        """Return whether the attributes name LFS, and its program is not on this machine."""
        return LFS in self.filters and not shutil.which("git-lfs")

    @property
    def decrypted(self) -> dict[str, str]:
        """Return, by filter, a file of the base that an agent would see decrypted."""
        return {
            name: self.encrypted.get(name, self.files[name])
            for name in self.opened
            if name in self.files and self._decrypts(name)
        }

    def _decrypts(self, name: str) -> bool:
        """Return whether a filter makes readable what the repository cannot hold readable.

        That is what git means by `required`: without the filter the content cannot be used.
        """
        found = self.commands(name)
        opens = [found[key].strip() for key in ("smudge", "process") if key in found]
        if all(command == "cat" for command in opens):
            return False
        is_needed = self.config.get(f"filter.{name}.required", "").lower() in _TRUE
        is_known = name in self.encrypted or any(map(names_encryption, (name, *opens)))
        return is_needed or is_known

    def commands(self, name: str) -> dict[str, str]:
        """Return the commands of a filter by key: clean, smudge and process."""
        keys = ("clean", "smudge", "process")
        found = {key: self.config.get(f"filter.{name}.{key}", "") for key in keys}
        return {key: command for key, command in found.items() if command}

    def check(self) -> None:
        """Raise EnvironmentFault if the base needs a filter that cannot be run here.

        An agent would see sealed files, and what it writes in their place would not be sealed. A
        filter without commands that seals nothing is none to git either.
        """
        for name in self.unset:
            sealed = self.encrypted.get(name, "")
            if sealed or names_encryption(name):
                raise EnvironmentFault(
                    f"the files of this repository need the filter {name}, which is not set up",
                    why="its attributes name it, git's configuration has no command for it, and "
                    + (f"{sealed} is encrypted" if sealed else "it encrypts files"),
                    next_step=f"set it up, or say that it changes nothing: git config filter.{name}"
                    f".clean cat && git config filter.{name}.smudge cat; on GitHub no filter of "
                    "yours can run, so run it on your machine: concertmaster run",
                )
        for name in self.opened:
            for command in self.commands(name).values():
                self._check_program(name, command)

    def _check_program(self, name: str, command: str) -> None:
        word = _program(command)
        is_there = posixpath.normpath(word) in self.paths if _is_relative(word) else True
        if word and not (is_there and (_is_relative(word) or shutil.which(word))):
            raise EnvironmentFault(
                f"the files of this repository need the filter {name}, which cannot be run",
                why=f"{word} was not found (command: {command})",
                next_step=f"install it, or change filter.{name} in git's configuration",
            )

    def uses_files(self) -> bool:
        """Return whether a command names a file of the base by its relative path."""
        return any(self._names_file(command) for _, command in self._programs())

    def _names_file(self, command: str) -> bool:
        return any(posixpath.normpath(word) in self.paths for word in _words(command))

    def _programs(self) -> Iterator[tuple[str, str]]:
        for key, value in self.config.items():
            section, _, rest = key.partition(".")
            name, _, variable = rest.rpartition(".")
            is_filter = section == "filter" and name in self.filters and name != LFS
            if is_filter and variable in ("clean", "smudge", "process"):
                yield key, value
            if section == "merge" and variable == "driver":
                yield key, value

    def settings(self, *, git_dir: Path, files: Path) -> str:
        """Return the configuration of a repository that converts like the user's.

        Commands run in `files`, a copy of the base outside of all worktrees.
        """
        lines = [
            f"[core]\n\t{key} = {quoted(self.config[f'core.{key}'])}\n"
            for key in ("autocrlf", "eol")
            if f"core.{key}" in self.config
        ]
        start = f"{_UNSET}; GIT_DIR={shlex.quote(str(git_dir))}; export GIT_DIR"
        place = shlex.quote(str(files))
        for key, command in self._programs():
            section, _, rest = key.partition(".")
            name, _, variable = rest.rpartition(".")
            if section == "merge":  # git names its files relative to the folder it runs in
                for mark in ("%O", "%A", "%B"):
                    command = command.replace(mark, f'"$here"/{mark}')  # noqa: PLW2901
                start_here = f"here=$PWD; {start}"
            else:
                start_here = start
            whole = f"{start_here}; cd {place} && {command}"
            lines.append(f"[{section} {quoted(name)}]\n\t{variable} = {quoted(whole)}\n")
        for name in self.opened:
            is_needed = self.config.get(f"filter.{name}.required", "false")
            lines.append(f"[filter {quoted(name)}]\n\trequired = {quoted(is_needed)}\n")
        return "".join(lines)


def read_conversion(user: Repository, base: str) -> Conversion:
    """Return how files are converted at the commit `base`, for this user."""
    listed = split_records(user.git.run("ls-tree", "-r", "-z", parse_object_id(base)))
    entries = [
        (path, facts.split(" ")) for facts, _, path in (one.partition("\t") for one in listed)
    ]
    config = _read_config(user.git)
    named = [
        (path.rpartition("/")[0], facts[2])
        for path, facts in entries
        if path.rpartition("/")[2] == ".gitattributes" and facts[0] != "120000"
    ]
    personal = Path(config.get("core.attributesfile", "~/.config/git/attributes")).expanduser()
    lines = [_read(personal)]
    for folder, blob in sorted(named, key=lambda one: (one[0].count("/") + bool(one[0]), one[0])):
        text = decode(user.git.ask("cat-file", "blob", blob).out)
        lines += [_move(line, folder) for line in text.split("\n")]
    lines.append(_read(user.git_dir / "info" / "attributes"))
    attributes = "".join(f"{line}\n" for line in lines if line)
    names = dict.fromkeys(_FILTER.findall(_without_comments(attributes)))
    found = Conversion(
        base=base,
        attributes=attributes,
        filters=tuple(names),
        config=config,
        paths=frozenset(path for path, _ in entries),
    )
    others = [name for name in names if name != LFS]
    listed_by = list_filtered(user, base, others) if others else {}
    sealed = {name: find_encrypted(user, base, paths) for name, paths in listed_by.items()}
    return replace(
        found,
        files={name: paths[0] for name, paths in listed_by.items()},
        encrypted={name: path for name, path in sealed.items() if path},
    )


def take_over(draft: Path, path: Path, found: Conversion, user: Repository) -> None:
    """Let the repository at `draft`, later at `path`, convert and merge as the user's does."""
    found.check()
    files = path.with_name("base-files") if found.uses_files() else path.parent
    (draft / "info" / "attributes").write_text(
        found.attributes, encoding="utf-8", errors="surrogateescape"
    )
    if found.uses_files():
        files.mkdir(exist_ok=True)
        git = Git(draft, git_dir=draft, work_tree=files, index=draft / "base-index", private=True)
        git.run("read-tree", "--reset", "-u", parse_object_id(found.base))
    with (draft / "config").open("a", encoding="utf-8", errors="surrogateescape") as config:
        config.write(
            _lfs_config(user, found.base) + found.settings(git_dir=user.git_dir, files=files)
        )


def _lfs_config(user: Repository, base: str) -> str:
    """Return the settings of the LFS filter, or "" if `base` or the machine does not use LFS.

    No other filter runs in our repositories.
    """
    attributes = (":(glob)**/.gitattributes",)
    pattern = ("grep", "--quiet", "--fixed-strings", "-e", "filter=lfs")
    if not base or not shutil.which("git-lfs"):
        return ""
    if user.git.ask(*pattern, parse_object_id(base), "--", *attributes).code != 0:
        return ""
    storage = user.git_dir / user.config.get("lfs.storage", "lfs")
    return f"""\
[filter "lfs"]
\tclean = git-lfs clean -- %f
\tsmudge = git-lfs smudge -- %f
\tprocess = git-lfs filter-process
\trequired = true
[lfs]
\tstorage = {quoted(str(storage))}
\tskipdownloaderrors = true
"""


def _read_config(git: Git) -> dict[str, str]:
    entries = split_records(git.ask("config", "-z", "--get-regexp", _KEYS).out)
    pairs = (entry.partition("\n") for entry in entries)
    return {key: value if newline else "true" for key, newline, value in pairs}


def _read(file: Path) -> str:
    return file.read_text("utf-8", "surrogateescape").rstrip("\n") if file.is_file() else ""


def _without_comments(attributes: str) -> str:
    return "\n".join(line for line in attributes.split("\n") if not line.lstrip().startswith("#"))


def _move(line: str, folder: str) -> str:
    """Return a line of the attributes file in `folder` as one of the file in the root, or ""."""
    line = line.strip(" \t\r")
    if not folder or not line or line.startswith("#"):
        return "" if line.startswith("#") else line
    found = _LINE.fullmatch(line)
    if found is None or line.startswith(("[attr]", "!")):
        return ""  # git takes neither from a folder
    inside = found[1] is not None
    pattern, rest = (found[1], found[2]) if inside else (found[3], found[4])
    above = _SPECIAL.sub(r"\\\1", folder)
    way = f"{above}/{pattern.lstrip('/')}" if "/" in pattern else f"{above}/**/{pattern}"
    return f"{_as_pattern(above, pattern, way, is_quoted=inside)}{rest}"


def _as_pattern(above: str, pattern: str, way: str, *, is_quoted: bool) -> str:
    """Return the pattern, in quotes where its folder or the pattern needs them."""
    if not is_quoted and not re.search(r'[\s"]', above):
        return way
    folder = above.replace("\\", "\\\\").replace('"', '\\"')
    inner = pattern if is_quoted else pattern.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{folder}/{"" if "/" in inner else "**/"}{inner.lstrip("/")}"'


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _program(command: str) -> str:
    """Return the program that the command starts, without variables set before it."""
    return next((word for word in _words(command) if "=" not in word), "")


def _is_relative(program: str) -> bool:
    return "/" in program and not program.startswith("/")
