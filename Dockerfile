# kotune on the image that Axolotl's authors publish. Build and run: docs/docker.md
#
# A tag can be moved; a digest cannot. Whoever builds fills it in (this was written where Docker Hub could not be asked):
#   docker buildx imagetools inspect axolotlai/axolotl:0.19.0 --format '{{.Manifest.Digest}}'
#   docker build --build-arg BASE=axolotlai/axolotl:0.19.0@sha256:... --tag kotune .
ARG BASE=axolotlai/axolotl:0.19.0
FROM ${BASE}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /kotune
ARG BASE
LABEL org.opencontainers.image.base.name="${BASE}"
RUN case "${BASE}" in *@sha256:*) ;; *) \
    printf '\n%s\n' "WARNING: THE BASE ${BASE} IS A TAG, WHICH CAN BE MOVED TO ANOTHER IMAGE." \
      "WARNING: Name its digest: --build-arg BASE=${BASE}@sha256:... (docs/docker.md)" >&2 ;; esac
# Behind a proxy with certificates of its own: --build-arg SSL_CERT_FILE=PATH, a file of the base that has them.
ARG SSL_CERT_FILE

# What the base lacks, at the lock's versions and hashes, which uv holds against what it installs and what it builds with; the
# base's torch, and what belongs to that, stay as they are.
COPY pyproject.toml requirements.lock ./
RUN command -v uv || { sed -n '/^uv==/,/[^\\]$/p' requirements.lock > /tmp/uv \
    && python -m pip install --no-cache-dir --require-hashes --requirement /tmp/uv && rm /tmp/uv; }
RUN awk '/^[a-z0-9]/ { is = ($0 ~ /^(torch|torchao|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/) } !is' \
    requirements.lock > /tmp/lock \
  && python -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >> /tmp/lock \
  && uv pip install --python "$(command -v python)" --no-cache --compile-bytecode \
       --requirements pyproject.toml --extra train --constraints /tmp/lock --build-constraints /tmp/lock \
  && rm /tmp/lock

# The base keeps its Python below /root, which only root may enter. Any user may write runs and the cache, nobody the code.
COPY . .
RUN uv pip install --python "$(command -v python)" --no-cache --no-deps \
       --build-constraints requirements.lock --editable . \
  && python -P -m kotune_tasks.install \
  && python -m compileall -q kodata kotune tasks \
  && place=$(dirname "$(readlink -f "$(command -v python)")") \
  && while [ "$place" != / ]; do chmod o+x "$place"; place=$(dirname "$place"); done \
  && test -x /workspace/axolotl/scripts/uv-entrypoint.sh \
  && mkdir -p runs /cache/huggingface \
  && chmod 1777 runs /cache /cache/huggingface

# On a GPU Triton makes its kernels with these, when training begins: `run` looks for them, too.
RUN python -P -c 'from kotune.worker import compiler; print(f"WARNING: {lacks}; {compiler.INSTALL}" if (lacks := compiler.missing()) \
      else "a C compiler and Python.h are there: build-essential python3-dev")'

# A user of any number works: nothing is looked up by its name. Tokens come when it is run (--env-file), never here.
ENV HF_HOME=/cache/huggingface \
    HOME=/cache \
    USER=kotune \
    AXOLOTL_DO_NOT_TRACK=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    PYTHONUNBUFFERED=1
VOLUME ["/cache"]
USER 10001:10001
# The base's own entrypoint finds CUDA's libraries and then starts what follows.
ENTRYPOINT ["/workspace/axolotl/scripts/uv-entrypoint.sh", "python", "/kotune/cli.py"]
