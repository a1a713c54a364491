"""Ways to break what was right: tables, texts, bytes and arrays, each from a given random."""

import contextlib
import copy
import datetime
import io
import random
import re
import warnings
import zipfile

import numpy as np

#: Values of no or of another kind than what stands there, of every size, and paths that lead away.
VALUES = (
    True,
    False,
    0,
    -1,
    1,
    2,
    3,
    7,
    0.5,
    -0.0,
    1e-5,
    1e-300,
    5e-324,
    1e300,
    -1e300,
    1e9,
    float("nan"),
    float("inf"),
    float("-inf"),
    10**9,
    -(10**9),
    2**31,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    2**63,
    10**30,
    10**400,
    "",
    " ",
    "x",
    "nan",
    "1",
    "free",
    "é\u202e\U0001f600",
    "\0",
    "a\nb\r\u2028c\x1b[31m",
    "a" * 70_000,
    "../../x",
    "../../x.csv",
    "/etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/mem",
    ".",
    "~",
    "nowhere/x.vtu",
    "x.pdb",
    [],
    {},
    [[]],
    [1, 2, 3],
    [0, 7],
    [[0, 1], [1, 2]],
    ["x"],
    {"a": 1},
    {"name": "x"},
    [float("nan")],
    [1e300, 1e300],
    [10**30, 0],
    datetime.date(2020, 1, 1),
    datetime.time(1, 2),
    [[[[[[[[1]]]]]]]],
)
#: Words in place of words in texts and tables.
WORDS = (
    b"nan",
    b"inf",
    b"-inf",
    b"1e999",
    b"-1",
    b"0",
    b"1",
    b"2",
    b"3",
    b"1.5",
    b"1e-320",
    b"1e300",
    b"2147483648",
    b"99999999999",
    b"9223372036854775808",
    b"1" * 5000,
    b"",
    b"x",
    b"\xff\xfe",
    b"\0",
    "é\u202e".encode(),
    b"../../x",
    b"/etc/passwd",
    b"/dev/zero",
    b'"',
    b"<",
    b">",
    b"&lt;",
    b"#",
    b",",
    b"True",
    b"0x10",
    b"1_0",
    b"-0",
    b"a" * 200_000,
    b"\n",
    b"\x85",
)
_WORD = re.compile(rb"[^\s<>\"'=,;\[\]]+")


def tree(rng: random.Random, data: dict, vocabulary: dict[str, list]) -> dict:
    """Break one place in nested tables; ``vocabulary`` has values that keys take elsewhere."""
    holder, key = rng.choice(list(places(data)))
    old = holder[key]
    ways = ["value", "value", "known", "known", "number", "drop", "swap", "typo", "foreign", "wrap"]
    way = rng.choice([*ways, *(["list"] * 4 if isinstance(old, list) else [])])
    if way == "known":
        near = vocabulary.get(key if isinstance(key, str) else "") or rng.choice(
            [*vocabulary.values()]
        )
        holder[key] = copy.deepcopy(rng.choice(near))
    elif way == "number" and isinstance(old, (int, float)) and not isinstance(old, bool):
        with contextlib.suppress(OverflowError):  # integers too large for a float stay as they are
            other = [-old, old + 1, float(old), str(old), old * 1.5, [old], old / 1e6]
            holder[key] = rng.choice(other)
    elif way == "drop":
        del holder[key]
    elif way == "swap":
        other, name = rng.choice(list(places(data)))
        if not _inside(old, other) and not _inside(other[name], holder):
            holder[key], other[name] = other[name], old
    elif way == "typo" and isinstance(key, str) and key:
        at = rng.randrange(len(key))
        holder[key[:at] + rng.choice(["", "x", "é", "\n", " ", "."]) + key[at + 1 :]] = holder.pop(
            key
        )
    elif way == "foreign" and isinstance(holder, dict):
        name = rng.choice([*vocabulary])
        holder[name] = copy.deepcopy(rng.choice(vocabulary[name]))
    elif way == "wrap":
        holder[key] = rng.choice([[old], {"a": old}, [old, old], [old] * 300])
    elif way == "list" and old:
        at = rng.randrange(len(old))
        holder[key] = rng.choice(
            [old[:at], old[at:], old[::-1], old + old, [*old, old[at]], old[:at] + old[at + 1 :]]
        )
    else:
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    return data


