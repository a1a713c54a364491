"""Texts encoded as numeric mesh data: six bytes of UTF-8 per number.

A column of texts becomes fields ``text_1:name``, ``text_2:name``, ... of whole numbers below
2 ** 48, which every format keeps exactly; labels of nodes become ``label_1:``, ....
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network

BYTES = 6
TEXT, LABEL = "text", "label"


def text_fields(data: Mapping[str, NDArray], labels: Sequence[str] | None = None) -> dict:
    """Fields that encode text data of nodes or bonds, and node labels."""
    fields: dict[str, NDArray[np.int64]] = {}
    for name, values in data.items():
        if values.ndim == 1 and values.dtype.kind == "U":
            fields |= _packed(TEXT, name, values.tolist())
    return fields if labels is None else fields | _packed(LABEL, "", list(labels))


def with_texts(network: Network) -> Network:
    """The network with such fields decoded to texts and labels.

    Raises
    ------
    InputError
        Where a field holds no text.
    """
    nodes, edges = dict(network.node_data), dict(network.edge_data)
    texts = _taken(TEXT, nodes), _taken(TEXT, edges)
    labels = _taken(LABEL, nodes).get("")
    if labels is None and not any(texts):
        return network
    return replace(
        network,
        node_data=nodes | texts[0],
        edge_data=edges | texts[1],
        labels=network.labels if labels is None else labels.tolist(),
    )


def _packed(kind: str, name: str, texts: list[str]) -> dict[str, NDArray[np.int64]]:
    raw = [text.encode() for text in texts]
    count = max(1, -(-max(map(len, raw), default=0) // BYTES))
    padded = b"".join(text.ljust(BYTES * count, b"\0") for text in raw)
    parts = np.frombuffer(padded, np.uint8).reshape(len(raw), count, BYTES).astype(np.int64)
    numbers = parts @ (256 ** np.arange(BYTES, dtype=np.int64))
    return {f"{kind}_{k}:{quote(name, safe='')}": numbers[:, k - 1] for k in range(1, count + 1)}


def _taken(kind: str, fields: dict[str, NDArray]) -> dict[str, NDArray]:
    """Remove the encoded fields of a kind from some data; returns the texts by name."""
    out = {}
    first = f"{kind}_1:"
    for field in [f for f in fields if f.startswith(first)]:
        name, columns = field.removeprefix(first), list[NDArray]()
        while (more := f"{kind}_{len(columns) + 1}:{name}") in fields:
            columns.append(np.asarray(fields.pop(more), dtype=float))
        numbers = np.stack(columns, axis=1)
        try:
            if not ((numbers >= 0) & (numbers < 256**BYTES) & (numbers % 1 == 0)).all():
                raise ValueError
            parts = numbers.astype("<i8").view(np.uint8).reshape(*numbers.shape, 8)[..., :BYTES]
            raw = parts.reshape(len(numbers), -1)
            out[unquote(name)] = np.array([row.tobytes().rstrip(b"\0").decode() for row in raw])
        except ValueError:
            raise InputError(f"The data {field!r} hold no text.") from None
    return out
