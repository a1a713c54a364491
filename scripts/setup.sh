#!/bin/sh
# Makes .venv with everything mechlearn needs, as pinned in constraints.txt.
#
#   scripts/setup.sh            set up (what `make demo` and `make test` call when needed)
#   scripts/setup.sh --debian   print the Debian packages this machine lacks, and do nothing
#
# PYTHON=/path/to/python chooses the interpreter.
set -u
cd "$(dirname "$0")/.." || exit 1

here=$(pwd -P)
venv=.venv
log=.setup.log
stamp=$venv/.ready

say() { printf 'mechlearn: %s\n' "$*"; }
die() { printf 'mechlearn: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# -- which Python ----------------------------------------------------------------------------------

# Every interpreter worth trying, best first: versions the pins were tested on, then the others.
candidates() {
    [ -n "${PYTHON:-}" ] && command -v "$PYTHON"
    for name in python3.13 python3.12 python3.14 python3 python; do
        old_ifs=$IFS; IFS=:
        for dir in $PATH; do [ -x "$dir/$name" ] && printf '%s\n' "$dir/$name"; done
        IFS=$old_ifs
    done
    # pyenv's shims answer only for the selected version: look at the versions themselves.
    for root in "${PYENV_ROOT:-}" "$(pyenv root 2>/dev/null)" "${HOME:-}/.pyenv"; do
        [ -d "$root/versions" ] || continue
        for version in 3.13 3.12 3.14; do
            for python in "$root/versions/$version"*/bin/python3; do
                [ -x "$python" ] && printf '%s\n' "$python"
            done
        done
    done
    have uv && uv python find --no-python-downloads '>=3.12' 2>/dev/null
    return 0
}

# Prints "verdict|version|executable|folder of the headers" for an interpreter that runs.
probe='
import os, sys, sysconfig
include = sysconfig.get_path("include")
if sys.version_info < (3, 12) or sys.implementation.name != "cpython":
    verdict = "old"
elif sysconfig.get_config_var("Py_GIL_DISABLED"):
    verdict = "old"
else:
    verdict = "ok"
    try:
        import ensurepip, venv
    except ImportError:
        verdict = "novenv"
    if not os.path.exists(os.path.join(include, "Python.h")):
        verdict = "noheaders"
version = "%d.%d.%d" % sys.version_info[:3]
print("|".join([verdict, version, sys.executable, include]))
'

# Sets verdict, version, python, include: the first that will do, or else the nearest miss.
find_python() {
    verdict=none version='' python='' include=''
    oldest=
    list=$(candidates)
    old_ifs=$IFS; IFS='
'
    for candidate in $list; do
        answer=$("$candidate" -c "$probe" 2>/dev/null) || continue
        v=${answer%%|*}; rest=${answer#*|}
        [ "$v" = novenv ] && have uv && v=ok
        case $v in
            ok) ;;
            novenv | noheaders) [ "$verdict" = none ] || continue ;;
            old) [ -n "$oldest" ] || oldest=${rest%%|*}; continue ;;
            *) continue ;;
        esac
        verdict=$v
        version=${rest%%|*}; rest=${rest#*|}
        python=${rest%%|*}; include=${rest#*|}
        [ "$v" = ok ] && break
    done
    IFS=$old_ifs
}

# Whether a conda environment with DOLFINx 0.11 is active.
conda_ready() {
    [ -n "${CONDA_PREFIX:-}" ] && [ -x "$CONDA_PREFIX/bin/python" ] || return 1
    "$CONDA_PREFIX/bin/python" -c '
import sys, dolfinx
sys.exit(sys.version_info < (3, 12) or not dolfinx.__version__.startswith("0.11"))' >/dev/null 2>&1
}

# Whether the DOLFINx wheel runs here: Linux x86-64 with glibc 2.34 or newer.
wheel_platform() {
    [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] || return 1
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || return 1
    libc=${libc#glibc }
    [ "${libc%%.*}" -gt 2 ] || [ "$(printf '%s' "${libc#*.}" | sed 's/[^0-9].*//')" -ge 34 ]
}

# Whether the C compiler works and finds the headers in $include: DOLFINx compiles forms with it.
compiler() { for cc in "${CC:-}" cc gcc clang; do [ -n "$cc" ] && have "${cc%% *}" && return 0; done; return 1; }
compiles() { printf '#include <Python.h>\n' | $cc -I"$include" -E - >/dev/null 2>&1; }

# Whether pictures can be drawn with no screen: VTK loads one of these when it first renders.
off_screen() {
    "$1" -c '
import ctypes, sys
for names in (["libEGL.so.1", "libGL.so.1"], ["libOSMesa.so.8"], ["libOSMesa.so"]):
    try:
        [ctypes.CDLL(name) for name in names]
        sys.exit(0)
    except OSError:
        pass
sys.exit(1)' >/dev/null 2>&1
}
gl_packages="libegl1 libgl1 libgl1-mesa-dri"

# Whether gmsh can be loaded: it links to what its windows would need, and never opens one here.
gmsh_loads() {
    "$1" -c '
import ctypes, sys
try:
    for name in ("GLU.so.1", "GL.so.1", "Xcursor.so.1", "Xft.so.2", "Xinerama.so.1"):
        ctypes.CDLL("lib" + name)
except OSError:
    sys.exit(1)' >/dev/null 2>&1
}
gmsh_packages="libglu1-mesa libxcursor1 libxft2 libxinerama1"

# -- what the machine lacks ------------------------------------------------------------------------

if [ "${1:-}" = --debian ]; then
    find_python
    case $verdict in
        none) echo python3 python3-venv python3-dev ;;
        novenv) echo "python${version%.*}-venv" ;;
        noheaders) echo "python${version%.*}-dev" "python${version%.*}-venv" ;;
    esac
    compiler || echo gcc libc6-dev
    [ "$verdict" != none ] && off_screen "$python" || echo "$gl_packages"
    [ "$verdict" != none ] && gmsh_loads "$python" || echo "$gmsh_packages"
    exit 0
fi

conda=no
if conda_ready; then
    conda=yes verdict=ok python=$CONDA_PREFIX/bin/python
    answer=$("$python" -c "$probe"); rest=${answer#*|}
    version=${rest%%|*} include=${rest##*|}
elif wheel_platform; then
    find_python
else
    die "DOLFINx has no wheel for this platform ($(uname -sm); it needs Linux x86-64 with glibc" \
        "2.34 or newer): use conda, 'conda env create -f environment.yml && conda activate" \
        "mechlearn', and run make again."
fi

case $verdict in
    none) die "no Python 3.12 or newer runs here${oldest:+ (found $oldest)}: install one with the" \
        "system's package manager, 'uv python install 3.13' or 'pyenv install 3.13', and run make" \
        "again (or name one: make PYTHON=/path/to/python)." ;;
    novenv) die "Python $version ($python) lacks its venv module: install it (on Debian and" \
        "Ubuntu: apt-get install python${version%.*}-venv) and run make again." ;;
    noheaders) die "Python $version ($python) lacks its C headers, which DOLFINx needs to compile:" \
        "install them (on Debian and Ubuntu: apt-get install python${version%.*}-dev) and run" \
        "make again." ;;
