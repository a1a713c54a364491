"""Elastic network models of proteins: C-alpha atoms joined within a cutoff distance."""

import gzip
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.networks import _check

#: Cutoffs that make sense, in angstrom: shorter leaves proteins floppy, longer joins everything.
CUTOFFS = (7.0, 15.0)
#: A file of the largest assemblies has fewer bytes than this.
LARGEST_FILE = 2**28


def protein(
    file: str | os.PathLike,
    cutoff: float = 10.0,
    chains: Sequence[str] | str | None = None,
) -> Network:
    """Elastic network of a protein: a node per C-alpha atom, a bond per pair within the cutoff.

    The model of M. M. Tirion, Phys. Rev. Lett. 77, 1905 (1996),
    https://doi.org/10.1103/PhysRevLett.77.1905, and A. R. Atilgan et al., Biophys. J. 80, 505
    (2001), https://doi.org/10.1016/S0006-3495(01)76033-X. Of several models the first is read, of
    alternate locations the one of highest occupancy (the first of equals).

    Parameters
    ----------
    file : path
        PDB (``.pdb``, ``.ent``) or mmCIF (``.cif``), also gzipped.
    cutoff : float
        Longest bond in angstrom, 7 to 15; 8 to 12 are usual.
    chains : names of chains, optional
        Those to read (author's names); left out, all.

    Returns
    -------
    Network
        In 3D, lengths in angstrom, with node data ``residue`` (author's number), ``chain`` and
        ``name`` (of the residue).

    Raises
    ------
    InputError
        When the file cannot be read, holds no C-alpha atoms or not the chains, or the cutoff is out
        of range or leaves the network in pieces.
    """
    cutoff = _check.number(
        f"The cutoff of a protein network (in angstrom; 8 to 12 are usual) for {file}",
        cutoff,
        *CUTOFFS,
    )
    path = Path(file)
    atoms = _alpha_carbons(path)
    if not atoms:
        raise InputError(f"{path} holds no C-alpha atoms: it is not the structure of a protein.")
    chain, residue, name, place = map(np.array, zip(*atoms, strict=True))
    if chains is not None:
        wanted = [chains] if isinstance(chains, str) else [str(c) for c in chains]
        unknown = [c for c in wanted if c not in chain]
        if unknown or not wanted:
            raise InputError(
                f"{path} has no chain {listed(unknown)} with C-alpha atoms; "
                f"its chains are {listed(dict.fromkeys(chain.tolist()))}."
            )
        use = np.isin(chain, wanted)
        chain, residue, name, place = chain[use], residue[use], name[use], place[use]
    lost = np.flatnonzero(~(np.abs(place) < 1e6).all(axis=1))
    if len(lost):
        raise InputError(f"{path}: the place of residue {listed(residue[lost])} is no place.")
    edges = cKDTree(place).query_pairs(cutoff, output_type="ndarray")
    edges = np.sort(edges, axis=1)
    edges = edges[np.lexsort(edges.T[::-1])]
    try:
        return Network(
            nodes=place,
            edges=edges,
            node_data={"residue": residue.astype(np.int64), "chain": chain, "name": name},
            labels=[f"{c}:{r}" for c, r in zip(chain, residue, strict=True)],
        )
    except InputError as problem:
        raise InputError(
            f"{path} with a cutoff of {cutoff:g} angstrom: {problem} "
            "A longer cutoff or a choice of chains may help."
        ) from None


def _alpha_carbons(path: Path) -> list[tuple[str, int | None, str, list[float]]]:
    """Chain, residue number, residue name and coordinates of every C-alpha atom."""
    import gemmi

    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    name = path.name.lower()
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise InputError(f"{path} holds more than {LARGEST_FILE} bytes, and is not read.")
        # Gemmi cuts columns by bytes, and would cut letters that have several.
        text = raw.decode("ascii", "replace").replace("\ufffd", "?")
        if ".cif" in Path(name.removesuffix(".gz")).suffixes:
            structure = gemmi.make_structure_from_block(gemmi.cif.read_string(text).sole_block())
        else:
            structure = gemmi.read_pdb_string(text)
    except (OSError, EOFError, RuntimeError, ValueError, IndexError, zlib.error) as problem:
        reason = str(problem).strip().splitlines()
        raise InputError(
            f"{path} cannot be read as a protein structure (PDB or mmCIF)"
            + (f": {reason[0].rstrip('.')}." if reason else ".")
        ) from None
    if not len(structure):
        return []
    found: list[tuple[str, int | None, str, list[float]]] = []
    for chain in structure[0]:
        for residue in chain:
            # The element tells the carbon of a backbone from a calcium ion, also named CA.
            carbons = [a for a in residue if a.name == "CA" and a.element.name in ("C", "X")]
            if carbons:
                atom = max(carbons, key=lambda a: a.occ)
                if residue.seqid.num is None:
                    raise InputError(f"{path}: a residue {residue.name} has no number.")
                found.append((chain.name, residue.seqid.num, residue.name, atom.pos.tolist()))
    return found
