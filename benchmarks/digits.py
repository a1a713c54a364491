"""Handwritten digits (8 x 8) on a memristor crossbar and on a resistor network.

The crossbar learns by backpropagation on its computer model and then runs on imperfect devices:
few levels, errors of programming, stuck devices, wires with a resistance. Trained on with the
device in the loop (errors from the device, gradients from the model) it wins back most of it. The
resistor network, a random one, learns by coupled learning.

    python benchmarks/digits.py crossbar
    python benchmarks/digits.py network --plot digits.png
"""

import argparse

import numpy as np

import mechlearn as ml
from mechlearn.tasks import data

BOUNDS = (0.01, 1.0)
CLASSES = [f"digit {k}" for k in range(10)]
#: How often each device is programmed anew and run.
PROGRAMMINGS = 10
#: What is wrong with the devices: levels, errors of programming, stuck, conductance of the wires.
DEVICES = {
    "ideal": {},
    "16 levels": {"levels": 16},
    "16 levels, 10 % programming noise": {"levels": 16, "write_noise": 0.1},
    "the same, 5 % stuck": {"levels": 16, "write_noise": 0.1, "stuck": 0.05},
    "the same, 5 % stuck, wires of 1000 S": {
        "levels": 16,
        "write_noise": 0.1,
        "stuck": 0.05,
        "wires": 1000.0,
    },
}


def digits(complementary: bool) -> tuple[data.DataSet, data.DataSet]:
    """The digits in two parts, brightness from 0 to 1; with a constant input and opposites."""
    whole = data.load("digits")
    inputs = whole.inputs / 16
    if complementary:
        inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
        inputs = np.hstack([inputs, -inputs])
    return data.DataSet(inputs, whole.wanted, whole.classes).split(0.3, seed=0)


def crossbar_task(part: data.DataSet) -> ml.Task:
    """Rows driven by the pixels, columns at virtual ground: currents are classes."""
    rows = [f"row {k}" for k in range(part.inputs.shape[1])]
    return ml.Task(
        sources=[ml.Source(name=n, nodes=[k], voltage=0.0) for k, n in enumerate(rows)],
        targets=[
            ml.Target(name=n, nodes=[len(rows) + k], current=0.0) for k, n in enumerate(CLASSES)
        ],
        examples=part.examples(rows, CLASSES),
        cost=ml.CrossEntropy(of="softmax", temperature=0.5),
    )


def device(task: ml.Task, rows: int, wires: float | None = None, **flaws: float) -> ml.Device:
    """A crossbar of such devices; the same ones are stuck whatever it is asked."""
    net = ml.networks.crossbar(rows, 10, wires=wires is not None)
    material = {} if wires is None else {"conductance": np.full(net.n_edges, wires)}
    return ml.Device(net, task, bounds=BOUNDS, material=material, seed=7, **flaws)


def run_crossbar(epochs: int) -> None:
    """Train on the model, run on devices, and train with each device in the loop."""
    train, test = digits(complementary=True)
    rows = train.inputs.shape[1]
    learning, testing = crossbar_task(train), crossbar_task(test)
    options = {
        "energy": ml.Resistor(),
        "rule": ml.GradientDescent(),
        "optimiser": {"name": "adam", "betas": (0.9, 0.99)},
        "batch": 64,
    }

    def learn(initial: float | list[float]) -> ml.Learn:
        return ml.Learn(bounds=BOUNDS, initial=initial, scale="linear")

    def tested(run: ml.Run, flaws: dict) -> str:
        made = device(testing, rows, **flaws)
        found = [
            data.accuracy(made.outputs(run.learned, step=10**6 + k), test.wanted)
            for k in range(PROGRAMMINGS)
        ]
        return f"{np.mean(found):.3f} +- {np.std(found):.3f}"

    net = ml.networks.crossbar(rows, 10)
    model = ml.train(net, learning, learn=learn(0.5), rate=0.01, steps=epochs, **options)
    known = learn(model.learned["conductance"].tolist())
    print(f"{'test accuracy on the device':40} trained on the model  with the device in the loop")
    for name, flaws in DEVICES.items():
        aware = ""
        if flaws:
            # From there on gently: programming noise is new in every step.
            run = ml.train(
                net,
                learning,
                learn=known,
                device=device(learning, rows, **flaws),
                rate=0.001,
                steps=epochs // 2,
                **options,
            )
            aware = tested(run, flaws)
        print(f"{name:40} {tested(model, flaws):21} {aware}", flush=True)


def run_network(epochs: int, plot: str | None) -> None:
    """Coupled learning on a random network; prints the learning curve."""
    train, test = digits(complementary=False)
    net = ml.networks.delaunay(nodes=300, dim=3, seed=1)
    order = np.random.default_rng(0).permutation(net.n_nodes).tolist()
    pixels, pairs, ground = order[:64], np.reshape(order[64:84], (10, 2)).tolist(), order[84]
    names = [f"pixel {k}" for k in range(64)]
    size = 0.2  # V between the pair of the right class and the others
    parts = [data.DataSet(p.inputs, size * (p.wanted - 0.1), p.classes) for p in (train, test)]
    task = ml.Task(
        supports=[ml.Support(nodes=[ground])],
        sources=[
            ml.Source(name=n, nodes=[k], voltage=0.0) for n, k in zip(names, pixels, strict=True)
        ],
        targets=[
            ml.Target(name=n, nodes=pair, voltage=0.0, scale=size)
            for n, pair in zip(CLASSES, pairs, strict=True)
        ],
        examples=parts[0].examples(names, CLASSES),
    )
    run = ml.train(
        net,
        task,
        energy=ml.Resistor(),
        learn=ml.Learn(bounds=(1e-3, 1e2), initial=1.0),
        rule=ml.CoupledLearning(eta=1e-3),
        optimiser={"name": "adam", "betas": (0.9, 0.99)},
        rate=0.05,
        batch=64,
        steps=epochs,
    )
    outputs = run.history.output.values
    accuracy = [data.accuracy(o, train.wanted) for o in outputs]
    print(f"{net.n_nodes} nodes, {net.n_edges} resistors\nepoch  cost      training accuracy")
    for k in sorted({0, 1, 2, 5, 10, 20, 40, len(accuracy) - 1} & set(range(len(accuracy)))):
        print(f"{k:5d}  {run.history.cost.values[k]:.3e} {accuracy[k]:.3f}")
    reached = run.respond(parts[1].examples(names, CLASSES))
    print(f"test accuracy {data.accuracy(reached, test.wanted):.3f}")
    if plot:
        from matplotlib import pyplot

        axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")[1]
        axes[0].semilogy(run.history.step, run.history.cost)
        axes[0].set(xlabel="epoch", ylabel="cost")
        axes[1].plot(run.history.step, accuracy)
        axes[1].set(xlabel="epoch", ylabel="accuracy on the training part")
        axes[0].figure.savefig(plot, dpi=150)


def main() -> None:
    """Run one of the two studies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["crossbar", "network"])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--plot", help="a png of the learning curve")
    options = parser.parse_args()
    if options.what == "crossbar":
        run_crossbar(options.epochs)
    else:
        run_network(options.epochs, options.plot)


if __name__ == "__main__":
    main()
