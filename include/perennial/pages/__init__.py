"""Pages: what `review` says, as HTML for people and as JSON for scripts. Nothing here knows Airflow or HTTP."""