esac
compiler || die "no C compiler was found, and DOLFINx needs one to compile: install it (on Debian" \
    "and Ubuntu: apt-get install gcc libc6-dev) and run make again."
compiles || die "the C compiler '$cc' cannot compile against the headers of Python $version:" \
    "install the C library's headers (on Debian and Ubuntu: apt-get install libc6-dev) and run" \
    "make again."

# -- install ---------------------------------------------------------------------------------------

# step WHAT COMMAND...: runs the command into the log, with the seconds on a terminal.
step() {
    what=$1; shift
    began=$(date +%s)
    "$@" >>"$log" 2>&1 &
    job=$!
    trap 'kill $job 2>/dev/null; exit 130' INT TERM
    if [ -t 1 ]; then
        while kill -0 $job 2>/dev/null; do
            printf '\rmechlearn: %s, %s s ' "$what" "$(($(date +%s) - began))"
            sleep 0.3
        done
        printf '\r\033[K'
    fi
    wait $job; status=$?
    trap - INT TERM
    [ $status -eq 0 ] && say "$what: done in $(($(date +%s) - began)) s"
    return $status
}

failed() {
    printf '\n' >&2
    tail -n 15 "$log" >&2
    printf '\n' >&2
    die "$1; the whole log is in $log."
}

make_venv() {
    if have uv && uv venv -q --seed --clear --python "$python" $system_site "$venv"; then return 0; fi
    "$python" -m venv --clear $system_site "$venv"
}

