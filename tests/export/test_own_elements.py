"""Struts of a user's own, with a declared section, exported, drawn, sized and cut as beams are."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.render.run_view import Look, RunView
from mechlearn.solids.sizing import size_struts

pytest.importorskip("trimesh")


class Strip(ml.BondEnergy):
    """The law of ml.Beam of thickness 1 and Poisson's ratio 0, in other words."""

    name = "strip"
    dimension = 2
    kinematics, strains, strain = ml.Beam.kinematics, ml.Beam.strains, ml.Beam.strain
    parameters = (ml.Parameter("young", 3.0), ml.Parameter("depth", lambda net: 0.1 * net.lengths))
    stiffness_parameter = "depth"
    factor = 1.0

    def section(self, values):
        return ml.Section(values["young"], values["depth"], np.ones_like(values["depth"]))

    def energy(self, extension, bending, shear, length, young, depth):
        stretched = self.factor * young * depth * extension**2 / length
        arc = young * depth**3 / 12 * bending**2 / length**3
        softer = 1 + 12 * 0.2 * depth**2 / length**2
        return (stretched + arc + young * depth**3 * shear**2 / (length**3 * softer)) / 2


class Stiffening(Strip):
    """Strips whose tension grows faster than their extension: as strips where nothing pulls."""

    name = "stiffening_strip"

    def energy(self, extension, length, young, depth, **others):
        more = young * depth * extension**4 / length**3
        return super().energy(extension, length=length, young=young, depth=depth, **others) + more


class Corrugated(Strip):
    """Strips that are softer in tension than their section says."""

    name = "corrugated_strip"
    factor = 0.2


NET = ml.networks.triangular(size=[3, 3], disorder=0.1, seed=1)
DEPTH = np.linspace(0.06, 0.12, NET.n_edges)


def run_of(energy, width, **material):
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1], components=["x", "y", "rz"])],
        sources=[ml.Source(name="in", nodes=[8], displacement=[1e-3, 0.0])],
        targets=[ml.Target(name="out", nodes=[6], displacement=[3e-4, 3e-4])],
    )
    learn = {width: ml.Learn(bounds=(0.01, 0.2), initial=DEPTH)}
    return ml.train(NET, task, energy=energy, learn=learn, material=material, steps=0)


@pytest.fixture(scope="module")
def beams():
    return run_of(ml.Beam, "width", modulus=3.0, poisson=0.0)


@pytest.fixture(scope="module", params=[Strip, Stiffening], ids=lambda kind: kind.name)
def strips(request):
    return run_of(request.param, "depth")


def test_they_answer_as_beams(strips, beams):
    assert strips.energy.linear == (type(strips.energy) is Strip)
    np.testing.assert_allclose(
        strips.system().outputs, beams.system().outputs, rtol=1e-9 if strips.energy.linear else 1e-2
    )


@pytest.mark.parametrize("suffix", ["svg", "stl", "inp"])
def test_they_are_exported_as_beams(strips, beams, suffix, tmp_path):
    own, known = (run.export(tmp_path / f"{run.energy.name}.{suffix}") for run in (strips, beams))
    lines, expected = (
        [line for line in path.read_bytes().splitlines() if not line.startswith(b"**")]
        for path in (own, known)
    )
    assert len(lines) > 4
    assert lines == expected


def test_they_are_sized_by_their_section(strips):
    made = size_struts(strips, drop=False, smallest=0.01)
    np.testing.assert_array_equal(made.width, DEPTH)
    assert made.modulus == 3.0


def test_they_are_drawn_bent_and_as_thick_as_they_are(strips, beams):
    look = Look(colour="tension", thickness="true", amplify=10.0)
    own, known = (RunView(run, 0, look).scenes[0] for run in (strips, beams))
    np.testing.assert_array_equal(own.true_radii, DEPTH / 2)
    size = np.abs(known.lines).max()
    np.testing.assert_allclose(own.lines, known.lines, rtol=0, atol=1e-3 * size)


def test_they_are_cut_by_their_stiffness(strips, beams):
    assert strips.energy.removal == ("depth",)
    own, known = strips.cut([5, 9]), beams.cut([5, 9])
    np.testing.assert_allclose(
        own.system().outputs, known.system().outputs,
        rtol=1e-9 if strips.energy.linear else 1e-2,
    )  # fmt: skip
    assert RunView(own, 0, Look()).removed[0].nonzero()[0].tolist() == [5, 9]


def test_a_law_that_is_not_that_of_its_section_has_no_deck(tmp_path):
    run = run_of(Corrugated, "depth")
    with pytest.raises(ml.InputError, match=r"the struts of a deck stretch as their sections do, "):
        run.export(tmp_path / "own.inp")
