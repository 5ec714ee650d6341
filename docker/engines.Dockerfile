# The engines' image: vLLM for NVIDIA GPUs, supervised by `phrasemill serve`.
#   docker build -f docker/engines.Dockerfile -t phrasemill-engines:0.1.0 .
#   docker run --rm --init --gpus all --stop-timeout 150 -p 127.0.0.1:8000-8003:8000-8003 \
#       -e PHRASEMILL_API_KEY -v phrasemill-cache:/var/cache/phrasemill phrasemill-engines:0.1.0 \
#       --model Qwen/Qwen2.5-1.5B-Instruct --host 0.0.0.0 --advertise localhost
# Models are not in it: they come from the Hugging Face hub into the cache volume, or from a folder that is mounted.

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY include include
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# phrasemill has an environment of its own, so that vLLM's packages stay as its makers tested them. It is made on the
# same image, because an environment points at the Python that it was made with.
FROM vllm/vllm-openai:v0.20.2 AS environment
COPY requirements/engines-image.txt /tmp/engines-image.txt
COPY --from=wheel /wheels /tmp/wheels
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
RUN uv venv --python "$(command -v python3)" /opt/phrasemill \
    && uv pip install --no-cache --python /opt/phrasemill/bin/python --no-deps --require-hashes --only-binary :all: \
        -r /tmp/engines-image.txt \
    && uv pip install --no-cache --python /opt/phrasemill/bin/python --no-deps /tmp/wheels/*.whl

FROM vllm/vllm-openai:v0.20.2
LABEL org.opencontainers.image.title="phrasemill-engines" \
      org.opencontainers.image.description="vLLM engines on all GPUs of a machine, kept alive by phrasemill serve" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/vllm/vllm-openai:v0.20.2"

COPY --from=environment /opt/phrasemill /opt/phrasemill

# A user with a name, because PyTorch asks for it; volumes take over what their folders are here.
RUN useradd --uid 10001 --gid 0 --no-create-home --home-dir /var/lib/phrasemill --shell /usr/sbin/nologin phrasemill \
    && mkdir -p /var/lib/phrasemill /var/cache/phrasemill \
    && chown 10001:0 /var/lib/phrasemill /var/cache/phrasemill \
    && chmod 0770 /var/lib/phrasemill /var/cache/phrasemill

# State and logs in the home; models and compiled kernels in the cache. Losing either costs a slower start, no more.
ENV HOME=/var/lib/phrasemill \
    XDG_CACHE_HOME=/var/cache/phrasemill \
    HF_HOME=/var/cache/phrasemill/huggingface \
    TRITON_CACHE_DIR=/var/cache/phrasemill/triton \
    PHRASEMILL_VLLM_PYTHON=python3 \
    PYTHONUNBUFFERED=1
USER 10001:0
# As that user, who may read less than root.
RUN /opt/phrasemill/bin/phrasemill serve --help >/dev/null \
    && python3 -c "import importlib.metadata; print('vLLM', importlib.metadata.version('vllm'))"
WORKDIR /var/lib/phrasemill
VOLUME ["/var/lib/phrasemill", "/var/cache/phrasemill"]
EXPOSE 8000 9400

# No shell in between: SIGTERM reaches serve, which lets the engines finish what they have in flight.
ENTRYPOINT ["/opt/phrasemill/bin/phrasemill", "serve"]
CMD ["--help"]
