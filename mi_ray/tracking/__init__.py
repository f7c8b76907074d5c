"""Floor 3, one wing: a mirror of the store in MLflow. Cells are in the store, so losing MLflow loses no result.

Defaults are set here, before mlflow is imported, unless the environment has others: a dead server costs seconds instead
of minutes, and mlflow sends no telemetry and prints nothing.
"""

import logging
import os

for _name, _value in {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(_name, _value)
for _name in ("alembic", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.ERROR)
