#!/usr/bin/env bash
# Closes a machine of a Ray cluster to other networks. Ray listens on all of a machine's addresses and cannot be told
# otherwise: where a machine is on a network beside the cluster's own, run this on it, as root; it needs nftables.
#
#   deploy/firewall.sh close NETWORK    connections to ports 1024 and above are from NETWORK, such as 10.0.0.0/24
#   deploy/firewall.sh open             as it was before
#
# Rules of others stay as they are. Ours are gone after a restart of the machine.
set -euo pipefail
usage() { sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,8p >&2; exit 2; }

close() {
    nft -f - << EOF
table inet mi_ray
delete table inet mi_ray
table inet mi_ray {
    chain input {
        type filter hook input priority filter; policy accept;
        iif lo accept
        ip saddr $1 accept
        ct state established,related accept
        tcp dport 1024-65535 drop
    }
}
EOF
}

case ${1:-}/$# in
    close/2) close "$2" ;;
    open/1) nft -f - <<< $'table inet mi_ray\ndelete table inet mi_ray' ;;
    *) usage ;;
esac
