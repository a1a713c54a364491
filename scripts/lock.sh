#!/bin/sh
# Rewrites constraints.txt: the newest versions that every supported Python can install as wheels.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
command -v "$uv" >/dev/null || uv=uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for version in 3.12 3.13 3.14; do
    "$uv" pip compile -q --upgrade --no-header --no-annotate --no-emit-index-url \
        --only-binary :all: --python-version "$version" --python-platform x86_64-manylinux_2_34 \
        --extra test pyproject.toml -o "$work/$version.txt"
done
for version in 3.13 3.14; do
    diff "$work/3.12.txt" "$work/$version.txt" ||
        { echo "lock: 3.12 and $version need different versions (above): bound them in pyproject.toml" >&2; exit 1; }
done
{
    echo "# The environment mechlearn is tested in, the same for Python 3.12 to 3.14."
    echo "# Written by scripts/lock.sh (make lock)."
    cat "$work/3.12.txt"
    echo "# the installer"
    "$uv" --version | sed 's/^uv \([0-9.]*\).*/uv==\1/'
} >constraints.txt
echo "lock: constraints.txt pins $(grep -c == constraints.txt) packages"
