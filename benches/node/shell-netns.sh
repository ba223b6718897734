# Every network namespace with its names, numbers and processes (rows 3 to 5 of the walkthrough).
lsns -t net
ls -1i /run/netns
ip netns
ls -l /proc/[1-9]*/ns/net 2>/dev/null
