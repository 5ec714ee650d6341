"""Pages inside Airflow's UI, served by the plugin in plugins/. Every route asks Airflow who may see it."""
