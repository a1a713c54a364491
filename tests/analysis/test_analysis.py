"""Analysis against dense NumPy, solving anew, and closed forms."""

import numpy as np
import pytest
from conftest import random_network
from reference import bond_matrix, pair_row, solve_linear

import mechlearn as ml
from mechlearn.analysis.tangent import tangent
from mechlearn.errors import InputError

TASK = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
    targets=[
        ml.Target(name="a", nodes=[3, 12], strain=0.04),
        ml.Target(name="b", nodes=[5, 20], strain=-0.02),
    ],
)
NETWORKS = ["plane", "space", "torus"]


@pytest.fixture(scope="module")
def trained(plane):
    return ml.train(plane, TASK, rule=ml.GradientDescent(), tolerance=1e-6)


def outputs(net, k, rest=None):
    """Outputs of the targets of TASK, by dense algebra."""
    (p, length), *read = (pair_row(net, *nodes) for nodes in ((0, 7), (3, 12), (5, 20)))
    u, _ = solve_linear(net, k, [p], [0.1 * length], rest=rest)
    return np.array([row @ u / distance for row, distance in read])


def slope(f, h):
    """The derivative at 0 by Richardson's extrapolation of central differences."""
    one, two = ((f(s * h) - f(-s * h)) / (2 * s * h) for s in (1, 2))
    return (4 * one - two) / 3


@pytest.mark.parametrize("which", NETWORKS)
def test_susceptibility_is_the_slope_of_the_response(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    found = ml.analysis.susceptibility(ml.System(net, TASK, stiffness=k))
    for bond in (0, 5, net.n_edges - 1):
        one = np.arange(net.n_edges) == bond
        expected = slope(lambda x, one=one: outputs(net, k * np.exp(x * one)), 1e-3)
        assert found.slopes[0, :, bond] == pytest.approx(
            expected, abs=1e-8 * found.importance.max()
        )
    # Springs that all become stiffer by the same factor answer the same to a strain.
    assert found.slopes.sum(axis=2) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("which", NETWORKS)
def test_removal_agrees_with_solving_anew(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    found = ml.analysis.removal(ml.System(net, TASK, stiffness=k))
    assert not found.holding.any()
    for bond in range(0, net.n_edges, 7):
        without = outputs(net, np.where(np.arange(net.n_edges) == bond, 0.0, k))
        assert found.without[bond, 0] == pytest.approx(without, abs=1e-8 * np.abs(without).max())
        assert found.error[bond] == pytest.approx(
            np.abs(without / [0.04, -0.02] - 1).max(), rel=1e-8
        )


@pytest.mark.parametrize("baseline", ["reference", "unloaded"])
def test_removal_takes_prestress_along(plane, stiffnesses, baseline):
    """The tension that a bond had at rest goes with it; a response does not depend on any."""
    k = stiffnesses(plane)
    rest = plane.lengths * (1 + 0.05 * np.random.default_rng(2).uniform(-1, 1, plane.n_edges))
    targets = [t.model_copy(update={"baseline": baseline}) for t in TASK.targets]
    task = TASK.model_copy(update={"targets": targets})
    s = ml.System(plane, task, stiffness=k, rest_length=rest)
    rest = plane.lengths if baseline == "unloaded" else rest
    found = ml.analysis.removal(s)
    assert found.outputs[0] == pytest.approx(outputs(plane, k, rest), rel=1e-8)
    for bond in (2, 30, 60):
        without = outputs(plane, np.where(np.arange(plane.n_edges) == bond, 0.0, k), rest)
        assert found.without[bond, 0] == pytest.approx(without, rel=1e-8)
    lost = ml.analysis.bond_loss(s, 1, samples=5, seed=4)
    rng = np.random.default_rng(4)
    for read in lost.outputs[0]:
        assert read == pytest.approx(found.without[rng.choice(plane.n_edges, 1)[0]], nan_ok=True)


def test_bonds_that_hold_the_network_are_flagged(stiffnesses):
    """A node on two bonds: neither can go; nothing is said of the response without them."""
    net = random_network()
    x = np.vstack([net.nodes, [[1.5, 0.5]]])
    far = np.argsort(np.linalg.norm(net.nodes - [1.5, 0.5], axis=1))[:2]
    net = ml.Network(x, np.vstack([net.edges, [[far[0], 40], [far[1], 40]]]))
    found = ml.analysis.removal(ml.System(net, TASK, stiffness=stiffnesses(net)))
    assert np.flatnonzero(found.holding).tolist() == [net.n_edges - 2, net.n_edges - 1]
    assert np.isnan(found.without[-2:]).all()
    assert np.isinf(found.importance[-2:]).all()
    assert np.isinf(found.error[-2:]).all()
    assert np.isfinite(found.without[:-2]).all()


def test_beams_are_removed_with_all_their_strains(plane):
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="in", nodes=[20], force=[0.1, 0.0])],
        targets=[ml.Target(name="out", nodes=[30], displacement=[1.0, 0.0])],
    )
    width = 0.02 + 0.02 * np.random.default_rng(0).random(plane.n_edges)
    s = ml.System(plane, task, ml.Beam(), learns="modulus", width=width)
    found = ml.analysis.removal(s)
    for bond in (0, 11):
        keep = np.arange(plane.n_edges) != bond
        rest = ml.System(plane.keep_edges(keep), task, ml.Beam(), width=width[keep])
        assert found.without[bond] == pytest.approx(
            rest.equilibrium.outputs(rest.free), rel=1e-8, abs=1e-8 * np.abs(found.outputs).max()
        )
    slopes = ml.analysis.susceptibility(s)
    assert slopes.slopes.sum() == pytest.approx(-found.outputs.sum(), rel=1e-9)


