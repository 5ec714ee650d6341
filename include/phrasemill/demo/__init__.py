"""The demo: S3 server, vLLM engine and Airflow on this machine, and one night ground on them."""
