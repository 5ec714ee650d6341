# The Airflow image: API server, scheduler, Dag processor, triggerer and workers, with phrasemill, its Dags and plugin.
#   docker build -f docker/airflow.Dockerfile -t phrasemill-airflow:0.1.0 .
# Engines run elsewhere (docker/engines.Dockerfile) and storage is a connection, so the image holds neither.

FROM python:3.11-slim-bookworm AS wheel
WORKDIR /src
COPY requirements/build.txt requirements/build.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY include include
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

# Slim: the other variant brings sixty providers, whose packages the lock below would pull from under them.
FROM apache/airflow:slim-3.3.2-python3.11
LABEL org.opencontainers.image.title="phrasemill-airflow" \
      org.opencontainers.image.description="Airflow with phrasemill: scheduler, workers and pages" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/apache/airflow:slim-3.3.2-python3.11"

# By number, so that Kubernetes' runAsNonRoot can tell that it is not root; the group 0 is the base image's rule.
USER 50000:0
WORKDIR /opt/phrasemill

# From wheels whose hashes the lock pins: no compiler is needed. The lock also serves checkouts, whose editable install
# builds with hatchling; it leaves again in the same layer.
COPY --chown=50000:0 requirements/fleet.txt requirements/fleet.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/fleet.txt \
    && pip uninstall --yes hatchling trove-classifiers tomlkit

RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels pip install --no-cache-dir --no-deps /wheels/*.whl

COPY --chown=50000:0 dags dags
COPY --chown=50000:0 plugins plugins
COPY --chown=50000:0 include/corpora include/corpora
COPY --chown=50000:0 docker/init.py init.py

# Corpus files may be mounted over these, or another folder named beside them with ':' between.
ENV AIRFLOW__CORE__DAGS_FOLDER=/opt/phrasemill/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/phrasemill/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    PHRASEMILL_CORPORA=/opt/phrasemill/include/corpora \
    MPLCONFIGDIR=/tmp/matplotlib
