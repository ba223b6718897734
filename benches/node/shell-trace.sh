# A pod's road to the wire, as it is followed by hand (rows 5 to 12 of the walkthrough).
# $1 namespace, $2 pod name
set -e
sandbox=$(ctr -n k8s.io containers ls \
	"labels.\"io.kubernetes.pod.namespace\"==$1,labels.\"io.kubernetes.pod.name\"==$2,labels.\"io.cri-containerd.kind\"==sandbox" |
	awk 'NR == 2 { print $1 }')
pid=$(ctr -n k8s.io task ls | grep "^$sandbox" | awk '{ print $2 }')
ctr -n k8s.io containers info "$sandbox"
netns=$(readlink "/proc/$pid/ns/net")
ls -l /proc/[1-9]*/ns/net 2>/dev/null | grep -F "$netns"
ip netns identify "$pid"
. "${0%/*}/shell-links.sh"
