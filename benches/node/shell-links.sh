# From the pod's interface to the node's uplink; $pid is the pause process.
nsenter -t "$pid" -n ip -d link
nsenter -t "$pid" -n ip addr
nsenter -t "$pid" -n ip route
nsenter -t "$pid" -n ip neigh
peer=$(nsenter -t "$pid" -n ip -o link show dev eth0 | sed 's/.*eth0@if\([0-9]*\):.*/\1/')
ip link | grep "^$peer:"
bridge link | grep "^$peer:"
ip -d link show dev cnio0
ip addr show dev cnio0
ip rule
ip route
