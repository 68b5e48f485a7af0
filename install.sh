#!/usr/bin/env bash
# Installs the locked environment into a venv: bash install.sh .venv/bin [light|package]
# light: without torch and all that trains. package: kotune itself copied, without what only its developers need. Every file that an index sends is held against its hash in requirements.lock.
# One exception: where pip's configuration offers a CPU build of torch (find-links) it is used, unless this machine has an NVIDIA
# GPU. No index has that build, so nothing in the lock can vouch for it: it is named aloud, and taken by its version alone.
# The other: CUDA=12.6 bash install.sh ... takes the build of torch for drivers older than the lock's CUDA from torch's own index
# (TORCH_INDEX: a mirror of it), and the packages of NVIDIA's that this build pins from the usual one, all by their versions alone.
set -euo pipefail
bin=$1
kind=${2:-whole}

"$bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' ||
  { echo "error: Python 3.11 or 3.12 is needed; name one with: make setup PYTHON=python3.11" >&2; exit 2; }

lock=requirements.lock
part=$(mktemp)
trap 'rm -f "$part"' EXIT
# The lines of the lock that are, or with -v are not, about the packages of this pattern.
locked() { awk -v names="^($1)==" -v not="${2:-}" '/^[A-Za-z0-9]/ { is = ($0 ~ names) } (not == "-v") != is' $lock; }

torch=$(locked torch | cut -d' ' -f1 | head -n 1)
own=$(sed -n 's/^cuda-toolkit==\([0-9]*\.[0-9]*\).*/\1/p' $lock)
[ "${CUDA:-}" != "$own" ] || CUDA=
[ "$kind" != light ] || CUDA= # it has no torch
build=${CUDA:+cu${CUDA//./}}
known="known for $torch: CUDA=12.6, and $own, which is the lock's own; whether there is another, torch's index tells"
[[ ${CUDA:-} =~ ^([0-9]+\.[0-9]+)?$ ]] || { echo "error: CUDA=$CUDA: give a version of CUDA, as 12.6, or unset the variable CUDA; $known" >&2; exit 2; }

# uv installs the rest; setuptools builds what has no wheel, and this project, in place of one that nothing pins.
locked 'uv|setuptools' > "$part"
"$bin/pip" install --quiet --require-hashes --no-deps -r "$part"

# What pip would use, option by option: its files first, then its environment, which wins.
setting() { { "$bin/pip" config get "global.$1"; "$bin/pip" config get ":env:.$1"; } 2>/dev/null | tail -n 1 || true; }
# The first index that has a package is the only one that is asked for it, and the public one comes before those that are added to it.
words=(--python "$bin/python" --quiet --compile-bytecode --index-strategy first-index)
indexes=("$(setting index-url)")
[ -n "${indexes[0]}" ] || indexes=(https://pypi.org/simple)
for url in $(setting extra-index-url); do
  case $url in file:*) ;; *) indexes+=("$url") ;; esac # not folders: one may hold the wheels of another Python alone
done
last=$((${#indexes[@]} - 1)) # uv asks its default index last
for url in "${indexes[@]:0:$last}"; do words+=(--index "$url"); done
words+=(--default-index "${indexes[$last]}")

if [ "$kind" = light ]; then # uv holds what it installs against the hashes of the constraints, too
  "$bin/uv" pip install "${words[@]}" --no-build-isolation -c $lock -e .
  exit
fi

# What PyPI's build of torch needs, and other builds do not.
family='torch|cuda-[a-z]+|nvidia-(cu[a-z0-9-]+|nccl-[a-z0-9]+|nvjitlink[a-z0-9-]*|nvshmem-[a-z0-9]+|nvtx[a-z0-9-]*)'
cuda='$^' # no name at all
index=${TORCH_INDEX:-https://download.pytorch.org/whl}/$build
of_torch=(--python "$bin/python" --quiet --compile-bytecode --default-index "$index" "$torch+$build")
if [ -n "$build" ] && ! "$bin/uv" pip install --dry-run --no-deps "${of_torch[@]}" 2> "$part"; then
  echo "error: CUDA=$CUDA: no $torch+$build at $index ($(tr -s ' \n' ' ' < "$part")); $known" >&2
  exit 2
fi
# A torch of another CUDA goes first, with all that came with it: files of two builds would lie in one folder.
installed=$("$bin/uv" pip freeze --python "$bin/python" | cut -d= -f1,3)
was=$(sed -n 's/^torch=.*+\(cu.*\)/\1/p' <<< "$installed")
if [ "$was" != "$build" ] && grep -q '^torch=' <<< "$installed"; then
  rm -f "$bin/../.installed" # make's stamp: from here on the environment is not whole
  cut -d= -f1 <<< "$installed" | grep -xE "$family" > "$part"
  "$bin/uv" pip uninstall --python "$bin/python" --quiet -r "$part"
fi
if [ -n "$build" ]; then
  "$bin/uv" pip install --no-deps "${of_torch[@]}"
  locked "$family" -v > "$part"
  "$bin/uv" pip install "${words[@]}" --no-build-isolation -c "$part" "$torch+$build" # what it needs; itself, it is there
  echo "torch: $torch+$build as $index has it, and what it pins of NVIDIA's; the lock has no hash for these" >&2
  cuda=$family
elif [ ! -e /proc/driver/nvidia/version ] && [ ! -e /dev/nvidia0 ]; then
  for place in $(setting find-links); do
    if "$bin/uv" pip install "${words[@]}" --no-deps --no-index --find-links "$place" "$torch" 2> "$part"; then
      echo "torch: $torch as $place has it; the lock has no hash for that build" >&2
      cuda=$family
      break
    fi
  done
fi
locked "$cuda" -v > "$part"
if [ "$kind" = package ]; then
  "$bin/uv" pip install "${words[@]}" --no-build-isolation -c "$part" '.[train]'
else
  "$bin/uv" pip install "${words[@]}" --require-hashes --no-deps --no-build-isolation -r "$part"
  "$bin/uv" pip install "${words[@]}" --no-deps --no-build-isolation -e .
fi
"$bin/uv" pip check --python "$bin/python" --quiet # nothing is missing that the lock should have had
"$bin/python" -P -m kotune_tasks.install
