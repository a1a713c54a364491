"""Problem: a task in numbers, with ports, their values in every example, and wanted outputs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.energies.kinematics import Kinematics
from mechlearn.fem.macroscopic_strain import gradient_basis
from mechlearn.network import Network
from mechlearn.tasks.costs import evaluate
from mechlearn.tasks.ports import CurvedPort, Port
from mechlearn.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Problem:
    """A task on a network, ready to be solved. Made by :func:`mechlearn.tasks.formulate.pose`.

    Attributes
    ----------
    network, task, kinematics : the network, the task with explicit node ids, what nodes have
    ports : tuple of Port
        All places, each once: those of sources first, then those where targets alone are. A source
        and targets may be at one port, as where the displacement under a force is read.
    drives : tuple of Port
        A port per number of the sources, as they speak of it: their name, unit, nodes in order.
    sources : (s,) integer array
        The ports where these are.
    loads : (s,) bool array
        Whether they apply a force rather than impose a value.
    given : (examples, s) array
        What they apply or impose, as at the ports.
    acts : (examples, s) bool array
        Whether they do in that example.
    answers : tuple of Port
        The same of the targets' numbers.
    held : (examples, ports) bool array
        Which ports are held in the free state.
    values : (examples, ports) array
        Their values where held, their forces where loaded.
    targets : (t,) integer array
        The ports where those are; one may be read twice, its value and its force.
    wanted : (examples, t) array
        What is wanted there (values, or forces where ``through``).
    active : (examples, t) bool array
        Outputs that are wanted in that example.
    match : (t, t) array
        Wanted values that follow the free outputs: they add ``match @ outputs``.
    limit : (t,) array
        1 where outputs may be larger than wanted, -1 where smaller, else 0.
    through : (t,) bool array
        Whether the output is the port's force rather than its value.
    scale : (examples, t) array
        What errors are measured in.
    cell : tuple of str
        Names of the unknowns of the periodic cell, none where it is rigid.
    supported, gauge : (k,) integer arrays
        Degrees of freedom ``d * node + component`` that never move: those of supports, and those
        pinned where nothing holds the network as a whole (they take no force).
    after : (examples,) bool array
        Which examples are reached from the state of the one before.
    relative : (ports,) bool array
        Which ports are driven and read from the *unloaded* state on, in which sources let go.
    kept : (ports,) bool array
        Which ports are held in that state too: those of supports.
    grounded : (g,) integer array
        Ports of nodes that are held in every example, and entries of the cell's deformation
        gradient that hold it against turning: tied to the ground, which changes no state, so that
        the stiffness is definite where they hold the network.
    """

    network: Network
    task: Task
    kinematics: Kinematics
    ports: tuple[Port, ...]
    drives: tuple[Port, ...]
    sources: NDArray[np.int64]
    loads: NDArray[np.bool_]
    given: NDArray[np.float64]
    acts: NDArray[np.bool_]
    answers: tuple[Port, ...]
    held: NDArray[np.bool_]
    values: NDArray[np.float64]
    targets: NDArray[np.int64]
    wanted: NDArray[np.float64]
    active: NDArray[np.bool_]
    match: NDArray[np.float64]
    limit: NDArray[np.float64]
    through: NDArray[np.bool_]
    scale: NDArray[np.float64]
    cell: tuple[str, ...]
    supported: NDArray[np.int64]
    gauge: NDArray[np.int64]
    after: NDArray[np.bool_]
    relative: NDArray[np.bool_]
    kept: NDArray[np.bool_]
    grounded: NDArray[np.int64]

    def take(self, examples: NDArray[np.int64]) -> "Problem":
        """The same problem with only some of its examples."""
        fields = ("held", "values", "given", "acts", "wanted", "active", "scale", "after")
        return replace(self, **{name: getattr(self, name)[examples] for name in fields})

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the numbers of a node's state."""
        return self.kinematics.components(self.network.dim)

    @cached_property
    def at_targets(self) -> slice | NDArray[np.int64]:
        """Columns of the targets in arrays (examples, ports): a slice, if contiguous."""
        t = self.targets
        together = len(t) > 0 and np.array_equal(t, np.arange(t[0], t[0] + len(t)))
        return slice(int(t[0]), int(t[-1]) + 1) if together else t

    def rows(
        self,
        numbers: Sequence[Port],
        active: NDArray,
        columns: Callable[[str], Mapping[str, NDArray]],
    ) -> Iterator[tuple[dict[str, Any], int, list[int]]]:
        """Rows of a table, one per example and source or target that is ``active`` in it.

        Parameters
        ----------
        numbers : sequence of k ports
            Those of the sources or targets, number by number.
        active : (examples, k) bool array
        columns : function of a name to (examples, k) arrays by the name of the column

        Yields
        ------
        row : dict
            The name, the ``example`` (from 1) where there are several, and the columns.
        example, places
            The example from 0, and which of the numbers are the row's.
        """
        for e in range(self.n_examples):
            for name in dict.fromkeys(port.terminal for port in numbers):
                mine = [k for k, p in enumerate(numbers) if p.terminal == name and active[e, k]]
                if not mine:
                    continue
                row: dict[str, Any] = {"name": name}
                if self.n_examples > 1:
                    row["example"] = e + 1
                for key, values in columns(name).items():
                    found = [float(values[e, k]) for k in mine]
                    row[key] = found[0] if len(found) == 1 else found
                yield row, e, mine

    def at_ports(self, values: NDArray, active: NDArray) -> NDArray[np.float64]:
        """Numbers of targets (examples, t) at their ports, where active, (examples, ports)."""
        numbers = np.where(active, values, 0.0)
        out = np.zeros((len(numbers), len(self.ports)))
        np.add.at(out.T, self.targets, numbers.T)
        return out

    def example_of(self, source: str | None) -> int:
        """First example in which a source, any unless named, has its largest value."""
        mine = [source in (None, port.terminal) for port in self.drives]
        return int(np.argmax(np.linalg.norm(self.given[:, mine], axis=1)))

    @property
    def n_examples(self) -> int:
        """Number of examples."""
        return len(self.values)

    @property
    def driven(self) -> NDArray[np.int64]:
        """Degrees of freedom that never move freely: supports, and nodes that are always held."""
        firm = self.held.all(axis=0) & (self.kept | (not self.relative.any()))
        always = self.dofs[firm & (self.dofs >= 0)]
        return np.union1d(self.supported, always).astype(np.int64)

    @cached_property
    def dofs(self) -> NDArray[np.int64]:
        """Every port's degree of freedom; -1 of pairs and the cell."""
        return np.array([p.dof(len(self.components)) for p in self.ports], dtype=np.int64)

    @property
    def held_by_nodes(self) -> bool:
        """True if nodes that are always held stop motions of the network as a whole."""
        return bool((self.dofs[self.grounded] >= 0).any())

    @property
    def fixed(self) -> NDArray[np.int64]:
        """All degrees of freedom that never move: supports and gauge."""
        return np.union1d(self.supported, self.gauge)

    @cached_property
    def units(self) -> NDArray[np.float64]:
        """Factors of the targets: outputs over units are in the user's quantity (strains)."""
        return np.array([p.unit for p in self.answers])

    @cached_property
    def output_names(self) -> list[str]:
        """A name for every output: the target's, with node and component where it has several."""
        names = []
        for port in self.answers:
            nodes = {p.nodes for p in self.answers if p.terminal == port.terminal}
            where = f"[{port.names[0]}]" if len(nodes) > 1 else ""
            names.append(port.terminal + where + port.suffix(self.components))
        return names

    @cached_property
    def limited(self) -> bool:
        """True if some wanted values are limits."""
        return bool(self.limit.any())

    @cached_property
    def _all_active(self) -> bool:
        """True if every output is wanted in every example."""
        return not self.limited and bool(self.active.all())

    @cached_property
    def _matched(self) -> bool:
        """True if some wanted values follow the outputs."""
        return bool(self.match.any())

    def units_at(self, amplitude: float) -> NDArray[np.float64]:
        """Factors :attr:`units` for sources scaled by an amplitude.

        What is over the strain that is imposed, Poisson's ratios and moduli, is over as many times
        as much of it; at rest it is not defined, and nan.
        """
        over = {t.name for t in self.task.targets if t.kind.ratio}
        ratio = np.array([p.terminal in over for p in self.answers])
        return self.units * np.where(ratio, amplitude or np.nan, 1.0)

    def goals(self, outputs: NDArray) -> NDArray[np.float64]:
        """Wanted values and mask of wanted outputs, shape (examples, t) both."""
        return self.wanted + outputs @ self.match.T if self._matched else self.wanted

    def active_error(self, outputs: NDArray) -> NDArray[np.bool_]:
        """Mask of outputs whose error counts: wanted, not beyond their limit, (examples, t)."""
        if not self.limited:
            return self.active
        beyond = self.limit * (outputs - self.goals(outputs)) >= 0
        return self.active & ~((self.limit != 0) & beyond)

    def residual(self, outputs: NDArray) -> NDArray[np.float64]:
        """Wanted minus reached, zero where satisfied, shape (examples, t)."""
        lacking = self.goals(outputs) - outputs
        return lacking if self._all_active else np.where(self.active_error(outputs), lacking, 0.0)

    def error(self, outputs: NDArray) -> float:
        """Error that tolerances refer to: largest relative target error, or mean cost.

        The mean cost where outputs are not wanted at values, as for a cross-entropy.
        """
        if self.task.cost.has_values:
            return float(self.relative_errors(outputs).max(initial=0.0))
        return float(self.costs(outputs).mean())

    @property
    def error_name(self) -> str:
        """Name of :meth:`error`."""
        cost = self.task.cost
        return "largest relative target error" if cost.has_values else f"mean {cost.name}"

    def costs(self, outputs: NDArray) -> NDArray[np.float64]:
        """The task's cost in every example, shape (examples,)."""
        return evaluate(self.task.cost, "value", *self._in_units(outputs))

    def relative_errors(self, outputs: NDArray) -> NDArray[np.float64]:
        """Relative errors in units of the scale of errors, shape (examples, t).

        Of a cross-entropy: how far the shares are from those wanted.
        """
        raw, wanted, active = self._in_units(outputs)
        missing = np.abs(wanted - self.task.cost.reached(raw, active))
        scale = self.scale / np.abs(self.units) if self.task.cost.has_values else 1.0
        return np.where(active, missing / scale, 0.0)

    def accuracy(self, outputs: NDArray) -> float | None:
        """Fraction of examples classified correctly; None without classes."""
        if self.task.cost.has_values:
            return None
        raw, wanted, active = self._in_units(outputs)
        shares = np.where(active, self.task.cost.reached(raw, active), -1.0)
        return float(np.mean(shares.argmax(axis=1) == wanted.argmax(axis=1)))

    def slopes(self, outputs: NDArray) -> NDArray[np.float64]:
        """Derivatives of the costs by the outputs, shape (examples, t)."""
        return evaluate(self.task.cost, "slope", *self._in_units(outputs)) / self.units

    def curvatures(self, outputs: NDArray) -> NDArray[np.float64]:
        """Second derivatives of the costs by the outputs, shape (examples, t, t)."""
        second = evaluate(self.task.cost, "curvature", *self._in_units(outputs))
        return second / np.multiply.outer(self.units, self.units)

    def _in_units(self, outputs: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        """Outputs, wanted values and the mask of those missed, as the cost takes them."""
        wanted = self.goals(outputs)
        return outputs / self.units, wanted / self.units, self.active_error(outputs)

    def functionals(self) -> tuple[sparse.csr_array, NDArray, list[slice]]:
        """Raw linear functionals of the ports, reference vectors, and spans.

        Returns
        -------
        rows : (r, n c) sparse array
            A node port has one row, its component; a pair has ``d``, the change of its vector; the
            cell has one. Where the cell deforms, its unknowns are more columns.
        reference : (r,) array
            The pair's vector in the reference configuration; zero for other ports.
        spans : list of slices
            Which rows belong to each port.
        """
        dim, last = self.network.dim, self.n_dofs
        entries, reference, spans = list[tuple[int, int, float]](), list[float](), list[slice]()
        for port in self.ports:
            rows, vector = port.rows(self.network, self.kinematics)
            first = len(reference)
            entries += [(first + r, c, v) for r, c, v in rows if self.cell or c < last]
            reference += vector
            spans.append(slice(first, len(reference)))
        r, c, v = np.array(entries).T
        shape = (len(reference), last + (dim * dim if self.cell else 0))
        rows = sparse.csr_array((v, (r.astype(int), c.astype(int))), shape=shape)
        if self.cell:
            of_cell = sparse.csr_array(gradient_basis(self.cell))
            rows = sparse.csr_array(rows @ sparse.block_diag([sparse.eye_array(last), of_cell]))
        return rows, np.array(reference), spans

    @property
    def on_path(self) -> bool:
        """True if the targets are about the path of a source rather than about states."""
        return any(target.kind.on_path for target in self.task.targets)

    @property
    def n_dofs(self) -> int:
        """Number of nodal degrees of freedom."""
        return self.network.n_nodes * len(self.components)

    @property
    def nodes_alone(self) -> bool:
        """True if the state is nodal only, without a deforming cell."""
        return self.functionals()[0].shape[1] == self.n_dofs

    @property
    def two_sided(self) -> bool:
        """True if no wanted value is a limit."""
        sides = (self.residual(self.wanted + sign * self.scale) for sign in (-1.0, 1.0))
        return all((np.abs(side) > 0)[self.active].all() for side in sides)

    def linear_rows(self) -> sparse.csr_array:
        """Rows that read the ports to first order about rest, (ports, n c)."""
        rows, reference, spans = self.functionals()
        slopes = np.zeros((len(spans), len(reference)))
        for k, (span, port) in enumerate(zip(spans, self.ports, strict=True)):
            distance = np.linalg.norm(reference[span])
            slopes[k, span] = reference[span] / distance if distance else 1.0
            if isinstance(port, CurvedPort):
                slopes[k, span] = port.size(reference[span])[1]
        return sparse.csr_array(sparse.csr_array(slopes) @ rows)
