#!/usr/bin/env bash
# Tells Ray that this spot worker is about to be taken away, as soon as the cloud says so: trainings on it then save a
# checkpoint and go on elsewhere. Asks AWS's or Google's metadata service every five seconds; stops when it has told.
# Needs ray on the PATH, on a node that has joined its cluster, and curl.
#
#   deploy/spot_notice.sh aws|gcp [OPTIONS of `ray drain-node`, such as another node than this]
#
# METADATA_URL: another address than the cloud's own.
set -euo pipefail
usage() { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,8p >&2; exit 2; }

ask() { curl -sf --max-time 2 "$@"; }

# Two minutes before the end this is there; until then it is not (404).
aws() {
    url=${METADATA_URL:-http://169.254.169.254}
    token=$(ask -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$url/latest/api/token") &&
        ask -H "X-aws-ec2-metadata-token: $token" "$url/latest/meta-data/spot/instance-action" > /dev/null
}

# Half a minute before the end this is TRUE.
gcp() {
    url=${METADATA_URL:-http://metadata.google.internal}
    [ "$(ask -H "Metadata-Flavor: Google" "$url/computeMetadata/v1/instance/preempted")" = TRUE ]
}

case ${1:-} in
    aws) seconds=120 ;;
    gcp) seconds=30 ;;
    *) usage ;;
esac
until "$1"; do sleep 5; done
exec ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION --reason-message "the cloud takes this spot instance back" \
    --deadline-remaining-seconds "$seconds" "${@:2}"