def test_finite_springs_are_solved_anew(plane):
    s = ml.System(plane, TASK, ml.FiniteSpring())
    found = ml.analysis.removal(s)
    bond = int(np.argmax(found.importance))
    rest = s.copy(stiffness=np.where(np.arange(plane.n_edges) == bond, 0.0, 1.0))
    assert rest.equilibrium.outputs(rest.free) / s.problem.units == pytest.approx(
        found.without[bond], rel=1e-8
    )
    slopes = ml.analysis.susceptibility(s).slopes[0, :, bond]
    moved = [
        s.copy(stiffness=np.where(np.arange(plane.n_edges) == bond, np.exp(h), 1.0))
        for h in (-1e-4, 1e-4)
    ]
    low, high = (m.equilibrium.outputs(m.free)[0] / s.problem.units for m in moved)
    assert slopes == pytest.approx((high - low) / 2e-4, rel=1e-6)


def test_subjects_are_checked(trained, plane):
    assert (
        ml.analysis.susceptibility(trained).total
        != ml.analysis.susceptibility(trained, learned=False).total
    )
    s = ml.System(plane, TASK)
    with pytest.raises(InputError, match="was not trained"):
        ml.analysis.removal(s, learned=False)
    with pytest.raises(InputError, match="a Network"):
        ml.analysis.removal(plane)
    with pytest.raises(InputError, match="no parameter 'stifness'"):
        ml.analysis.susceptibility(trained, "stifness")
    with pytest.raises(InputError, match="no parameter 'stifness'"):
        ml.System(plane, TASK, stifness=1.0)


def dense(net, k):
    c = bond_matrix(net)
    return c, c.T @ np.diag(k) @ c


