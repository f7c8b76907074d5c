#!/usr/bin/env bash
# Starts or stops MLflow's server on the loopback of a cluster's head. The driver runs there too; use a tunnel from
# elsewhere (`ray attach cluster.yaml -p 5000`). Needs mlflow on the PATH.
#
#   deploy/mlflow_server.sh start FOLDER [ARTIFACTS]   database, log and process id in FOLDER; ARTIFACTS: folder or URI
#   deploy/mlflow_server.sh stop FOLDER
#
# Environment variables (docs/tracking.md):
#   MLFLOW_BACKEND_STORE_URI   the database; default: SQLite in FOLDER, which must not be on a network file system
#   MLFLOW_ALLOWED_HOSTS       allowed host names beside localhost and 127.0.0.1: mlflow.lab,*.lab:443
#   MLFLOW_AUTH=basic          accounts with passwords, in FOLDER; the first start needs MLFLOW_AUTH_ADMIN_PASSWORD
#   MLFLOW_WORKERS             server processes; default: 1, the fastest unless many drivers write
#   MLFLOW_PORT                port; default: 5000
set -euo pipefail
usage() { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,13p >&2; exit 2; }
verb=${1:-} folder=${2:-}
[ -n "$folder" ] || usage
port=${MLFLOW_PORT:-5000}
url=http://127.0.0.1:$port

answers() { python -c "import urllib.request as r; r.urlopen('$url/health', timeout=2)" 2> /dev/null; }

refuse() { echo "$1: '$2' is not allowed; allowed: $3" >&2; exit 2; }

# Sets app and the settings of MLflow's accounts: their database, and a key that signs forms.
app=()
accounts() {
    [ -n "${MLFLOW_AUTH:-}" ] || return 0
    app=(--app-name basic-auth)
    umask 077
    [ -s "$folder/auth.key" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' > "$folder/auth.key"
    [ -s "$folder/auth.ini" ] || cat > "$folder/auth.ini" << EOF
[mlflow]
default_permission = READ
database_uri = sqlite:///$folder/auth.db
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
EOF
    export MLFLOW_FLASK_SERVER_SECRET_KEY=${MLFLOW_FLASK_SERVER_SECRET_KEY:-$(cat "$folder/auth.key")}
    export MLFLOW_AUTH_CONFIG_PATH=${MLFLOW_AUTH_CONFIG_PATH:-$folder/auth.ini}
}

start() {
    case ${MLFLOW_AUTH:-} in "" | basic) ;; *) refuse MLFLOW_AUTH "$MLFLOW_AUTH" "basic, or nothing" ;; esac
    case ,${MLFLOW_ALLOWED_HOSTS:-}, in
        *,\*,*) refuse MLFLOW_ALLOWED_HOSTS "$MLFLOW_ALLOWED_HOSTS" "names such as mlflow.lab" ;;
    esac
    answers && { echo "MLflow answers at $url"; return; }
    mkdir -p -m 700 "$folder"
    folder=$(cd "$folder" && pwd)
    accounts
    # In the environment and not as a flag, so that a password in it does not appear in the list of processes.
    export MLFLOW_BACKEND_STORE_URI=${MLFLOW_BACKEND_STORE_URI:-sqlite:///$folder/mlflow.db}
    # Proxied artifacts: clients need neither paths nor credentials. No job execution: browsers can start nothing.
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false setsid nohup mlflow server \
        --host 127.0.0.1 --port "$port" --workers "${MLFLOW_WORKERS:-1}" \
        --serve-artifacts --artifacts-destination "${1:-$folder/artifacts}" \
        --allowed-hosts "localhost:*,127.0.0.1:*${MLFLOW_ALLOWED_HOSTS:+,$MLFLOW_ALLOWED_HOSTS}" "${app[@]}" \
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
