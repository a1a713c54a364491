"""Options of exports; every format takes some and refuses the rest."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from mechlearn.errors import InputError


class _Checked(type):
    """Metaclass like :class:`mechlearn.schema.Checked`, for which help need not wait."""

    def __call__(cls, *args: Any, **data: Any) -> Any:
        from mechlearn.schema import Checked

        return Checked.__call__(cls, *args, **data)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Options(metaclass=_Checked):
    """Options of exports; nonsense raises InputError.

    Parameters
    ----------
    unit
        Length of one unit of the network in mm. Of solid parts and sheets.
    size
        Longest side of the network's part in mm, instead of unit. Where neither is given: 100, or
        more if the thinnest strut would be below the line width.
    thickness
        Of a plane network's part in mm; as thick as the widest strut is wide if left out.
    largest
        Width of the widest strut over the mean length of the bonds; 0.2 if left out. Of runs of
        springs, whose struts may be of any width up to a factor.
    smallest
        The smallest width that can be made, over the largest. Thinner struts are left out where
        the network can do without, else made that wide. If left out, 0.1 of runs of springs;
        widths that were learned are used as they are.
    keep
        Make all struts that should be thinner as wide as the smallest.
    hinge
        Thinned ends of struts: their width over the strut's, and length over the strut's.
    fillet
        In the plane, radius of the fillets between struts in mm; in space, length of the cones
        that lead from a joint to its struts.
    line_width
        The thinnest wall that the printer or laser makes, in mm; thinner struts are refused.
    hole
        Diameter in mm of a hole at every supported node of a plane network; in space, of holes in
        the corners of the base plate.
    base
        Thickness in mm of a base plate, which carries the part on posts at its supported nodes.
    gap
        Between base plate and part, in mm; twice the thickness of the plate if left out.
    kerf
        Width of the laser's cut in mm, by which outlines are let out (dxf, svg).
    lattice
        Write rods and balls of the 3MF beam lattice extension, not triangles (3mf, in space).
    model
        What the elements of an input deck are (inp): spring, bar, beam or solid; those of the run
        if left out.
    abaqus
        Write beams as Abaqus knows them (inp); CalculiX would make them some per cent too stiff.
    poisson
        Poisson's ratio of bars, beams and solids made of springs (inp).
    mesh_size
        Size of a solid's cells over the width of the strut (inp).
    bfactor
        What the B-factors of a protein are: the importance of residues to the response, or how much
        their contacts have changed (pdb, cif, cxc, pml).
    """

    unit: float | None = None
    size: float | None = None
    thickness: float | None = None
    largest: float | None = None
    smallest: float | None = None
    keep: bool = False
    hinge: tuple[float, float] | None = None
    fillet: float = 0.0
    line_width: float = 0.4
    hole: float | None = None
    base: float | None = None
    gap: float | None = None
    kerf: float = 0.0
    lattice: bool = False
    model: Literal["spring", "bar", "beam", "solid"] | None = None
    abaqus: bool = False
    poisson: float = 0.3
    mesh_size: float = 0.5
    bfactor: Literal["importance", "change"] = "importance"

    def __post_init__(self) -> None:
        for name in ("unit", "size", "thickness", "hole", "base", "gap", "line_width", "mesh_size"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name} = {value} must be above zero (it is in mm).")
        for name in ("fillet", "kerf"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} = {getattr(self, name)} must not be below zero.")
        if self.unit is not None and self.size is not None:
            raise InputError("Give unit or size, not both: one follows from the other.")
        if not -1 < self.poisson < 0.5:
            raise InputError(f"poisson = {self.poisson} must lie between -1 and 0.5.")

    def given(self) -> dict[str, Any]:
        """Options that differ from their defaults."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != f.default
        }


#: How struts are made of what was learned.
SIZING = ("largest", "smallest", "keep", "hinge")
#: Of everything that is made: how large, and how fine.
MAKING = (*SIZING, "unit", "size", "fillet", "line_width", "hole")
#: Of bodies beside those.
BODY = ("thickness", "base", "gap")
