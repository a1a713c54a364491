"""Commands of studies: compare, sweep, path, states, verify."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mechlearn.cli.output import Switch, say, verdict, warn
from mechlearn.errors import InputError, about
from mechlearn.parallel import on_first, size


def compare(
    task: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    rules: Annotated[list[str] | None, Parameter(negative="")] = None,
    seeds: int = 3,
    overwrite: Switch = False,
) -> None:
    """Train a task by several rules from the same starts, and measure each against the gradient.

    Writes rules.csv (medians over the starts) and learning.png, nudges.csv and nudges.png: how
    contrast, update and the angle to the exact gradient depend on the nudge.

    Parameters
    ----------
    task
        A task file (TOML).
    output
        The folder to write; it must be new or empty.
    rules
        Which rules: CL, "CpL P", "CpL N", "CpL C", "EP P", "EP N", "EP C", GD, aging, prune, CMA,
        1+1, pattern; all if left out. (contrastive and coupled learning, equilibrium propagation,
        gradient descent, directed aging, pruning, searches; positive, negative, centred)
    seeds
        Number of starts, which differ in the random spread of the initial values.
    overwrite
        Write over what is there.
    """
    if seeds < 1:
        raise InputError(f"--seeds {seeds} must be at least 1.")
    if size() > 1:
        raise InputError("compare runs on one rank; its trainings are small.")
    from mechlearn.runs.folder import new_folder
    from mechlearn.runs.taskfile import read_setup

    setup = read_setup(task)
    new_folder(output, overwrite)
    from mechlearn.studies.comparison import write_comparison

    with about(task):
        text, failed = write_comparison(setup, task.parent, output, rules or [], seeds)
    say(f"{text}\nWritten to {output}/")
    _warn_of(failed)


def sweep(
    task: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    vary: Annotated[list[str], Parameter(negative="")],
    workers: int | None = None,
    scheduler: str | None = None,
) -> None:
    """Train a task many times, with some keys varied; every combination is a run of its own.

    Writes a run folder per member, and sweep.csv. The same command goes on with members that are
    missing or failed.

    Parameters
    ----------
    task
        A task file (TOML).
    output
        The folder of the sweep.
    vary
        A key and its values, such as train.seed=0:64, rule.eta=0.01,0.1 or targets[1].strain=0.1;
        several times for several keys.
    workers
        Processes on this machine; one for every core if left out.
    scheduler
        Address of a Dask scheduler, instead.
    """
    if size() > 1:
        raise InputError("sweep runs on one rank; its workers are processes of their own.")
    from mechlearn.runs.progress import Counter
    from mechlearn.runs.taskfile import read_setup
    from mechlearn.studies.sweep import TABLE, parse
    from mechlearn.studies.sweep import sweep as train_all

    setup = read_setup(task)
    values = dict(parse(text) for text in vary)
    with about(task), Counter(setup.title or "sweep") as count:
        rows = train_all(
            setup,
            output,
            values,
            folder=task.parent,
            workers=workers,
            scheduler=scheduler,
            watch=count,
        )
    learned, failed = (sum(map(bool, (r[k] for r in rows))) for k in ("converged", "trouble"))
    say(f"{learned} of {len(rows)} learned, {failed} failed. Written to {output / TABLE}")
    members = ((", ".join(f"{k} = {r[k]}" for k in values), r["trouble"]) for r in rows)
    _warn_of([f"{which}: {trouble}" for which, trouble in members if trouble])


def _warn_of(failed: list[str]) -> None:
    """Warn of the first trainings that failed; the exit code is 1 if there are any."""
    for text in failed[:5]:
        warn(text)
    if failed:
        sys.exit(1)


def path(
    run: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    source: str | None = None,
    to: Annotated[list[float] | None, Parameter(negative="")] = None,
    steps: int | None = None,
    control: Literal["arc", "force", "displacement"] | None = None,
    branch: Switch = False,
    waves: list[int] | None = None,
    film: Switch = False,
    overwrite: Switch = False,
) -> None:
    """Follow the equilibria of a network along its load, over limit points.

    Writes path.csv (factor, displacement and force of every source, targets, energy, stable),
    summary.json with the limit points, the bifurcations and the states without load, and path.png.
    Where a path ends early, what is known of it is written. Options that are left out are those of
    the task's table [path].

    Parameters
    ----------
    run
        The folder of a run, or a task file (TOML): its network before training.
    output
        The folder to write; it must be new or empty.
    source
        The source whose values --to are.
    to
        Its value at the end; several times for values that are reached one after the other.
    steps
        How many steps the way there would take at the rate of its beginning.
    control
        By arc length the path is followed over limit points, with its unstable parts; else by slow
        loading with forces or displacements, from one stable state to the next.
    branch
        At the first bifurcation, leave along the path that branches off there.
    waves
        Of a periodic network: the number of cells along an axis after which patterns repeat
        themselves that may buckle before the cell does by itself; once for every axis.
    film
        Also write path.gif, the deformed states with the curve beside.
    overwrite
        Write over what is there.
    """
    from mechlearn.runs.folder import new_folder
    from mechlearn.studies.path import check, follow, system_of, write

    given: dict[str, Any] = {"source": source, "to": to, "steps": steps, "control": control}
    given["waves"] = waves
    chosen = {k: v for k, v in given.items() if v is not None} | (
        {"branch": True} if branch else {}
    )
    system, options = system_of(run)
    with about(run):
        check(system, options | chosen)
        on_first(lambda: new_folder(output, overwrite))
        found = follow(system, **options | chosen)
    on_first(lambda: write(found, output))
    if film:
        from mechlearn.render.path_film import path_film

        on_first(lambda: path_film(system, found, output / "path.gif"))
    critical = len(found.limit_points), len(found.bifurcations)
    text = f"{len(found.point)} points; limit points: {critical[0]}, bifurcations: {critical[1]}"
    for row in found.limit_points:
        say("limit     " + ", ".join(f"{k} {v:.10g}" for k, v in row.items()))
    if "bloch" in found.attrs:
        say("waves     " + ", ".join(f"{k} {v}" for k, v in found.attrs["bloch"].items()))
    say(f"{text}\nWritten to {output}/")
    _warn_of([found.attrs["ended"]] if found.attrs["ended"] else [])


def states(
    run: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    factor: float | None = None,
    search: Annotated[
        list[Literal["path", "deflation", "random"]] | None, Parameter(negative="")
    ] = None,
    starts: int = 32,
    amplitude: float = 1.0,
    seed: int = 0,
    barriers: int = 100,
    protocol: Literal["force", "displacement"] | None = None,
    source: str | None = None,
    to: Annotated[list[float] | None, Parameter(negative="")] = None,
    overwrite: Switch = False,
) -> None:
    """Find the stable states of a network, and the barriers between them.

    Writes states.csv (energy, displacement and force of every source, targets, how many random
    starts found it), summary.json with the barriers and transitions, landscape.png and states.png.

    Parameters
    ----------
    run
        The folder of a run, or a task file (TOML): its network before training.
    output
        The folder to write; it must be new or empty.
    factor
        On the load under which states are looked for; at rest, with all sources released, if left
        out.
    search
        States that the path of the load passes at rest, Newton's method deflated at known states,
        or minimisation from random displacements; may be given several times, all if left out.
    starts
        Random starts.
    amplitude
        Of their displacements: 1 is up to half a mean bond length at every node, and, smoothly,
        half the extent of the network.
    seed
        Of all random numbers.
    barriers
        Pairs of neighbouring states, at most, between which saddle points are looked for.
    protocol
        Also find which state follows which as the force, or displacement, of a source goes up and
        down slowly.
    source
        Of the path and the protocol; the first if left out.
    to
        The values between which it goes, given twice; plus and minus its own if left out.
    overwrite
        Write over what is there.
    """
    from mechlearn.runs.folder import new_folder
    from mechlearn.studies.landscape import write
    from mechlearn.studies.path import system_of
    from mechlearn.studies.states import WAYS, find

    system, _ = system_of(run)
    on_first(lambda: new_folder(output, overwrite))
    with about(run):
        found = find(
            system, factor=factor, search=search or WAYS, starts=starts, amplitude=amplitude,
            seed=seed, barriers=barriers, protocol=protocol, source=source, to=to,
        )  # fmt: skip
    on_first(lambda: write(found, system.network, output))
    for k, row in enumerate(found.rows()):
        say(f"state {k:<4}" + ", ".join(f"{name} {value:.6g}" for name, value in row.items()))
    if found.attrs["pairs_left"]:
        warn(f"{found.attrs['pairs_left']} pairs of neighbours were left out; see --barriers.")
    numbers = f"{len(found.rows())}; barriers: {len(found.barriers)}"
    more = f", transitions: {len(found.transitions)}" if protocol else ""
    say(f"Stable states: {numbers}{more}\nWritten to {output}/")


def verify(
    run: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    largest: float | None = None,
    smallest: float | None = None,
    keep: Switch = False,
    hinge: tuple[float, float] | None = None,
    material: str = "neo_hookean",
    poisson: float = 0.3,
    order: int = 2,
    mesh_size: float = 0.5,
    tune: Switch = False,
    steps: int = 100,
    tolerance: float = 5e-2,
    overwrite: Switch = False,
) -> None:
    """Model a learned network as a solid, and compare its response with the learned one.

    Prints what the targets read in bars, beams, a solid at small strain and one at finite strain;
    writes verify.csv, struts.vtu (the network that is left, with the widths of its struts) and
    verify.png (the deformed solid, coloured by its strain energy).

    Parameters
    ----------
    run
        The folder of a finished run of springs, bars or beams.
    output
        The folder to write; it must be new or empty.
    largest
        Width of the widest strut over the mean length of the bonds (runs of springs); 0.2 if left
        out.
    smallest
        The smallest width that can be made, over the largest. Thinner struts are left out where
        the network can do without, else made that wide. If left out, 0.1 of runs of springs;
        widths that were learned are used as they are.
    keep
        Make all struts that should be thinner as wide as the smallest.
    hinge
        Thinned ends of struts: their width over the strut's, and length over the strut's.
    material
        Of the solid at finite strain: neo_hookean or st_venant_kirchhoff.
    poisson
        Poisson's ratio.
    order
        Degree of the displacements in the solid's cells, 1 or 2.
    mesh_size
        Size of the solid's cells over the width of the strut.
    tune
        Go on training in the solid, whose widths learn, and write the run as the folder tuned.
    steps
        At most this many steps of tuning.
    tolerance
        On the largest relative target error of tuning.
    overwrite
        Write over what is there.
    """
    from mechlearn.runs.folder import new_folder, within
    from mechlearn.runs.run import Run

    loaded = Run.load(run)
    on_first(lambda: new_folder(output, overwrite))
    from mechlearn.energies.solid import Hinge
    from mechlearn.solids.sizing import size_struts
    from mechlearn.studies import verify as verification

    with about(run):
        made = size_struts(loaded, largest=largest, smallest=smallest, drop=not keep)
        options: dict[str, Any] = {
            "hinge": None if hinge is None else Hinge(*hinge),
            "material": material,
            "poisson": poisson,
            "order": order,
            "mesh_size": mesh_size,
        }
        found = verification.verify(loaded, made, **options)
        say(verification.table(found))
        verification.write(found, output, loaded.setup.title)
        if tune:
            tuned = verification.tune(loaded, made, steps=steps, tolerance=tolerance, **options)
            on_first(lambda: tuned.save(within(output, "tuned"), overwrite=True))
            say(f"Tuned as a solid:\n{verdict(tuned)}")
    say(f"Written to {output}/")
