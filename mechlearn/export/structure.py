"""Protein structures: C-alpha traces with B-factors, and scripts for ChimeraX and PyMOL."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, plain
from mechlearn.export.options import Options
from mechlearn.io.writing import write_file
from mechlearn.tasks.task import ids_of

if TYPE_CHECKING:
    from mechlearn.network import Network
    from mechlearn.runs.run import Run

#: Contacts that scripts draw: those that changed most.
CONTACTS = 10
#: Names of chains in the PDB format.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
COLOURS = {"source": "0x1b7837", "target": "0x762a83", "stiffer": "0xb2182b", "softer": "0x2166ac"}
ABOUT = {
    "importance": "importance of its contacts to the response",
    "change": "change of its contacts in training",
}


def write(run: "Run", path: Path, options: Options) -> str:
    """Write a protein as a PDB or mmCIF file, or a script beside such a file.

    The B-factor of a residue is the importance of its contacts (root of the sum of squares of their
    susceptibilities; see :mod:`mechlearn.analysis.importance`), or how much they changed (the same
    of the logarithm of learned over initial), in percent of the largest.
    """
    _refuse_others(run.network, path)
    percent = _factors(run, options.bfactor)
    suffix = path.suffix.lower()
    chains = _chains(run.network, suffix == ".pdb")
    said = f"{run.network.n_nodes} residues; B-factors are the {ABOUT[options.bfactor]}, in percent"
    if suffix in (".pdb", ".cif"):
        write_file(path, _structure(run.network, percent, chains, suffix).encode())
    else:
        if not re.fullmatch(r"[\w.-]+", path.name, re.ASCII) or path.name.startswith("-"):
            raise InputError(
                f"{path.name!r}: a script needs a name of letters, digits, dots and dashes, "
                "because it names the structure beside it."
            )
        beside = path.with_suffix(".cif")
        write_file(beside, _structure(run.network, percent, chains, ".cif").encode())
        script = _chimerax if suffix == ".cxc" else _pymol
        lines = script(run, beside.name, chains)
        write_file(path, ("\n".join(lines) + "\n").encode())
        said += f"; the structure is in {beside.name}"
    names = {n: c for n, c in chains.items() if n != c}
    if names:
        said += "; chains are called " + ", ".join(
            f"{c} ({n or 'no name'})" for n, c in names.items()
        )
    return f"{said}."


def _refuse_others(network: "Network", path: Path) -> None:
    if not {"residue", "chain", "name"} <= set(network.node_data):
        raise InputError(
            f"A {path.suffix} file is of a protein, and this network has no residues; use .vtu, "
            ".csv or .graphml."
        )


def _factors(run: "Run", which: str) -> NDArray[np.float64]:
    """B-factors of residues, in per cent of the largest."""
    from mechlearn.analysis.importance import susceptibility

    per_bond = susceptibility(run).importance if which == "importance" else _change(run)
    square = np.zeros(run.network.n_nodes)
    for ends in run.network.edges.T:
        np.add.at(square, ends, per_bond**2)
    values = np.sqrt(square)
    return 100 * values / (values.max() or 1.0)


def _change(run: "Run") -> NDArray[np.float64]:
    """Logarithm of learned over initial value of the first learning parameter, per bond."""
    name = next(iter(run.learned))
    before, after = np.asarray(run.initial[name]), np.asarray(run.learned[name])
    if not ((before > 0) & (after > 0)).all():
        return np.asarray((after - before) / max(np.abs(before).max(), 1e-300))
    return np.log(after / before)


def _chains(network: "Network", short: bool) -> dict[str, str]:
    """Valid chain names of viewers for the chains of the network."""
    names = list(dict.fromkeys(map(str, network.node_data["chain"])))
    fine = {n for n in names if re.fullmatch(r"[A-Za-z0-9]" if short else r"[A-Za-z0-9]{1,4}", n)}
    free = (c for c in (*LETTERS, *(a + b for a in LETTERS for b in LETTERS)) if c not in fine)
    out = {name: name if name in fine else next(free) for name in names}
    if short and any(len(chain) > 1 for chain in out.values()):
        raise InputError(
            f"The PDB format has room for {len(LETTERS)} chains, not {len(out)}; write .cif."
        )
    return out


def _codes(network: "Network") -> list[str]:
    """Insertion codes, one letter or empty."""
    given = network.node_data.get("insertion")
    codes = [""] * network.n_nodes if given is None else [str(c) for c in given]
    return [c if re.fullmatch(r"[A-Za-z0-9]", c) else "" for c in codes]


def _structure(
    network: "Network", percent: NDArray[np.float64], chains: dict[str, str], suffix: str
) -> str:
    import gemmi

    structure = gemmi.Structure()
    structure.name = "mechlearn"
    model: Any = gemmi.Model(1)
    codes = _codes(network)
    data = network.node_data
    made: dict[str, gemmi.Chain] = {}
    for node, place in enumerate(network.nodes.tolist()):
        own = str(data["chain"][node])
        chain = made.setdefault(own, gemmi.Chain(chains[own]))
        residue = gemmi.Residue()
        name = re.sub(r"[^A-Za-z0-9]", "", str(data["name"][node]))
        residue.name = name if 0 < len(name) <= 5 else "UNK"
        residue.seqid = gemmi.SeqId(int(data["residue"][node]), codes[node] or " ")
        residue.het_flag = "A"
        atom = gemmi.Atom()
        atom.name, atom.element = "CA", gemmi.Element("C")
        atom.pos, atom.occ = gemmi.Position(*place), 1.0
        atom.b_iso = float(percent[node])
        residue.add_atom(atom)
        chain.add_residue(residue)
    for chain in made.values():
        model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    structure.assign_label_seq_id()
    structure.assign_serial_numbers()
    if suffix == ".pdb":
        return str(structure.make_pdb_string())
    return str(structure.make_mmcif_document().as_string())


# -- scripts -----------------------------------------------------------------------------------


def _sites(run: "Run") -> list[tuple[str, list[int]]]:
    """Nodes of sources and of targets."""
    task = run.problem.task
    parts = (("source", task.sources), ("target", task.targets))
    return [(kind, sorted({n for t in ts for n in ids_of(t)})) for kind, ts in parts]


def _changed(run: "Run") -> list[tuple[int, int, str]]:
    """Contacts of largest change: both nodes, and the sign."""
    change = _change(run)
    order = np.argsort(-np.abs(change), kind="stable")[:CONTACTS]
    return [
        (int(i), int(j), "stiffer" if d > 0 else "softer")
        for (i, j), d in zip(run.network.edges[order], change[order], strict=True)
        if d
    ]


def _head(run: "Run") -> list[str]:
    return [f"# {plain(run.setup.title or 'A protein network', 200)}", "# Written by mechlearn."]


def _where(run: "Run", chains: dict[str, str]) -> list[tuple[str, str]]:
    """Chain and residue number of every node, as letters and digits."""
    data, codes = run.network.node_data, _codes(run.network)
    return [
        (chains[str(c)], f"{int(r)}{code}")
        for c, r, code in zip(data["chain"], data["residue"], codes, strict=True)
    ]


def _chimerax(run: "Run", file: str, chains: dict[str, str]) -> list[str]:
    """ChimeraX commands; the structure lies beside the script."""
    at = [f"/{chain}:{number}@CA" for chain, number in _where(run, chains)]
    lines = [
        *_head(run),
        f"open {file}",
        "set bgColor white",
        "hide cartoons",
        "show atoms",
        "style stick",
        "color byattribute a:bfactor palette 0,#d9d9d9:50,#fdae61:100,#b2182b",
    ]
    for a, b, way in _changed(run):
        colour = COLOURS[way].replace("0x", "#")
        lines.append(f"pbond {at[a]} {at[b]} name {way} color {colour} radius 0.25 dashes 0")
    for kind, nodes in _sites(run):
        for node in nodes:
            lines.append(f"style {at[node]} sphere")
            lines.append(f"color {at[node]} {COLOURS[kind].replace('0x', '#')}")
            lines.append(f"label {at[node]} residues")
    return [*lines, "view"]


def _pymol(run: "Run", file: str, chains: dict[str, str]) -> list[str]:
    """PyMOL commands, to be run in the folder of the script."""
    at = [f"chain {chain} and resi {number} and name CA" for chain, number in _where(run, chains)]
    at = [place.replace("resi -", r"resi \-") for place in at]
    lines = [
        *_head(run),
        f"load {file}, protein",
        "bg_color white",
        "hide everything, protein",
        "set cartoon_trace_atoms, 1",
        "set dash_gap, 0",
        "cartoon tube, protein",
        "show cartoon, protein",
        "spectrum b, grey80 orange firebrick, protein, minimum=0, maximum=100",
    ]
    for number, (a, b, way) in enumerate(_changed(run), 1):
        lines.append(f"distance {way}{number}, protein and {at[a]}, protein and {at[b]}")
        lines.append(f"color {COLOURS[way]}, {way}{number}")
        lines.append(f"hide labels, {way}{number}")
    for kind, nodes in _sites(run):
        for node in nodes:
            lines.append(f"show spheres, protein and {at[node]}")
            lines.append(f"color {COLOURS[kind]}, protein and {at[node]}")
            lines.append(f'label protein and {at[node]}, "%s %s" % (resn, resi)')
    return [*lines, "set sphere_scale, 0.5", "orient protein"]
