# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_podnet_global_optspecs
    string join \n o/output= color= v/verbose from= rules= lab= host-netns= proc-root= runtime-endpoint= timeout= n/namespace= A/all-namespaces l/selector= h/help V/version
end

function __fish_podnet_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_podnet_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_podnet_using_subcommand
    set -l cmd (__fish_podnet_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c podnet -n "__fish_podnet_needs_command" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_needs_command" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_needs_command" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_needs_command" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_needs_command" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_needs_command" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_needs_command" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_needs_command" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_needs_command" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_needs_command" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_needs_command" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_needs_command" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_needs_command" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_needs_command" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "pods" -d 'Pods of this node: sandbox, pause process, namespace, addresses, both ends of the link'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "netns" -d 'Network namespaces: names, nsid, processes, pod; nameless and leaked ones'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "veth" -d 'Each interface of a pod, to its other end and what that is plugged into'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "bridge" -d 'Bridges and their ports, with the pod behind each'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "routes" -d 'Rules and tables of a pod or the node; for a destination, which route wins and why'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "cni" -d 'CNI configuration, results cache and leases, joined with the pods'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "rules" -d 'Netfilter\'s rules in their own tools\' words, the tables, or the chains of a hook in order'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "services" -d 'What services do here: addresses, endpoints and their chances, policies, affinity, masquerade, with the rules'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "nat" -d 'Masquerade, SNAT and hostPort rules that can touch a pod, in words'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "conntrack" -d 'Flows with their NAT undone: who asked for what, who served it, and as whom it was seen'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "trace" -d 'A pod\'s whole road to the wire, with the evidence for each step'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "enter" -d 'Run a program of the node in a pod\'s network namespace'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "lab" -d 'A practice network: the network of a small hand-built cluster, in namespaces on this machine'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "snapshot" -d 'Write the node to a file that every command can answer from'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "man" -d 'Print a man page'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "schema" -d 'Print the JSON Schema of a command\'s output'
complete -c podnet -n "__fish_podnet_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand pods" -l all -d 'Every sandbox of a pod, not the ready (else newest) one alone'
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand pods" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand netns" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand netns" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand veth" -l all -d 'Its older sandboxes too'
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand veth" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand bridge" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l source -d 'The packet\'s source; without one, the kernel chooses' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l iif -d 'The link it comes in by; without one, the namespace itself sends it' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l oif -d 'The link that the sending socket is bound to' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l mark -d 'The packet\'s mark, in decimal or as 0x4000' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l tos -d 'The type of service byte' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l protocol -d 'tcp, udp, icmp, sctp, ipv6-icmp, or a number' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l sport -d 'The source port' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l dport -d 'The destination port' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l uid -d 'The user id of the sending socket; root\'s without it' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand routes" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand cni" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand cni" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l hook -d 'The base chains of this hook instead, in the order in which the kernel runs them: prerouting, input, forward, output, postrouting, ingress, egress' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l family -d 'Only tables, or with --hook packets, of this family: ip, ip6, inet, arp, bridge, netdev' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand rules" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand services" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand services" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand services" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand services" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand services" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand services" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand services" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand services" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand services" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand services" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand services" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand services" -l endpoints -d 'Only the endpoints and how likely each is; for NAMESPACE/NAME:PORT nothing else is read'
complete -c podnet -n "__fish_podnet_using_subcommand services" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand services" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand services" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand services" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand nat" -l all -d 'Its older sandboxes too'
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand nat" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l who -d 'Who is behind an address and port that a server sees: 10.240.0.20:56732, `[fd00::1]:53/udp`' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l to -d 'Only flows to this address, ADDR:PORT or pod: as it was asked for, or where it went' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l from-addr -d 'Only flows from this address, ADDR:PORT or pod: the client\'s own, or the one that the server saw' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l service -d 'Only flows that asked for this service: NAME, NAMESPACE/NAME, NAMESPACE/NAME:PORT, IP:PORT or a node port' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l state -d 'Only flows in this state: half-open, no-answer, answered, assured, established, closing, closed, offloaded, dying, or one of the kernel\'s (SYN_SENT, TIME_WAIT, …)' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l protocol -d 'Only flows of this protocol, by name or number' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l mark -d 'Only flows with this mark: 0x4000, 0x4000/0x4000' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l nat -d 'Only flows that were translated so; snat and dnat include those that were both' -r -f -a "none\t'Nothing'
snat\t'The source'
dnat\t'The destination'
hairpin\t'The destination, back to the client'"
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l zone -d 'Only flows of this zone' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l sort -d 'Sort by this, the most first; without it flows stand as the kernel tells them' -r -f -a "bytes\t'Bytes both ways, where they are recorded'
packets\t'Packets both ways, where they are recorded'
timeout\t'How long until it is forgotten'
age\t'How long ago it began, where that is recorded'"
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l limit -d 'At most so many flows' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l netns -d 'The pod\'s own flows, as its namespace tracks them, not the node\'s' -r -f -a "host\t'The node\'s'
pod\t'The pod\'s own'"
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l refresh -d 'With --watch: how often to compare with a fresh dump, for flows older than the watch end without an event, and to read names anew' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l queue -d 'With --watch: how many MiB of events may wait in the kernel (some 800 events each) before it drops any' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l stale -d 'Flows that go where nothing is any more, with the commands that would remove them; exit code 1 where there are any'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l stats -d 'How full the table is, who fills it, and what the kernel counted'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l watch -d 'Flows as they begin, change and end, until Ctrl-C'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l expectations -d 'The flows that helpers expect'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -l existing -d 'With --watch: begin with the flows that there are'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand conntrack" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l protocol -d 'tcp, udp, sctp or icmp; the service\'s own, else tcp where there is a port, else icmp (an echo)' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l source -d 'The source address; without one, the kernel chooses' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l sport -d 'The source port; without one, any that the kernel may draw' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l mark -d 'The mark that the sending socket gives its packets, in decimal or as 0x4000' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l tos -d 'The type of service byte' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l length -d 'Its length with the IP header, bytes' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l ct -d 'new: it begins a connection, no table of flows is read. established: it belongs to one that was answered. FLOW: it is one of the flow with that id. Default: with --sport, what the tables of flows say of it; else new' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l endpoint -d 'Of a service\'s choice only what leads to this endpoint: ADDRESS, ADDRESS:PORT or a pod' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l in -d 'The link that a packet of an outside address comes in by, with NODE/ in front where several nodes are asked; without it the one by which the node routes back to that address' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l wait -d 'With --probe: how long to wait for an answer' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l all -d 'Its older sandboxes too'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s 4 -l ipv4 -d 'Only IPv4'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s 6 -l ipv6 -d 'Only IPv6'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l probe -d 'Send the packet for real from the pod\'s namespace, watch it on every link, and mark each step: seen, not seen or different. While it lasts an nf_tables table of its own (owned by the process: it goes with it) has the kernel trace it. Exit code 0: answered as predicted; 1: not answered, or not as predicted; 3: unknown'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -l accept-affinity -d 'With --probe: probe a service with session affinity too, although that pins the client to an endpoint'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand trace" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand enter" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand enter" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "up" -d 'Makes the network: workers with pods that can really talk'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "status" -d 'Tells what each lab is made of, and whether all of it is there'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "exec" -d 'Runs a program in a worker, a pod, the gateway or the outside host'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "service" -d 'Adds, removes and lists services'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "down" -d 'Removes the network and everything that was made for it'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "process" -d 'What the pods\' processes are started as'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and not __fish_seen_subcommand_from up status exec service down process help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l name -d 'The lab\'s name; its namespaces begin with it (1 to 20 of a-z, 0-9 and -)' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l workers -d 'How many workers, 1 to 10' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l pods -d 'How many pods in all, 4 to 500, at most 250 a worker' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l bridge-nf -d 'Whether iptables sees bridged frames, as on a Kubernetes node (the default where `br_netfilter` is loaded)' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l proxy -d 'What programs the services on every worker' -r -f -a "iptables\t'kube-proxy\'s mode iptables, through iptables-restore'
iptables-legacy\t'The same through iptables-legacy-restore'
nftables\t'kube-proxy\'s mode nftables, through nft'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l stop-after-step -d 'For tests: die after so many steps' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l hairpin -d 'Let the pods\' bridge send a frame back out of the port it came from'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l no-masquerade -d 'Leave the bridge plugin\'s masquerade chains out'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -l dual-stack -d 'Give everything an IPv6 address beside the other'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from up" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l name -d 'Only the lab of this name' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from status" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l name -d 'The lab\'s name; its namespaces begin with it (1 to 20 of a-z, 0-9 and -)' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from exec" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -f -a "add" -d 'Adds a service, or a port to one, and writes every worker\'s rules'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -f -a "remove" -d 'Removes a service, or one port of it, and its rules'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -f -a "list" -d 'Lists the services and their endpoints'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from service" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l name -d 'The lab\'s name; its namespaces begin with it (1 to 20 of a-z, 0-9 and -)' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from down" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from process" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "up" -d 'Makes the network: workers with pods that can really talk'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "status" -d 'Tells what each lab is made of, and whether all of it is there'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "exec" -d 'Runs a program in a worker, a pod, the gateway or the outside host'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "service" -d 'Adds, removes and lists services'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "down" -d 'Removes the network and everything that was made for it'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "process" -d 'What the pods\' processes are started as'
complete -c podnet -n "__fish_podnet_using_subcommand lab; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l flows -d 'How many flows it holds at most, the host\'s first; it says how many it left out' -r
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l force -d 'Replace the file if it exists'
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -l redact -d 'Mask names, labels and addresses: equal ones alike, and those of one subnet stay in one subnet'
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand snapshot" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand completions" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand completions" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand man" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand man" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand man" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand man" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand man" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand man" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand man" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand man" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand man" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand man" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand man" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand man" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand man" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand man" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s o -l output -d 'How to write the answer' -r -f -a "table\t'Aligned text'
wide\t'Aligned text with more columns'
json\t'One JSON document; `podnet schema COMMAND` describes it'"
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l color -d 'When to colour; NO_COLOR in the environment is honoured by auto' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l from -d 'Answer from a file that `podnet snapshot` wrote; several are several nodes' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l rules -d 'Answer from rules alone, of a machine without podnet: files of `iptables-save -c`, `ip6tables-save -c` or `nft -j list ruleset`; several are one machine' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l lab -d 'Answer about a WORKER of the lab, or without one about all; where several labs are up: LAB/WORKER, or LAB/ for all' -r
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l host-netns -d 'The node\'s own network namespace, where it is not that of pid 1' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l proc-root -d 'The node\'s /proc, where podnet runs in a container; its files are then read below PATH/1/root' -r -F
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l runtime-endpoint -d 'The container runtime\'s socket [env: CONTAINER_RUNTIME_ENDPOINT]' -r
complete -c podnet -n "__fish_podnet_using_subcommand schema" -l timeout -d 'How long one call to the container runtime may take: 500ms, 2s, 1m' -r
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s n -l namespace -d 'Only pods of this namespace' -r
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s l -l selector -d 'Only pods with these labels: key, key=value, key!=value, !key, joined by commas' -r
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s v -l verbose -d 'Tell on stderr what is read; twice for each request'
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s A -l all-namespaces -d 'Pods of all namespaces (the default)'
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c podnet -n "__fish_podnet_using_subcommand schema" -s V -l version -d 'Print version'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "pods" -d 'Pods of this node: sandbox, pause process, namespace, addresses, both ends of the link'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "netns" -d 'Network namespaces: names, nsid, processes, pod; nameless and leaked ones'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "veth" -d 'Each interface of a pod, to its other end and what that is plugged into'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "bridge" -d 'Bridges and their ports, with the pod behind each'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "routes" -d 'Rules and tables of a pod or the node; for a destination, which route wins and why'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "cni" -d 'CNI configuration, results cache and leases, joined with the pods'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "rules" -d 'Netfilter\'s rules in their own tools\' words, the tables, or the chains of a hook in order'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "services" -d 'What services do here: addresses, endpoints and their chances, policies, affinity, masquerade, with the rules'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "nat" -d 'Masquerade, SNAT and hostPort rules that can touch a pod, in words'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "conntrack" -d 'Flows with their NAT undone: who asked for what, who served it, and as whom it was seen'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "trace" -d 'A pod\'s whole road to the wire, with the evidence for each step'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "enter" -d 'Run a program of the node in a pod\'s network namespace'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "lab" -d 'A practice network: the network of a small hand-built cluster, in namespaces on this machine'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "snapshot" -d 'Write the node to a file that every command can answer from'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "completions" -d 'Print the completions of a shell'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "man" -d 'Print a man page'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "schema" -d 'Print the JSON Schema of a command\'s output'
complete -c podnet -n "__fish_podnet_using_subcommand help; and not __fish_seen_subcommand_from pods netns veth bridge routes cni rules services nat conntrack trace enter lab snapshot completions man schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c podnet -n "__fish_podnet_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "up" -d 'Makes the network: workers with pods that can really talk'
complete -c podnet -n "__fish_podnet_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "status" -d 'Tells what each lab is made of, and whether all of it is there'
complete -c podnet -n "__fish_podnet_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "exec" -d 'Runs a program in a worker, a pod, the gateway or the outside host'
complete -c podnet -n "__fish_podnet_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "service" -d 'Adds, removes and lists services'
complete -c podnet -n "__fish_podnet_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "down" -d 'Removes the network and everything that was made for it'
complete -c podnet -n "__fish_podnet_using_subcommand help; and __fish_seen_subcommand_from lab" -f -a "process" -d 'What the pods\' processes are started as'
