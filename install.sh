#!/usr/bin/env bash
# Installs the locked environment into a venv: bash install.sh .venv/bin
# Where pip's configuration offers a CPU build of torch it is used, unless this machine has an NVIDIA GPU.
set -euo pipefail
bin=$1

"$bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' ||
  { echo "error: Python 3.11 or 3.12 is needed; name one with: make setup PYTHON=python3.11" >&2; exit 2; }

lock=requirements.lock
uv=$(grep '^uv==' $lock | cut -d' ' -f1)
"$bin/pip" install --quiet "$uv"

# What pip would use, option by option: its files first, then its environment, which wins.
setting() { { "$bin/pip" config get "global.$1"; "$bin/pip" config get ":env:.$1"; } 2>/dev/null | tail -n 1 || true; }
words=()
index=$(setting index-url)
[ -z "$index" ] || words+=(--default-index "$index")
for url in $(setting extra-index-url); do
  # Not folders: of one version uv takes the wheels of the first index that has it, and a folder may hold another Python's.
  case $url in file:*) ;; *) words+=(--index "$url") ;; esac
done
if [ ! -e /proc/driver/nvidia/version ] && [ ! -e /dev/nvidia0 ]; then
  for place in $(setting find-links); do words+=(--find-links "$place"); done
fi
"$bin/uv" pip install --python "$bin/python" --compile-bytecode --quiet --index-strategy unsafe-best-match "${words[@]}" -e '.[train,dev]' -c $lock
"$bin/python" -P -m kotune_tasks.install
