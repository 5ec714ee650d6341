"""Where phrasemill meets Airflow: connection type, task functions, Dags. Nothing else here imports Airflow."""
