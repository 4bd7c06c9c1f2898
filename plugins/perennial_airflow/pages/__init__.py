"""The review pages inside Airflow's web interface. Only its API server imports what is below."""
