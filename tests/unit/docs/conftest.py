"""The examples import Airflow, which must find a home of its own."""

import tests.airflow_home  # noqa: F401 - for what it does when it is imported
