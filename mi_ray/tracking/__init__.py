"""Floor 3, one wing: MLflow mirrors the store. The store is the truth; losing MLflow loses nothing.

Set here, before mlflow is imported, unless the environment says otherwise: a dead server costs seconds and not minutes,
no telemetry, no chatter.
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