# uv does not read pip's configuration: hand it the index and the certificates.
pip_setting() {
    "$venv/bin/python" -m pip config list 2>/dev/null | sed -n "s/^[^.]*\.\(.*\.\)\{0,1\}$1='\(.*\)'\$/\2/p" | tail -n 1
}
install_fast() {
    if have uv; then uv=uv
    else
        "$venv/bin/python" -m pip install --disable-pip-version-check -c constraints.txt uv || return 1
        uv=$venv/bin/uv
    fi
    index=$(pip_setting index-url); cert=$(pip_setting cert)
    [ -n "$index" ] && export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    [ -n "$cert" ] && export SSL_CERT_FILE="${SSL_CERT_FILE:-$cert}"
    "$uv" pip install --python "$venv/bin/python" -c constraints.txt -e '.[test]'
}
install_pip() {
    "$venv/bin/python" -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
}
# In a conda environment: only what it lacks, in the versions that suit it.
install_conda() {
    "$venv/bin/python" -c '
import tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = project["dependencies"] + project["optional-dependencies"]["test"]
print(*[w for w in wanted if not w.startswith("dolfinx-solver")], sep="\n")' >"$venv/wanted.txt" &&
    "$venv/bin/python" -m pip install --disable-pip-version-check -r "$venv/wanted.txt" &&
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -e .
}

# Imports everything once: a broken library shows here, and later starts find compiled modules.
check='
try:
    import dolfinx_solver
except ImportError:
    pass
import dolfinx.fem.petsc, dolfinx.io, dolfinx.mesh, ufl
import cyclopts, gemmi, h5netcdf, h5py, jinja2, matplotlib.pyplot, meshio, pydantic, pyvista
import rich.progress
import scipy.optimize, scipy.sparse.linalg, scipy.spatial, threadpoolctl, tomli_w, xarray
import distributed, ezdxf, hypothesis.strategies, nevergrad, networkx, pytest, selenium, shapely, xdist
import furo, hatchling, myst_nb, sphinx
import lib3mf, manifold3d, sklearn.datasets, trame.app, trame.widgets.vtk, trimesh
import compileall
compileall.compile_dir("mechlearn", quiet=1)
'

start=$(date +%s)
: >"$log"
system_site=
if [ $conda = yes ]; then
    system_site=--system-site-packages
    say "set-up: Python $version of the active conda environment"
else
    say "set-up: Python $version ($python)"
fi

# A .venv of the same Python that runs is kept: an update then takes seconds.
made_of=$("$venv/bin/python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
if [ "$made_of" = "$version" ] && [ "$(cat "$venv/.base" 2>/dev/null)" = "$here $python" ]; then
    rm -f "$stamp"
elif [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
    die "$venv exists and is not a virtual environment: move it away and run make again."
else
    step "virtual environment in $venv" make_venv || failed "$python could not make $venv"
    printf '%s\n' "$here $python" >"$venv/.base"
fi

if [ $conda = yes ]; then
    step "packages" install_conda || failed "installing the packages failed (is the package index within reach?)"
else
    step "packages" install_fast || {
        say "packages: uv could not install them; trying pip, which takes about a minute"
        step "packages" install_pip || failed "installing the packages failed (is the package index within reach?)"
    }
fi

step "first import" env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c "$check" ||
    failed "the packages were installed but do not import"
off_screen "$venv/bin/python" ||
    say "note: drawing without a screen needs EGL (on Debian and Ubuntu: apt-get install $gl_packages)"
gmsh_loads "$venv/bin/python" ||
    say "note: meshing solids needs libraries of gmsh (on Debian and Ubuntu: apt-get install $gmsh_packages)"

printf '%s\n' "$here" >"$stamp"
say "set-up: ready after $(($(date +%s) - start)) s"
