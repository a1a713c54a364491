"""The command line: check, train, evaluate, studies of trainings, pictures, exports.

A user's mistake is one line on stderr and exit code 2; a failed solve is one line and exit code 1.
Heavy imports wait until a command needs them.
"""

import functools
import inspect
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from cyclopts.completion.detect import ShellDetectionError

from mechlearn import __version__
from mechlearn import parallel as ranks
from mechlearn.cli.learning import check, evaluate, train
from mechlearn.cli.output import fail, show_notes
from mechlearn.cli.showing import export, render, report, tile, view
from mechlearn.cli.studies import compare, path, states, sweep, verify
from mechlearn.errors import InputError, MechlearnError
from mechlearn.extensions import load_plugin


def with_plugins(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that first loads the plugins it is given, of which it takes any number."""

    @functools.wraps(command)
    def run(*arguments: Any, plugin: list[str] | None = None, **options: Any) -> None:
        for name in plugin or ():
            load_plugin(name)
        command(*arguments, **options)

    about = Parameter(
        help="File of Python, or module, that registers elements, rules, costs, formats or "
        "generators of your own; may be given several times.",
        negative="",
    )
    own, kind = inspect.signature(command, eval_str=True), Annotated[list[str] | None, about]
    more = inspect.Parameter(
        "plugin", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
    )
    signature = own.replace(parameters=[*own.parameters.values(), more])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "plugin": kind}
    # Plain text keeps its line ends; the help has those of the terminal.
    said, rule, keys = inspect.cleandoc(command.__doc__ or "").partition("\n\nParameters\n")
    run.__doc__ = re.sub(r"(?<!\n)\n(?!\n)", " ", said) + rule + keys
    return run


app = App(
    name="mechlearn",
    help="Teach a mechanical network a response by local rules: check a task, train it, look at "
    "the result, take the learned network elsewhere.",
    version=__version__,
    version_flags=["--version"],
    help_format="plaintext",
)
COMMANDS = (
    check, train, evaluate, compare, sweep, path, states, verify, render, export, tile,
    report, view,
)  # fmt: skip
for command in COMMANDS:
    app.command(with_plugins(command))
app.register_install_completion_command(help="Complete commands and options in this shell.")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 (failed solve) or 2 (bad input)."""
    _open_closed()
    if os.environ.get("COLUMNS") == "0":  # some terminals say so; rich would never end its help
        del os.environ["COLUMNS"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no title or name of a file is too odd to print
            stream.reconfigure(errors="backslashreplace")
    try:
        ranks.prepare()
        show_notes()
        app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        fail(f"{' '.join(str(error).split())} See mechlearn --help.", InputError.exit_code)
    except MechlearnError as error:
        fail(str(error), error.exit_code)
    except ShellDetectionError:
        fail("Completion is for bash, zsh, fish and PowerShell.", InputError.exit_code)
    except BrokenPipeError:
        # Whoever read what is printed has gone, as head does after its lines; nobody is to be told.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        ranks.fail("", 128 + signal.SIGPIPE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}.", InputError.exit_code)
    except MemoryError:
        fail("There is not enough memory; see ulimit -v.", 1)
    except KeyboardInterrupt:
        fail("Stopped.", 130)
    except Exception:
        if ranks.size() == 1:
            raise
        ranks.fail(traceback.format_exc(), 1)


def _open_closed() -> None:
    """Redirect standard streams that were closed at the start to the null device.

    Else the next file that is opened takes their number, and what libraries print goes into it.
    """
    closed = []
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
        closed.append(number)
    os.close(number)
    if 1 in closed:
        sys.stdout = open(1, "w", closefd=False)
    if 2 in closed:
        sys.stderr = open(2, "w", closefd=False)
