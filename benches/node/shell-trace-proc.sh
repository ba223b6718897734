# The same without a container runtime: the uid from the pod's logs, the processes from their cgroups.
# $1 namespace, $2 pod name
set -e
logs=$(ls -d "/var/log/pods/$1_$2_"*)
uid=${logs##*_}
pid=$(grep -l -F "$uid" /proc/[1-9]*/cgroup 2>/dev/null | tr / ' ' | awk '{ print $2 }' | sort -n | head -n 1)
netns=$(readlink "/proc/$pid/ns/net")
ls -l /proc/[1-9]*/ns/net 2>/dev/null | grep -F "$netns"
ip netns identify "$pid"
. "${0%/*}/shell-links.sh"
