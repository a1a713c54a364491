"""Learners by local rules: every element's own signals from several phases."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.errors import InputError, SolveError, called, listed
from mechlearn.extensions import name_of
from mechlearn.fem.superposition import Sense
from mechlearn.learning.base import Learner
from mechlearn.learning.dofs import Learn
from mechlearn.learning.rules import Rule, signals
from mechlearn.phase import Phase, weighted_sum
from mechlearn.tasks.task import Task

#: Numbers whose difference is a signal have this many units of rounding.
UNITS = 64

if TYPE_CHECKING:
    from mechlearn.equilibrium import PhaseState


class RuleLearner(Learner):
    """A network whose elements follow a local rule."""

    rule: Rule

    @override
    def _begin(self) -> None:
        if self.options.batch and self.problem.after.any():
            raise InputError(
                f"train: batch = {self.options.batch} takes examples in random order, and some are "
                'after = "previous", reached from the one before them; leave batch out.'
            )
        self._states: list[PhaseState] = []
        self._phases: tuple[Phase, ...] = tuple(self.rule.phases)
        weights = getattr(self.rule, "weights", None)
        self._weights = None if weights is None else tuple(map(float, weights))
        clamps = any(p.kind == "clamp" and p.amount for p in self._phases)
        self.equilibrium.compared = self._phases
        #: Whether clamped states are asked for that a network at finite displacement has not.
        self._adrift = clamps and not self.energy.linear and self.equilibrium.released_floats

    def require_states(self) -> None:
        """Raise InputError for a step whose states the network cannot have."""
        if self._adrift:
            names = dict.fromkeys(
                p.terminal
                for p, through in zip(self.problem.answers, self.problem.through, strict=True)
                if through
            )
            raise InputError(
                f"rule: {name_of(self.rule)} loads a network with the forces that it reads, "
                f"instead of holding it there, and without {listed(names)} nothing holds it as a "
                "whole: at finite displacement it would turn away. Use equilibrium_propagation or "
                "gradient_descent, or leave one of them out."
            )

    @classmethod
    @override
    def validate(cls, task: Task, energy: Element, learn: Mapping[str, Learn], rule: Any) -> None:
        check_rule(rule)
        if not task.cost.has_values and any(p.kind == "clamp" and p.amount for p in rule.phases):
            raise InputError(
                f"rule: {name_of(rule)} clamps outputs at values, and a {task.cost.name} has "
                "none; use equilibrium_propagation or gradient_descent."
            )

    @override
    def _evaluate_phases(self, outputs: NDArray) -> NDArray[np.float64]:
        if self._adrift:
            return np.full(self.problem.n_examples, np.nan)
        self._states = self._compare(outputs)
        return self._states[-1].potentials - self._states[0].potentials

    @override
    def _step(self) -> bool:
        if self.options.batch is None:
            self._update()
        else:
            self._sweep(self.options.batch)
        return True

    def _compare(self, outputs: NDArray) -> "list[PhaseState]":
        """The rule's phases, nudged by the errors that were measured."""
        measured = self.elements.measured_outputs(
            outputs, self.equilibrium.problem.scale, self._moment
        )
        return [self.equilibrium.solve(phase, measured) for phase in self._phases]

    def _sweep(self, batch: int) -> None:
        """Update after every batch of the examples, in random order."""
        order = np.random.default_rng([self.options.seed, self.updates]).permutation(
            self.problem.n_examples
        )
        for number, start in enumerate(range(0, len(order), batch), 1):
            self._moment = (self.updates, number)
            self.equilibrium.consider(np.sort(order[start : start + batch]))
            self._states = self._compare(self.outputs(self.settle()))
            self._update()
        self.equilibrium.consider(None)

    def _signal(self, name: str) -> NDArray[np.float64]:
        """Signals of the elements, mean over examples, in bond order."""
        if self._weights is not None and not self.elements.noisy_strains:
            signal = self.equilibrium.mean_signal(name, self._states, self._weights)
            return self.model.to_elements(name, signal)
        parts = [
            self.model.to_elements(name, state.sensitivity(name, self._sense(k)))
            for k, state in enumerate(self._states)
        ]
        return signals(self.rule, parts).mean(axis=0)

    def _rounding(self, name: str) -> NDArray[np.float64]:
        """Rounding errors of the signals, in bond order.

        States are found to the rounding of a typical element's sensitivity, and signals are
        differences of sensitivities.
        """
        parts = [np.abs(s.sensitivity(name)).mean(axis=0) for s in self._states]
        first, *others = (self.model.to_elements(name, each) for each in parts)
        size = sum(others, first)
        gain = max(map(abs, self._weights)) if self._weights else getattr(self.rule, "gain", 1.0)
        return UNITS * np.finfo(float).eps * gain * (size + size.mean())

    def _sense(self, phase: int) -> Sense | None:
        if not self.elements.noisy_strains:
            return None

        def sense(strain: NDArray, what: str) -> NDArray:
            said = self.elements.measured_strain(
                self.model.to_bonds(strain), what, self._moment, phase
            )
            return self.model.to_local_bonds(said)

        return sense

    def moves(self) -> list[NDArray[np.float64]]:
        """Moves of the dofs for the present states, each (m,)."""
        moves = []
        for dof, step in zip(self.dofs, self._steps, strict=True):
            signal = dof.on_scale(self._signal(dof.name))
            if not math.isfinite(signal.dot(signal)):
                self._require_finite(f"the signal of {dof.name}", signal, "a smaller nudge or rate")
            if step.sensitive and not step.memory:
                step.take_rounding(np.abs(dof.on_scale(self._rounding(dof.name))))
            move = step.move(signal)
            moves.append(move if self.step_scale.factor == 1 else self.step_scale.factor * move)
        return moves

    def _update(self) -> None:
        for dof, move in zip(self.dofs, self.moves(), strict=True):
            self.elements.apply_step(dof, move, self._moment)
            # A product that is finite says of both that all their numbers are.
            if not math.isfinite(move.dot(dof.values)):
                self._require_finite(f"the change of {dof.name}", move, "a smaller rate")
                self._require_finite(dof.name, dof.values, "a smaller rate, or bounds")

    def _require_finite(self, name: str, values: NDArray, better: str) -> None:
        if not np.isfinite(values).all():
            raise SolveError(
                f"Learning diverged at step {self.updates}: {name} is not a finite number; "
                f"use {better}.",
                "not finite",
            )