def places(data, depth=0):
    """Every place in nested tables, as what holds it and its key there."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield data, key
        if isinstance(value, (dict, list)) and depth < 6:
            yield from places(value, depth + 1)


def _inside(part, whole) -> bool:
    return part is whole or (
        isinstance(part, (dict, list))
        and any(_inside(v, whole) for v in (part.values() if isinstance(part, dict) else part))
    )


def text(rng: random.Random, data: bytes) -> bytes:
    """Break a text: words replaced, lines lost, doubled, exchanged, or what :func:`raw` does."""
    way = rng.choice(["word", "word", "word", "word", "words", "line", "line", "raw"])
    if way in ("word", "words"):
        words = list(_WORD.finditer(data))
        for found in sorted(
            rng.sample(words, min(len(words), 1 if way == "word" else 4)), key=lambda m: -m.start()
        ):
            new = rng.choice([*WORDS, rng.choice(words).group()])
            data = data[: found.start()] + new + data[found.end() :]
        return data
    if way == "raw":
        return raw(rng, data)
    lines = data.splitlines(keepends=True) or [b""]
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(to, lines[at])
        case 2:
            lines[at], lines[to] = lines[to], lines[at]
        case 3:
            lines = lines[:at]
        case _:
            lines.insert(at, rng.choice(WORDS) + b"\n")
    return b"".join(lines)


def raw(rng: random.Random, data: bytes) -> bytes:
    """Break bytes: cut, flipped, overwritten, doubled, or nested without end."""
    if not data:
        return rng.choice(WORDS)
    at, to = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    match rng.randrange(9):
        case 0:
            return data[:at]
        case 1:
            return data[at:]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:to] + data[at:]
        case 4:
            return data[:at] + rng.choice([b"[", b"{", b"<a>", b"(", b"\n"]) * 5000 + data[at:]
        case 5:
            size = rng.choice([1, 2, 4, 8])
            return data[:at] + rng.choice([b"\0", b"\xff", b"\x7f"]) * size + data[at + size :]
        case 6:
            return data[:at] + rng.choice(WORDS) + data[to:][:4096] + data[to:]
        case _:
            out = bytearray(data)
            for _ in range(rng.choice([1, 1, 2, 8, 64])):
                out[rng.randrange(len(out))] = rng.randrange(256)
            return bytes(out)


def arrays(rng: random.Random, data: bytes) -> bytes:
    """Break one array of an npz file, and put it together again; or break its bytes."""
    if rng.random() < 0.25:
        return raw(rng, data)
    try:
        with np.load(io.BytesIO(data)) as file:
            given = {name: value for name, value in file.items() if isinstance(value, np.ndarray)}
    except Exception:  # broken before
        return raw(rng, data)
    name = rng.choice([*given])
    old = given.pop(name)
    ways = [
        lambda: {},
        lambda: {name: old.T},
        lambda: {name: old.reshape(-1)},
        lambda: {name: old[:0]},
        lambda: {name: old[..., :1]},
        lambda: {name: old[None]},
        lambda: {name: old[: len(old) // 2]},
        lambda: {name: np.concatenate([old, old])},
        lambda: {name: old.astype(str)},
        lambda: {name: old.astype(bool)},
        lambda: {name: np.array(rng.choice(VALUES[:26]), dtype=object)},
        lambda: {name: np.array("x\0y\n")},
        lambda: {name: np.array(3)},
        lambda: {name[::-1]: old},
        lambda: {name: old, f"../../{name}": old},
        lambda: {name: np.zeros((0, 2**40))},
        lambda: {name: old.astype(np.complex128)},
        lambda: {name: old.astype(np.float16)},
        lambda: {name: np.array(["2020-01-01"], dtype="M8[D]")},
        lambda: {name: old.astype(">f8")},
        lambda: {name: _one(rng, old)},
        lambda: {name: _one(rng, old)},
        lambda: {name: _one(rng, old)},
        lambda: {name: np.array(json_like(rng))},
    ]
    try:
        given |= rng.choice(ways)()
    except (ValueError, TypeError, IndexError, OverflowError):
        given[name] = _one(rng, np.zeros(3))
    out = io.BytesIO()
    np.savez(out, **given)
    if rng.random() < 0.1:
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "a") as archive:
            archive.writestr(rng.choice(["../../x.npy", "/x.npy", f"{name}.npy", "x"]), b"x")
    return out.getvalue()


def _one(rng: random.Random, old: np.ndarray) -> np.ndarray:
    """The array with one element broken."""
    if not old.size or old.dtype.kind not in "fiu":
        return np.array([np.nan, 1e300])
    bad = [np.nan, np.inf, -1, 0, 1e300, 1e-320, 2**62, 0.5]
    out = old.astype(float) if rng.random() < 0.5 else old.copy()
    with np.errstate(all="ignore"):
        bad = np.array(bad).astype(out.dtype)
    out[np.unravel_index(rng.randrange(out.size), out.shape)] = bad[rng.randrange(len(bad))]
    return out


def json_like(rng: random.Random) -> str:
    """A text that reads as JSON, of another kind than wanted."""
    return rng.choice(
        ['{"a": 1}', "[]", "null", "NaN", "1e999", "[" * 3000, '"x"', "{", '{"x": [1, {}]}']
    )
