#!/usr/bin/env bash
# Closes a machine of a Ray cluster to other networks, because Ray always listens on all addresses of a machine. Run it
# as root on every machine that is also on a network other than the cluster's. Needs nftables.
#
#   deploy/firewall.sh close NETWORK    accept connections to ports from 1024 only from NETWORK, such as 10.0.0.0/24
#   deploy/firewall.sh open             remove the rule
#
# Other rules stay as they are. The rule is gone after a restart of the machine.
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
