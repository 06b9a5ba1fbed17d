"""Kaltura without Airflow: the official client made trustworthy. Nothing heavy is imported before the first request."""
