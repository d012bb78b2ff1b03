#!/bin/sh
# The interface of a recipe on a GPU: LAMMPS (GPU package, KOKKOS with CUDA) and OpenMM, compared with the processor.
#
#   benchmarks/gpu.sh                                  the published interface, 13,284 atoms
#   LAMMPS=/path/to/lmp benchmarks/gpu.sh --gpus 2     the LAMMPS of this machine, two GPUs
#   benchmarks/gpu.sh --size 0.15 --steps 100          about 2,000 atoms, to try the script
#
# PYTHON names the interpreter of the environment that has aiida-cse and its extra `peers`. A program or a package
# that is missing is named in the table and skipped. Without a GPU only the rows of the processor run.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
case $python in
    /*) ;;
    *) python=$PWD/$python ;;
esac
if [ ! -x "$python" ]; then
    echo "gpu.sh: PYTHON = $python: no such program; name the interpreter that has aiida-cse" >&2
    exit 2
fi
lammps=${LAMMPS:-$(command -v lmp || echo "$(dirname "$python")/lmp")}
case $lammps in
    /*) ;;
    */*) lammps=$PWD/$lammps ;;
    *) lammps=$(command -v "$lammps" || echo "$lammps") ;;
esac

if command -v nvidia-smi >/dev/null 2>&1; then
    nvidia-smi -L || true
else
    echo "nvidia-smi: not found, so that no GPU is assumed"
fi
cd "$here"
exec "$python" -m benchmarks.gpu --lammps "$lammps" "$@"
