"""Elastic network models of proteins: C-alpha atoms joined within a cutoff distance."""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.networks import _check
from mechlearn.networks.residues import Residue, read_residues

#: Cutoffs that make sense, in angstrom: shorter leaves proteins floppy, longer joins everything.
CUTOFFS = (7.0, 15.0)
#: C-alpha atoms of neighbours along a chain are no further apart, in angstrom; 3.8 is usual.
ALONG = 4.5


def protein(
    file: str | os.PathLike,
    cutoff: float = 10.0,
    chains: Sequence[str] | str | None = None,
    decay: float | None = None,
    backbone: float | None = None,
) -> Network:
    """Elastic network of a protein: a node per C-alpha atom, a bond per pair within the cutoff.

    The model of M. M. Tirion, Phys. Rev. Lett. 77, 1905 (1996),
    https://doi.org/10.1103/PhysRevLett.77.1905, and A. R. Atilgan et al., Biophys. J. 80, 505
    (2001), https://doi.org/10.1016/S0006-3495(01)76033-X. Of several models the first is read, of
    alternate locations, and of several residues at one place, the one of highest occupancy (the
    first of equals). Copies of a chain, which have the same name and numbers, are kept apart as
    A-1, A-2, .... The network's ``notes`` say what of that happened, and what was left out.

    Parameters
    ----------
    file : path
        PDB (``.pdb``, ``.ent``) or mmCIF (``.cif``), also gzipped.
    cutoff : float
        Longest bond in angstrom, 7 to 15; 8 to 12 are usual.
    chains : names of chains, optional
        Those to read (author's names); left out, all.
    decay : float, optional
        Bonds get data ``stiffness`` that falls with their length as ``d ** -decay``, 1 at the mean
        length; 2 is that of L. Yang, G. Song, R. L. Jernigan, PNAS 106, 12347 (2009),
        https://doi.org/10.1073/pnas.0902159106, 6 that of K. Hinsen et al., Chem. Phys. 261, 25
        (2000), https://doi.org/10.1016/S0301-0104(00)00222-6. A task file begins with it.
    backbone : float, optional
        How many times as stiff bonds between neighbours along a chain are.

    Returns
    -------
    Network
        In 3D, lengths in angstrom, with labels such as "A:52A" (chain, number, insertion code),
        node data ``residue`` (author's number), ``insertion`` (its code), ``chain`` and ``name``
        (of the residue), and the edge set ``backbone``.

    Raises
    ------
    InputError
        When the file cannot be read, holds no C-alpha atoms or not the chains, two residues have
        one name, or the cutoff is out of range or leaves the network in pieces.
    """
    cutoff = _check.number(
        f"The cutoff of a protein network (in angstrom; 8 to 12 are usual) for {file}",
        cutoff,
        *CUTOFFS,
    )
    if decay is not None:
        decay = _check.number(f"decay, the exponent of the stiffness, for {file}", decay, 0, 12)
    if backbone is not None:
        backbone = _check.number(
            f"backbone, a factor of stiffness, for {file}", backbone, 1e-6, 1e6
        )
    path = Path(file)
    residues, notes = read_residues(path)
    if chains is not None:
        residues = _chosen(path, residues, chains)
    place = np.array([r.place for r in residues])
    lost = np.flatnonzero(~(np.abs(place) < 1e6).all(axis=1))
    if len(lost):
        names = [residues[k].label for k in lost]
        raise InputError(f"{path}: the place of residue {listed(names)} is no place.")
    edges = cKDTree(place).query_pairs(cutoff, output_type="ndarray")
    edges = np.sort(edges, axis=1)
    edges = edges[np.lexsort(edges.T[::-1])]
    along = _along(residues, place, edges)
    lengths = np.linalg.norm(place[edges[:, 1]] - place[edges[:, 0]], axis=1)
    data = {}
    if (decay is not None or backbone is not None) and len(edges):
        with np.errstate(divide="ignore"):  # two atoms at one place are refused below
            stiffness = (lengths / lengths.mean()) ** -(decay or 0.0)
        data["stiffness"] = np.where(along, backbone or 1.0, 1.0) * stiffness
    try:
        return Network(
            nodes=place,
            edges=edges,
            node_data={
                "residue": np.array([r.number for r in residues], dtype=np.int64),
                "insertion": np.array([r.insertion for r in residues]),
                "chain": np.array([r.chain for r in residues]),
                "name": np.array([r.name for r in residues]),
            },
            edge_data=data,
            edge_sets={"backbone": np.flatnonzero(along)},
            labels=[r.label for r in residues],
            notes=tuple(notes),
        )
    except InputError as problem:
        text = str(problem)
        apart = "piece" in text or "no bond" in text
        raise InputError(
            f"{path} with a cutoff of {cutoff:g} angstrom: {text}"
            + (" A longer cutoff or a choice of chains may help." if apart else "")
        ) from None


def _chosen(path: Path, residues: list[Residue], chains: Sequence[str] | str) -> list[Residue]:
    """Residues of the chosen chains, named with or without the number of their copy."""
    wanted = [chains] if isinstance(chains, str) else [str(c) for c in chains]
    names = {name for r in residues for name in (r.chain, r.author_chain)}
    unknown = [c for c in wanted if c not in names]
    if unknown or not wanted:
        raise InputError(
            f"{path} has no chain {listed(unknown)} with C-alpha atoms; its chains are "
            f"{listed(dict.fromkeys(r.chain for r in residues))}."
        )
    return [r for r in residues if {r.chain, r.author_chain} & set(wanted)]


def _along(residues: list[Residue], place: NDArray, edges: NDArray) -> NDArray[np.bool_]:
    """Mask of the bonds between neighbours along a chain."""
    same = np.array([a.part == b.part for a, b in pairwise(residues)], dtype=bool)
    i, j = edges.T
    near = np.linalg.norm(place[j] - place[i], axis=1) <= ALONG
    return (j == i + 1) & same[np.minimum(i, len(same) - 1)] & near