def check_rule(rule: Any) -> None:
    """Raise InputError for an object that is no rule, or claims weights that its signal has not."""
    name = name_of(rule)
    phases, weights = (
        called(getattr, f"rule {name}: its {what} cannot be found", rule, what, None)
        for what in ("phases", "weights")
    )
    own = callable(getattr(rule, "signal", None)) and (
        getattr(type(rule), "signal", None) is not Rule.signal
    )
    if not isinstance(phases, Sequence) or not phases or not (own or weights is not None):
        raise InputError(f"rule {name} must have phases, and weights or a method signal.")
    if wrong := [phase for phase in phases if not isinstance(phase, Phase)]:
        raise InputError(f"rule {name}: the phase {wrong[0]!r} must be an ml.Phase(kind, amount).")
    if weights is None:
        return
    array = np.asarray(weights)
    real = array.shape == (len(phases),) and array.dtype.kind in "fi"
    if not real or not np.isfinite(array).all() or not array.any():
        raise InputError(
            f"rule {name}: weights = {weights!r} must be {len(phases)} finite numbers, one per "
            "phase, not all of them 0."
        )
    for size in (1e-12, 1.0, 1e12):  # signals may have thresholds, and may saturate
        parts = list(size * np.random.default_rng(0).standard_normal((len(phases), 2, 5)))
        wanted = weighted_sum(weights, parts)
        error = np.abs(signals(rule, parts) - wanted).max() if own else 0.0
        if error > 1e-6 * np.abs(wanted).max():
            raise InputError(
                f"rule {name}: its signal is not the sum of du/dL in its phases times weights = "
                f"{weights!r}; leave weights out, or mend one of them."
            )
