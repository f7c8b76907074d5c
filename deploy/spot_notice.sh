#!/usr/bin/env bash
# Drains this Ray node as soon as the cloud announces that it will take the spot instance back: trainings on it save a
# checkpoint and resume on another node. Polls the metadata service of AWS or Google every five seconds, and ends after
# the notice. Needs curl, and ray on the PATH of a node that has joined its cluster.
#
#   deploy/spot_notice.sh aws|gcp [OPTIONS of `ray drain-node`, such as the id of another node]
#
# METADATA_URL: address of the metadata service, for tests.
set -euo pipefail
usage() { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,8p >&2; exit 2; }

ask() { curl -sf --max-time 2 "$@"; }

# Exists from two minutes before the end; 404 until then.
aws() {
    url=${METADATA_URL:-http://169.254.169.254}
    token=$(ask -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$url/latest/api/token") &&
        ask -H "X-aws-ec2-metadata-token: $token" "$url/latest/meta-data/spot/instance-action" > /dev/null
}

# TRUE from half a minute before the end.
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
