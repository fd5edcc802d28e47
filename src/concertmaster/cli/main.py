"""Runs the command line and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import sys
from importlib import import_module

import click

from concertmaster import __version__
from concertmaster.errors import EnvironmentFault, Error, Interrupted, UsageError
from concertmaster.settings.process import drop_git_environment
from concertmaster.terminal.console import Console

NAMES = (
    "action cancel clean completion demo diff doctor execute improve init land logs new open plan "
    "repair report resume retry run split status watch"
).split()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code; errors.py explains the codes."""
    drop_git_environment()
    arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    console = Console(
        sys.stdout,
        sys.stderr,
        terminal=sys.stderr.isatty(),
        json="--json" in arguments,
    )
    try:
        code = commands.main(arguments, "concertmaster", standalone_mode=False, obj=console)
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        where = context.command_path if context else "concertmaster"
        wrong = UsageError(error.format_message(), next_step=f"see `{where} --help`")
        console.error(wrong)
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.error(Interrupted("interrupted", next_step="see `concertmaster status`"))
        return Interrupted.exit_code
    except Error as error:
        console.error(error)
        return error.exit_code
    except OSError as error:
        fault = _describe_fault(error)
        console.error(fault)
        return fault.exit_code
    return code if isinstance(code, int) else 0


def _describe_fault(error: OSError) -> EnvironmentFault:
    """Return what a file or the system refused, and what to do about it."""
    place = f"{error.filename} cannot be used" if error.filename else "the system refuses"
    step = "mend this"
    if isinstance(error, PermissionError):
        step = "give your user the right to read and write there, or choose another place"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        step = "make room on the disk"
    return EnvironmentFault(
        place,
        why=error.strerror or str(error),
        next_step=f"{step}; `concertmaster resume` goes on with a run that had begun",
    )


class _CommandGroup(click.Group):
    """Imports the module of a command when the command is asked for, so that all start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return NAMES

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in NAMES:
            return None
        command: click.Command = getattr(import_module(f"concertmaster.cli.{cmd_name}"), cmd_name)
        return command


@click.group(
    cls=_CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all landed, 1 some tasks did not, 2 usage, 3 environment, "
    "4 stopped by budget or limit, 130 interrupted.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Hand over a list of prompt files, get landed commits back.

    \b
    concertmaster demo                                   a look, without an agent
    concertmaster plan prompts/*.md --check 'pytest -q'  what would run
    concertmaster run prompts/*.md --check 'pytest -q'   do it
    """


# For an unknown name click suggests the nearest of these keys. `get_command` finds the commands.
commands.commands = dict.fromkeys(NAMES)  # type: ignore[assignment, attr-defined, unused-ignore]
