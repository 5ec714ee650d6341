# The Airflow image: scheduler, workers and UI with phrasemill, its Dags and its plugin.
#   docker build -f docker/airflow.Dockerfile -t phrasemill-airflow .
# Engines run elsewhere (phrasemill serve) and storage is a connection, so the image holds neither.
FROM apache/airflow:3.3.2-python3.11

# Everything is installed as the image's own user, from wheels whose hashes the lock pins: no compiler needed.
USER airflow
WORKDIR /opt/phrasemill

COPY --chown=airflow:0 requirements/airflow.txt requirements/airflow.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r requirements/airflow.txt

COPY --chown=airflow:0 pyproject.toml README.md LICENSE ./
COPY --chown=airflow:0 include include
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

COPY --chown=airflow:0 dags dags
COPY --chown=airflow:0 plugins plugins

ENV AIRFLOW__CORE__DAGS_FOLDER=/opt/phrasemill/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/phrasemill/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    PHRASEMILL_CORPORA=/opt/phrasemill/include/corpora
