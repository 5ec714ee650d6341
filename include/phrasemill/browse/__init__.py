"""Reading a release as hypertext: look-ups over its files, and the pages that are drawn from them. Without Airflow."""