@pytest.mark.parametrize("which", NETWORKS)
def test_spectrum_agrees_with_dense_algebra(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    found = ml.analysis.spectrum(ml.System(net, TASK, stiffness=k))
    expected = np.linalg.eigvalsh(dense(net, k)[1])
    assert found.eigenvalues == pytest.approx(expected, abs=1e-8 * expected[-1])
    rigid = net.dim if net.periodic else net.dim * (net.dim + 1) // 2
    assert (found.zero_modes, found.rigid_motions) == (rigid, rigid)
    assert found.gap == pytest.approx(np.sqrt(expected[rigid]), rel=1e-8)
    v = found.modes.reshape(len(found.modes), -1)
    assert v @ v.T == pytest.approx(np.eye(len(v)), abs=1e-10)
    edges, density = found.density()
    assert density @ np.diff(edges) == pytest.approx(1.0)
    translation = found.participation[:rigid]
    assert np.all((1 / net.n_nodes <= translation) & (translation <= 1 + 1e-12))


def test_large_spectrum_by_shift_and_invert(stiffnesses):
    net = random_network(760)
    k = stiffnesses(net)
    task = ml.Task(supports=[ml.Support(nodes=[0])], sources=TASK.sources[:0], targets=TASK.targets)
    found = ml.analysis.spectrum(ml.System(net, task, stiffness=k), modes=12)
    held = dense(net, k)[1][2:, 2:]
    expected = np.linalg.eigvalsh(held)[:12]
    assert found.eigenvalues == pytest.approx(expected, abs=1e-8 * expected[-1])
    assert (found.zero_modes, found.rigid_motions, found.complete) == (1, 1, False)
    residual = held @ found.modes.reshape(12, -1)[:, 2:].T
    assert residual == pytest.approx(found.modes.reshape(12, -1)[:, 2:].T * expected, abs=1e-7)
    with pytest.raises(InputError, match="all modes"):
        found.density()


@pytest.mark.parametrize("which", NETWORKS)
def test_modes_add_up_to_the_response(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    s = ml.System(net, TASK, stiffness=stiffnesses(net))
    found = ml.analysis.overlap(s)
    compliance = s.equilibrium.compliance
    assert found.coupling.sum(axis=-1)[:, 0] == pytest.approx(
        compliance[1:, 0], abs=1e-8 * np.abs(compliance).max()
    )
    for parts in (found.response[0], found.source, found.target):
        assert parts.sum() == pytest.approx(1.0, abs=1e-9)


def test_modes_at_finite_strain_count_rigid_motions(plane, space):
    """Rotations about the deformed places cost nothing, although the bonds are under tension."""
    for net, rigid in ((plane, 3), (space, 6)):
        s = ml.System(net, TASK, ml.FiniteSpring())
        found = ml.analysis.spectrum(s)
        assert (found.zero_modes, found.rigid_motions) == (rigid, rigid)
        t = tangent(s)
        linear = t.strains.T @ np.diag(t.moduli[:, 0, 0]) @ t.strains
        assert not np.allclose(linear, t.stiffness.toarray(), atol=1e-4)
        assert ml.analysis.overlap(s).coupling.shape[:2] == (2, 1)


@pytest.mark.parametrize("which", NETWORKS)
def test_effective_dimension(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    s = ml.System(net, TASK, stiffness=k)
    c, matrix = dense(net, k)
    inverse = np.linalg.pinv(matrix, rcond=1e-12)
    for of, response in (("nodes", inverse), ("bonds", c @ inverse @ c.T)):
        sizes = np.linalg.svd(response, compute_uv=False)
        expected = np.sum(sizes**2) ** 2 / np.sum(sizes**4)
        assert ml.analysis.dimension(s, of=of).effective == pytest.approx(expected, rel=1e-8)
    random = [ml.analysis.dimension(s, sources=2000, seed=n).effective for n in (0, 0, 1)]
    assert random[0] == random[1] != random[2]
    assert random[0] == pytest.approx(ml.analysis.dimension(s).effective, rel=0.1)


@pytest.mark.parametrize("which", NETWORKS)
def test_self_stress(request, which):
    net = request.getfixturevalue(which)
    s = ml.System(net, TASK)
    found = ml.analysis.self_stress(s)
    c = bond_matrix(net)
    assert found.count == ml.rigidity(net).self_stress_states
    assert found.count == net.n_edges - np.linalg.matrix_rank(c)
    flat = found.states[..., 0]
    assert c.T @ flat.T == pytest.approx(0.0, abs=1e-10)
    assert found.redundancy.sum() == pytest.approx(found.count)
    # What equal springs do about a bond: the redundancy is what its neighbours hold of it.
    own = np.einsum("ij,jk,ik->i", c, np.linalg.pinv(c.T @ c, rcond=1e-12), c)
    assert found.redundancy == pytest.approx(1 - own, abs=1e-9)
    about = found.about(3)[:, 0]
    assert about[3] == pytest.approx(found.redundancy[3])
    share = np.sum(about**2) ** 2 / (net.n_edges * np.sum(about**4))
    assert found.localisation[3] == pytest.approx(share)


def test_bonds_without_redundancy_hold_the_network(plane):
    net = plane
    while True:  # to one bond above isostatic
        found = ml.analysis.self_stress(ml.System(net, TASK))
        if found.count == 1:
            break
        net = net.keep_edges(np.arange(net.n_edges) != int(np.argmax(found.redundancy)))
    holding = ml.analysis.removal(ml.System(net, TASK)).holding
    assert 0 < holding.sum() < net.n_edges
    assert holding.tolist() == (found.redundancy < 1e-9).tolist()


@pytest.mark.parametrize("which", NETWORKS)
def test_hessian_is_the_slope_of_the_gradient(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    s = ml.System(net, TASK, stiffness=k)
    found = ml.analysis.hessian(s)

    def cost(x):
        return 0.5 * np.sum((outputs(net, k * np.exp(x)) - [0.04, -0.02]) ** 2)

    w = np.random.default_rng(1).standard_normal(net.n_edges)
    w /= np.linalg.norm(w)
    assert found.gradient @ w == pytest.approx(slope(lambda x: cost(x * w), 1e-2), rel=1e-5)

    def along(t):
        return ml.analysis.hessian(s.copy(stiffness=k * np.exp(t * w))).gradient

    assert found.matrix @ w == pytest.approx(
        slope(along, 1e-3), abs=1e-8 * np.abs(found.matrix @ w).max()
    )
    by_value = ml.analysis.hessian(s, scale="linear")
    back = by_value.matrix * k[:, None] * k + np.diag(by_value.gradient * k)
    assert back == pytest.approx(found.matrix, abs=1e-12 * np.abs(found.matrix).max())


def test_hessian_of_several_parameters_examples_and_strains(plane):
    """Beams of two parameters under three loads, one of them in a prestressed state."""
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[
            ml.Source(name="in", nodes=[20], force=[0.1, 0.0]),
            ml.Source(name="held", nodes=[12], displacement=[0.02, 0.01]),
        ],
        targets=[ml.Target(name="out", nodes=[30], displacement=[1.0, 0.0], baseline="reference")],
        examples=[{"in": [0.2, 0.1]}, {"held": "free"}, {"in": [-0.1, 0.3], "out": [0.1, 0.2]}],
    )
    rng = np.random.default_rng(4)
    width = 0.02 + 0.02 * rng.random(plane.n_edges)
    rest = plane.lengths * (1 + 0.01 * rng.standard_normal(plane.n_edges))
    s = ml.System(plane, task, ml.Beam(), learns=("width", "rest_length"),
                             width=width, rest_length=rest)  # fmt: skip
    found = ml.analysis.hessian(s)
    assert found.names.tolist() == ["width"] * plane.n_edges + ["rest_length"] * plane.n_edges
    w = rng.standard_normal(2 * plane.n_edges)

    def gradient(t):
        step = t * w.reshape(2, -1)
        moved = s.copy(width=width * np.exp(step[0]), rest_length=rest + step[1])
        return ml.analysis.hessian(moved).gradient

    expected = slope(gradient, 1e-4)
    assert found.matrix @ w == pytest.approx(expected, abs=1e-6 * np.abs(expected).max())


def test_gauss_newton_is_the_hessian_where_the_task_is_learned(trained):
    full, gauss = (ml.analysis.hessian(trained, method=m) for m in ("full", "gauss_newton"))
    # Two outputs, two stiff directions; no others.
    assert gauss.eigenvalues[2] < 1e-12 * gauss.eigenvalues[0]
    assert full.eigenvalues[:2] == pytest.approx(gauss.eigenvalues[:2], rel=0.05)
    start = ml.analysis.hessian(trained, learned=False)
    assert start.eigenvalues[-1] < -1e-3 * start.eigenvalues[0]
    with pytest.raises(InputError, match="'full' or"):
        ml.analysis.hessian(trained, method="fisher")


def test_correspondence_of_stiff_cost_modes_and_soft_modes(trained):
    found = ml.analysis.correspondence(trained, count=2)
    s = trained.system()
    h = ml.analysis.hessian(s)
    w = h.directions(2)
    k = s.parameters["stiffness"]
    for c in (0, 1):
        low, high = (
            np.linalg.eigvalsh(dense(s.network, k * np.exp(x * w[c]))[1])[3:] for x in (-1e-4, 1e-4)
        )
        assert found.shift[c] == pytest.approx(np.log(high / low) / 2e-4, abs=1e-6)
    assert found.response.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
    # The published sign: the change of the response lies in the softer half of the modes.
    assert found.response[0, : len(found.stiffness) // 2].sum() > 0.9


def test_response_map(plane, stiffnesses):
    k = stiffnesses(plane)
    s = ml.System(plane, TASK, stiffness=k)
    found = ml.analysis.response(s, "in", amplitude=2.0)
    row, length = pair_row(plane, 0, 7)
    u, _ = solve_linear(plane, k, [row], [0.2 * length])
    extension = bond_matrix(plane) @ u
    assert found.strain == pytest.approx(extension / plane.lengths, abs=1e-12)
    assert found.tension == pytest.approx(k * extension, abs=1e-12)
    assert found.energy == pytest.approx(k * extension**2 / 2, abs=1e-13)
    assert found.outputs == pytest.approx(2 * outputs(plane, k), rel=1e-9)
    with pytest.raises(InputError, match=r"'out' is none .* \(in\)"):
        ml.analysis.response(s, "out")
    with pytest.raises(InputError, match="example = 1"):
        ml.analysis.response(s, example=1)


def test_noise_multiplies_parameters(plane, stiffnesses):
    s = ml.System(plane, TASK, stiffness=stiffnesses(plane))
    found = ml.analysis.noise(s, [0.0, 0.1], samples=8, seed=3)
    assert np.ptp(found.errors[0]) == pytest.approx(0, abs=1e-9)
    for xi, read in zip(
        np.random.default_rng(3).standard_normal((8, plane.n_edges)), found.outputs[1], strict=True
    ):
        expected = outputs(plane, s.parameters["stiffness"] * np.exp(0.1 * xi))
        assert read[0] == pytest.approx(expected, rel=1e-8)
    with pytest.raises(InputError, match="levels"):
        ml.analysis.noise(s, -0.1)


def test_loss_of_bonds(plane, stiffnesses):
    k = stiffnesses(plane)
    s = ml.System(plane, TASK, stiffness=k)
    found = ml.analysis.bond_loss(s, [1, 3, 60], samples=6, seed=2)
    rng = np.random.default_rng(2)
    for level, count in enumerate((1, 3, 60)):
        for sample in range(6):
            lost = rng.choice(plane.n_edges, count, replace=False)
            kept = ~np.isin(np.arange(plane.n_edges), lost)
            if np.linalg.matrix_rank(bond_matrix(plane)[kept]) < 77:
                assert np.isinf(found.errors[level, sample])
                continue
            expected = outputs(plane, np.where(kept, k, 0.0))
            assert found.outputs[level, sample, 0] == pytest.approx(expected, rel=1e-8)
    assert found.collapsed.tolist() == [0.0, 0.0, 1.0]


def test_response_curve(plane):
    linear = ml.analysis.amplitude(ml.System(plane, TASK), [0.5, 1.0, 2.0])
    assert linear.outputs == pytest.approx(np.outer([0.5, 1.0, 2.0], linear.outputs[1]), rel=1e-9)
    finite = ml.System(plane, TASK, ml.FiniteSpring())
    curve = ml.analysis.amplitude(finite, [1e-4, 1.0])
    assert curve.outputs[0] == pytest.approx(1e-4 * linear.outputs[1], rel=1e-2)
    assert np.abs(curve.outputs[1] / linear.outputs[1] - 1).max() > 0.01
    assert curve.outputs[1] == pytest.approx(
        finite.equilibrium.outputs(finite.free)[0] / finite.problem.units, rel=1e-8
    )


@pytest.mark.parametrize("which", NETWORKS)
def test_mutual_energies_add_up_to_the_compliance(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    s = ml.System(net, TASK, stiffness=stiffnesses(net))
    found = ml.analysis.pathway(s, "in", "b", count=2)
    assert found.compliance == pytest.approx(s.equilibrium.compliance[0, 2], rel=1e-8)
    assert found.source.sum() == pytest.approx(s.equilibrium.compliance[0, 0] / 2, rel=1e-8)
    for nodes, bonds in zip(found.nodes, found.bonds, strict=True):
        assert nodes[0] in (0, 7)
        assert nodes[-1] in (5, 20)
        steps = np.stack([nodes[:-1], nodes[1:]], axis=1)
        assert np.sort(steps).tolist() == np.sort(net.edges[bonds]).tolist()
    assert not np.intersect1d(*found.bonds).size


def test_the_pathway_follows_the_coupling():
    """Of two resistors in parallel and one dead end, the better conductor carries the coupling."""
    net = ml.Network([[0, 0], [1, 1], [1, -1], [2, 0], [3, 0], [2, 1.5]],
                     [[0, 1], [1, 3], [0, 2], [2, 3], [3, 4], [1, 5]])  # fmt: skip
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="in", nodes=[4], current=[1.0])],
        targets=[ml.Target(name="out", nodes=[3], voltage=[0.1])],
    )
    s = ml.System(net, task, ml.Resistor(), conductance=[2.0, 2.0, 1.0, 1.0, 5.0, 1.0])
    found = ml.analysis.pathway(s)
    # Currents split 2 : 1; the target reads the resistance of the parallel pair, 2/3.
    assert found.compliance == pytest.approx(2 / 3)
    expected = np.array([(2 / 3) ** 2 / 2] * 2 + [(1 / 3) ** 2] * 2 + [0.0, 0.0])
    assert found.shares == pytest.approx(expected)
    assert ml.analysis.removal(s).without[0, 0, 0] == pytest.approx(2.0)
    assert ml.analysis.removal(s).holding.tolist() == [False] * 4 + [True] * 2


def test_refusals_and_ranks(plane):
    finite = ml.System(plane, TASK, ml.FiniteSpring())
    for call, message in (
        (lambda: ml.analysis.hessian(finite, method="full"), "full Hessian is found for linear"),
        (lambda: ml.analysis.correspondence(finite), "for linear elements"),
        (lambda: ml.analysis.bond_loss(finite), "for linear elements"),
        (lambda: ml.analysis.dimension(finite, of="modes"), "'nodes' or 'bonds'"),
        (lambda: ml.analysis.spectrum(finite, modes=0), "at least 1"),
        (lambda: ml.analysis.pathway(finite, target="c"), "'c' is none of the task's"),
        (lambda: ml.analysis.bond_loss(ml.System(plane, TASK), 10**4), "to lose"),
    ):
        with pytest.raises(InputError, match=message):
            call()
    with pytest.raises(AttributeError, match="no attribute 'spectra'"):
        _ = ml.analysis.spectra
    assert set(ml.analysis.__all__) <= {n for n in dir(ml.analysis) if getattr(ml.analysis, n)}


def test_plots(trained, torus, space):
    """Every result draws itself, without a warning, and what it draws is what it found."""
    from matplotlib import pyplot

    from mechlearn.plots.bonds import plot_bonds

    a = ml.analysis
    removal = a.removal(trained)
    drawn = {
        "susceptibility": a.susceptibility(trained),
        "removal": removal,
        "spectrum": a.spectrum(trained),
        "softest": a.spectrum(trained, modes=12),
        "overlap": a.overlap(trained),
        "dimension": a.dimension(trained),
        "self-stress": a.self_stress(trained),
        "hessian": a.hessian(trained),
        "correspondence": a.correspondence(trained, count=2),
        "noise": a.noise(trained, samples=5),
        "loss": a.bond_loss(trained, [1, 5, 60], samples=5),
        "curve": a.amplitude(trained, [0.5, 1.0]),
        "pathway": a.pathway(ml.System(torus, TASK), count=2),
        "map": a.response(ml.System(space, TASK)),
    }
    axes = {}
    for name, found in drawn.items():
        axes[name] = found.plot()
        axes[name].figure.canvas.draw()
    colours = [c.get_array() for c in axes["removal"].collections]
    values = np.concatenate([np.asarray(c) for c in colours if c is not None])
    assert np.sort(values) == pytest.approx(np.sort(removal.importance))
    for line in (*axes["overlap"].lines, *axes["correspondence"].lines):
        assert line.get_ydata()[-1] == pytest.approx(1.0, abs=1e-9)
    assert axes["curve"].lines[0].get_ydata()[1] == pytest.approx(0.04, rel=1e-5)
    assert any("100% floppy" in text.get_text() for text in axes["loss"].texts)
    legend = axes["map"].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["source", "target"]
    (given,) = pyplot.subplots()[1:]
    assert drawn["dimension"].plot(given) is given
    with pytest.raises(InputError, match="106 bonds"):
        plot_bonds(trained.network, [1.0], "one")
    pyplot.close("all")


def test_networks_in_space_are_drawn_where_marked_nodes_are_apart(space):
    from mechlearn.plots.bonds import projected

    a, b = np.argmin(space.nodes[:, 2]), np.argmax(space.nodes[:, 2])
    nodes, vectors = projected(space, {"source": [a], "target": [b]})
    apart = np.linalg.norm(space.nodes[a] - space.nodes[b])
    assert np.linalg.norm(nodes[a] - nodes[b]) == pytest.approx(apart)
    drawn = np.linalg.norm(vectors, axis=1)
    assert (drawn <= space.lengths * (1 + 1e-12)).all()
    assert np.mean(drawn / space.lengths) > 0.5


def test_findings_are_shown_in_a_line(trained):
    text, m = repr(ml.analysis.removal(trained)), trained.network.n_edges
    assert text.startswith("<Removal: network <")
    assert "\n" not in text
    assert len(text) < 400
    assert f"matrix {m} x {m}" in repr(ml.analysis.hessian(trained))
