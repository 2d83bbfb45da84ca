#!/bin/sh
# make.sh NAME [WHERE]: make one of the virtual environments that the optimizers run in.
#
# NAME is that of a list here, NAME.txt; ../optimizers/registry.py says which optimizer needs which.
# WHERE is by default benchmarks/compare/.environments/NAME, where `python benchmarks/compare` looks.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
name=${1:?usage: make.sh NAME [WHERE]}
where=${2:-$here/../.environments/$name}
requirements=$here/$name.txt
if [ ! -f "$requirements" ]; then
    echo "make.sh: no environment $name; there are" $(cd "$here" && ls -- *.txt | sed 's/\.txt$//') >&2
    exit 1
fi

mkdir -p "$where"
where=$(cd "$where" && pwd)
"${PYTHON:-python3}" -m venv "$where"
cd "$here/../../.."  # what "-e ." in a list means
set -- "$where/bin/python" -m pip install --quiet --disable-pip-version-check
if [ -f "$here/$name.build" ]; then  # builds that do not say themselves what they need
    "$@" -r "$here/$name.build"
    set -- "$@" --no-build-isolation --no-cache-dir  # what is cached may have been built without it
fi
"$@" -r "$requirements"
