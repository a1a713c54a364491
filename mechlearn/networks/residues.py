"""Residues of proteins in PDB and mmCIF files: C-alpha atoms, chains and numbers."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from mechlearn.errors import InputError, listed

if TYPE_CHECKING:
    import gemmi

#: A file of the largest assemblies has fewer bytes than this.
LARGEST_FILE = 2**28
#: Two atoms within this distance (angstrom) lie at one place: no bond is as short.
SAME_PLACE = 1.0


@dataclass(frozen=True)
class Residue:
    """Residue with the position of its C-alpha atom.

    Attributes
    ----------
    author_chain : str
        Name of the chain in the file.
    part : int
        Which stretch of the file it is from: chains end at TER, and where numbers start again.
    number, insertion, name : int, str, str
        Author's number, insertion code (or nothing) and name, such as "HIS".
    altloc, occupancy : str, float
        Of the alternate location.
    place : tuple of float
        In angstrom.
    copy : int
        Of a chain that is there several times, which it is, from 1; else 0.
    """

    author_chain: str
    part: int
    number: int
    insertion: str
    name: str
    altloc: str
    occupancy: float
    place: tuple[float, ...]
    copy: int = 0

    @property
    def chain(self) -> str:
        """Chain name, with the number of the copy."""
        return f"{self.author_chain}-{self.copy}" if self.copy else self.author_chain

    @property
    def own(self) -> str:
        """Number and insertion code."""
        return f"{self.number}{self.insertion}"

    @property
    def label(self) -> str:
        """Chain, number and insertion code, such as "A:52A"."""
        return f"{self.chain}:{self.own}"


def read_residues(path: Path) -> tuple[list[Residue], list[str]]:
    """Residues with a C-alpha atom in the first model of a file, and notes on choices made.

    Raises
    ------
    InputError
        When the file cannot be read or holds no C-alpha atoms, or where two residues of a chain
        have the same number at different places.
    """
    import gemmi

    text, is_cif = _text_of(path)
    notes: list[str] = []
    try:
        if is_cif:
            atoms = list(_of_cif(path, gemmi.cif.read_string(text), notes))
        else:
            structure = gemmi.read_pdb_string(_tidied(text), split_chain_on_ter=True)
            _said_of_models(len(structure), notes)
            atoms = list(_of_model(path, structure[0], notes)) if len(structure) else []
    except (RuntimeError, ValueError, IndexError) as problem:
        reason = str(problem).strip().splitlines()
        raise InputError(
            f"{path} cannot be read as a protein structure (PDB or mmCIF)"
            + (f": {reason[0].rstrip('.')}." if reason else ".")
        ) from None
    if not atoms:
        raise InputError(f"{path} holds no C-alpha atoms: it is not the structure of a protein.")
    return _copies(_one_per_place(path, atoms, notes), notes), notes


def _text_of(path: Path) -> tuple[str, bool]:
    """Text of a file, and whether it is mmCIF."""
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    name = path.name.lower()
    try:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise InputError(f"{path} cannot be read as a protein structure: {problem}.") from None
    if len(raw) > LARGEST_FILE:
        raise InputError(f"{path} holds more than {LARGEST_FILE} bytes, and is not read.")
    # Gemmi cuts columns by bytes, and would cut letters that have several.
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("ascii", "replace").replace("\ufffd", "?")
    return text, ".cif" in Path(name.removesuffix(".gz")).suffixes


# -- PDB ---------------------------------------------------------------------------------------


def _tidied(text: str) -> str:
    """PDB text with C-alphas in their columns, and TER where the numbers of a chain restart.

    Some programs write names of atoms left aligned, which by the columns is calcium, and several
    copies of a chain with no TER between them, which Gemmi would make one.
    """
    lines: list[str] = []
    known: dict[str, set[str]] = {}
    last = ""
    for line in text.splitlines():
        if line[:6] in ("ATOM  ", "HETATM") and line[12:16].strip() == "CA":
            if not line[76:78].strip() and line[17:20].strip() != "CA":
                line = f"{line[:12]} CA {line[16:]}"
            chain, number, altloc = line[20:22], line[22:27], line[16:17]
            seen = known.setdefault(chain, set())
            if f"{chain}{number}" != last and number + altloc in seen:
                lines.append("TER")
                seen.clear()
            last = f"{chain}{number}"
            seen.add(number + altloc)
        elif line.startswith(("TER", "MODEL", "ENDMDL")):
            known, last = {}, ""
        lines.append(line)
    return "\n".join(lines) + "\n"


def _of_model(path: Path, model: "gemmi.Model", notes: list[str]) -> Iterator[Residue]:
    """C-alpha atoms of a model in the order of the file."""
    import gemmi

    without = []
    for part, chain in enumerate(model):
        for residue in chain:
            # The element tells the carbon of a backbone from a calcium ion, also named CA.
            carbons = [a for a in residue if a.name == "CA" and a.element.name in ("C", "X")]
            if not carbons and gemmi.find_tabulated_residue(residue.name).is_amino_acid():
                without.append(f"{chain.name}:{residue.seqid}")
            for atom in carbons:
                if residue.seqid.num is None:
                    raise InputError(f"{path}: a residue {residue.name} has no number.")
                yield Residue(
                    chain.name,
                    part,
                    residue.seqid.num,
                    residue.seqid.icode.strip(),
                    residue.name,
                    atom.altloc.strip("\0 "),
                    atom.occ,
                    tuple(atom.pos.tolist()),
                )
    _said_of_lost(without, notes)


# -- mmCIF -------------------------------------------------------------------------------------


def _of_cif(path: Path, document: "gemmi.cif.Document", notes: list[str]) -> Iterator[Residue]:
    """C-alpha atoms of the first block that has atoms, in the order of the file."""
    import gemmi

    needed = ["label_atom_id", "label_comp_id", "Cartn_x", "Cartn_y", "Cartn_z"]
    optional = ["type_symbol", "auth_asym_id", "label_asym_id", "auth_seq_id", "label_seq_id",
                "pdbx_PDB_ins_code", "label_alt_id", "occupancy", "pdbx_PDB_model_num"]  # fmt: skip
    names = [*needed, *optional]
    tables = [b.find("_atom_site.", [*needed, *("?" + o for o in optional)]) for b in document]
    tables = [table for table in tables if len(table)]
    if not tables:
        return
    if len(tables) > 1:
        notes.append(f"of {len(tables)} blocks with atoms the first is read")

    rows = [
        {
            name: "" if not row.has(k) or gemmi.cif.is_null(row[k]) else gemmi.cif.as_string(row[k])
            for k, name in enumerate(names)
        }
        for row in tables[0]
    ]
    models = dict.fromkeys(row["pdbx_PDB_model_num"] for row in rows)
    _said_of_models(len(models), notes)
    rows = [row for row in rows if row["pdbx_PDB_model_num"] == next(iter(models))]
    part, last = 0, None
    whole: dict[tuple[str, str, str], bool] = {}
    for atom in rows:
        chain = atom["auth_asym_id"] or atom["label_asym_id"]
        number = atom["auth_seq_id"] or atom["label_seq_id"]
        key = (chain, number, atom["pdbx_PDB_ins_code"])
        carbon = atom["label_atom_id"] == "CA" and atom["type_symbol"].upper() in ("C", "")
        if gemmi.find_tabulated_residue(atom["label_comp_id"]).is_amino_acid():
            whole[key] = whole.get(key, False) or carbon
        if not carbon:
            continue
        stretch = (chain, atom["label_asym_id"])
        part += last is not None and stretch != last
        last = stretch
        if not number.removeprefix("-").isdecimal():
            raise InputError(f"{path}: a residue {atom['label_comp_id']} has no number.")
        yield Residue(
            chain,
            part,
            int(number),
            atom["pdbx_PDB_ins_code"],
            atom["label_comp_id"],
            atom["label_alt_id"],
            gemmi.cif.as_number(atom["occupancy"]) if atom["occupancy"] else 1.0,
            tuple(gemmi.cif.as_number(atom[name]) for name in needed[2:]),
        )
    _said_of_lost([f"{c}:{n}{i}" for (c, n, i), found in whole.items() if not found], notes)


# -- both --------------------------------------------------------------------------------------


def _said_of_models(count: int, notes: list[str]) -> None:
    if count > 1:
        notes.append(f"of {count} models the first is read")


def _said_of_lost(names: list[str], notes: list[str]) -> None:
    if names:
        notes.append(
            f"{len(names)} residue{'s' if len(names) > 1 else ''} without a C-alpha atom "
            f"{'are' if len(names) > 1 else 'is'} left out: {listed(names)}"
        )


def _one_per_place(path: Path, atoms: list[Residue], notes: list[str]) -> list[Residue]:
    """The alternate of highest occupancy of every residue, in the order of the file."""
    groups: dict[tuple[int, str, str], list[Residue]] = {}
    for atom in atoms:
        groups.setdefault((atom.part, atom.author_chain, atom.own), []).append(atom)
    chosen, several = [], []
    for group in groups.values():
        best = max(group, key=lambda a: a.occupancy)
        alternates = {a.altloc for a in group}
        if len(alternates) < len(group) and any(
            sum((p - q) ** 2 for p, q in zip(a.place, best.place, strict=True)) > SAME_PLACE**2
            for a in group
        ):
            raise InputError(
                f"{path}: {len(group)} residues at different places are called {best.label}; "
                "number them, or name their chains, differently."
            )
        if len(group) > 1:
            several.append(best.label)
        chosen.append(best)
    if several:
        notes.append(
            f"of the alternate locations of {listed(several)} the one of highest occupancy is read"
        )
    return chosen


def _copies(residues: list[Residue], notes: list[str]) -> list[Residue]:
    """Residues whose chain repeats its numbers, as numbered copies of the chain."""
    taken: dict[str, list[set[str]]] = {}
    which: dict[int, int] = {}
    for (part, chain), group in groupby(residues, lambda r: (r.part, r.author_chain)):
        own = {r.own for r in group}
        copies = taken.setdefault(chain, [])
        free = next((k for k, known in enumerate(copies) if not known & own), len(copies))
        if free == len(copies):
            copies.append(set())
        copies[free] |= own
        which[part] = free + 1
    many = {chain for chain, copies in taken.items() if len(copies) > 1}
    for chain in sorted(many):
        names = [f"{chain}-{k}" for k in range(1, len(taken[chain]) + 1)]
        notes.append(
            f"chain {chain or 'without a name'} is there {len(names)} times: its copies are called "
            f"{listed(names)}"
        )
    return [replace(r, copy=which[r.part]) if r.author_chain in many else r for r in residues]
