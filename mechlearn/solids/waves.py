"""Tangent stiffness of a periodic solid for motions with a Bloch wave vector.

The mesh is cut open already: with the map of degrees of freedom that ties nothing, its matrix is
that of a finite body, which :mod:`mechlearn.fem.waves` folds with the phases of the images.
"""

from copy import copy
from typing import Any, override

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.errors import InputError
from mechlearn.fem.waves import WaveStiffness
from mechlearn.fenics import fem
from mechlearn.solids.forms import SolidForms


class SolidWaves(WaveStiffness):
    """Tangent stiffness of the waves of a periodic solid, on its present mesh.

    Parameters
    ----------
    model : SolidModel
    problem : Problem

    Raises
    ------
    InputError
        On several ranks, and where something is supported.
    """

    def __init__(self, model: Any, problem: Any) -> None:
        if model.comm.size > 1:
            raise InputError("waves: those of solids are found on one rank only.")
        if len(problem.supported):
            raise InputError("waves: those of solids are of cells without supports.")
        self._model, tied = model, model.domain.tied
        apart = tied.opened_places - tied.places[tied.block]
        cells = np.round(np.linalg.solve(model.network.lattice_vectors.T, apart.T).T)
        d = model.places
        free = np.arange(d * len(tied.places))
        super().__init__(tied.block, cells, d, free, np.ones(len(free)))
        opened = copy(model.domain)
        opened.space, opened.places = tied.opened, tied.opened_places
        self._forms = SolidForms(opened, model.energy, model.cell_names)
        self._matrix = fem.petsc.create_matrix(self._forms.stiffness)

    @override
    def at(self, state: NDArray) -> sparse.csr_array:
        model, forms = self._model, self._forms
        model.put_state(state)
        of_model, d = model._forms, model.places
        periodic = of_model.state.x.array.reshape(-1, d)
        forms.state.x.array.reshape(-1, d)[:] = periodic[self._origin]
        forms.copy_parameters(of_model)
        self._matrix.zeroEntries()
        fem.petsc.assemble_matrix(self._matrix, forms.stiffness)
        self._matrix.assemble()
        rows, columns, values = self._matrix.getValuesCSR()
        return sparse.csr_array((values, columns, rows), shape=self._matrix.size)
