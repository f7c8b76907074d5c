#!/usr/bin/env bash
# MLflow's server of a cluster, on the loopback of its head: the driver writes to it there, and people reach it through
# a tunnel (`ray attach cluster.yaml -p 5000`). Needs mlflow on the PATH.
#
#   deploy/mlflow_server.sh start FOLDER [ARTIFACTS]   database, log and process id in FOLDER; ARTIFACTS: folder or URI
#   deploy/mlflow_server.sh stop FOLDER
#
# MLFLOW_BACKEND_STORE_URI: another database than SQLite in FOLDER, which must not be on a network file system.
# MLFLOW_PORT: 5000.
set -euo pipefail
usage() { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,10p >&2; exit 2; }
verb=${1:-} folder=${2:-}
[ -n "$folder" ] || usage
port=${MLFLOW_PORT:-5000}
url=http://127.0.0.1:$port

answers() { python -c "import urllib.request as r; r.urlopen('$url/health', timeout=2)" 2> /dev/null; }

start() {
    answers && { echo "MLflow answers at $url"; return; }
    mkdir -p -m 700 "$folder"
    # Proxied artifacts: clients need neither paths nor keys. No job execution: nothing that a browser can start.
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false setsid nohup mlflow server --host 127.0.0.1 --port "$port" --workers 1 \
        --backend-store-uri "${MLFLOW_BACKEND_STORE_URI:-sqlite:///$folder/mlflow.db}" \
        --serve-artifacts --artifacts-destination "${1:-$folder/artifacts}" \
        --allowed-hosts "localhost:*,127.0.0.1:*" \
        >> "$folder/server.log" 2>&1 < /dev/null &
    echo $! > "$folder/server.pid"
    for _ in $(seq 120); do
        kill -0 "$(cat "$folder/server.pid")" 2> /dev/null || break
        answers && { echo "MLflow answers at $url"; return; }
        sleep 0.5
    done
    echo "MLflow does not answer at $url; the end of $folder/server.log:" >&2
    tail -n 20 "$folder/server.log" >&2
    return 1
}

stop() {
    [ -f "$folder/server.pid" ] || return 0
    group=-$(cat "$folder/server.pid")
    kill -- "$group" 2> /dev/null || true
    for _ in $(seq 40); do
        kill -0 -- "$group" 2> /dev/null || break
        sleep 0.5
    done
    kill -KILL -- "$group" 2> /dev/null || true
    rm -f "$folder/server.pid"
}

case $verb in
    start) start "${3:-}" ;;
    stop) stop ;;
    *) usage ;;
esac
