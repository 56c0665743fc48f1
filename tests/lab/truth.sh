#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# truth.sh: each kind of fault loses a number of packets of its own; the drop tools report just those.
# kernels: 5.10 6.1 6.12 7
# topology: none
# seconds: 90

. /share/lib.sh

# One fault a row. Its packets have a destination port (ICMP: id) of their own, and a number of
# their own: the last two digits of the port, and ten. That is how they are told apart.
#
#   title | port | reason | function that freed the packet | device | VLAN tags | traffic
#
# Reason: "6.1=A 7=B C" is A on 6.1, B on 7 and C elsewhere; "-" is none, and 5.10 has none at all.
# Function: alternatives, since kernels inline differently.
faults='
UDP to a closed port|7001|NO_SOCKET|__udp4_lib_rcv,udp_rcv|br-int|-|peer4
UDP to a closed port, IPv6|7002|NO_SOCKET|__udp6_lib_rcv,udpv6_rcv|br-int|-|peer6
nft drop at input|7003|NETFILTER_DROP|nft_do_chain,nf_hook_slow|br-int|-|peer4
nft drop at input, IPv6|7004|NETFILTER_DROP|nft_do_chain,nf_hook_slow|br-int|-|peer6
nft drop at input, TCP|7005|NETFILTER_DROP|nft_do_chain,nf_hook_slow|br-int|-|peer4 --protocol tcp
nft drop at input, ICMP|7006|NETFILTER_DROP|nft_do_chain,nf_hook_slow|br-int|-|peer4 --protocol icmp
nft drop at forward|7007|NETFILTER_DROP|nft_do_chain,nf_hook_slow|br-int|-|peer4 --dst 10.20.0.2
nft drop at forward, IPv6|7008|NETFILTER_DROP|nft_do_chain,nf_hook_slow|br-int|-|peer6 --dst fd20::2
nft drop at output, no device yet|7009|NETFILTER_DROP|nft_do_chain,nf_hook_slow|-|-|socket4
nft drop at output, no device yet, IPv6|7010|NETFILTER_DROP|nft_do_chain,nf_hook_slow|-|-|socket6
TTL exceeded while forwarding|7011|IP_INHDR|ip_forward|br-int|-|peer4 --dst 10.20.0.2 --ttl 1
hop limit exceeded while forwarding|7012|IP_INHDR|ip6_forward|br-int|-|peer6 --dst fd20::2 --ttl 1
reverse-path filter|7013|IP_RPFILTER|ip_rcv_finish_core|br-int|-|peer4 --src 10.20.0.77
no route|7014|IP_INNOROUTES|ip_error|br-int|-|peer4 --dst 198.51.100.1
no route, IPv6|7015|IP_INNOROUTES|ip6_pkt_drop,ip6_pkt_discard|br-int|-|peer6 --dst 2001:db8::1
bad IP checksum|7016|IP_CSUM|ip_rcv_core|br-int|-|peer4 --bad-ip-checksum
bad UDP checksum|7017|UDP_CSUM|__udp4_lib_rcv,udp_rcv|br-int|-|peer4 --bad-checksum
UDP socket buffer full|7018|SOCKET_RCVBUFF|udp_queue_rcv_one_skb|br-int|-|peer4
UDP socket buffer full, IPv6|7019|SOCKET_RCVBUFF|udpv6_queue_rcv_one_skb|br-int|-|peer6
closed with datagrams unread|7020|NOT_SPECIFIED|udp_destruct_common|-,br-int|-|unread4
larger than the MTU, with DF|7021|PKT_TOO_BIG|ip_forward|br-int|-|peer4 --dst 10.20.0.2 --size 1300 --df
larger than the MTU, IPv6|7022|PKT_TOO_BIG|ip6_forward|fw0|-|peer6 --dst fd20::2 --size 1300
for the MAC of another host|7023|OTHERHOST|ip_rcv_core|fw0|-|far4 --dst-mac 02:00:00:00:00:99
for the MAC of another host, IPv6|7024|OTHERHOST|ip6_rcv_core|fw0|-|far6 --dst-mac 02:00:00:00:00:99
UDP to a closed port, three fragments|7025|NO_SOCKET|__udp4_lib_rcv,udp_rcv|br-int|-|peer4 --size 3000 --fragments 3
UDP to a closed port, three fragments, IPv6|7026|NO_SOCKET|__udp6_lib_rcv,udpv6_rcv|br-int|-|peer6 --size 3000 --fragments 3
OVS drop flow|7030|5.10=- 6.1=- OVS_DROP_LAST_ACTION|do_execute_actions|vp0|-|peer4
OVS drop flow, IPv6|7031|5.10=- 6.1=- OVS_DROP_LAST_ACTION|do_execute_actions|vp0|-|peer6
OVS drop flow, tag in the skb|7032|5.10=- 6.1=- OVS_DROP_LAST_ACTION|do_execute_actions|vp0|100:tag|peer4 --vlan 100
OVS drop flow, tags in skb and frame|7033|5.10=- 6.1=- OVS_DROP_LAST_ACTION|do_execute_actions|vp0|200:tag,100:frame|peer4 --vlan 200 --vlan 100
OVS flow with no output|7034|5.10=- 6.1=- OVS_DROP_LAST_ACTION|do_execute_actions|vp0|-|peer4
tc egress drop, tag in the skb|7040|TC_EGRESS|__dev_queue_xmit|dum0|100:tag|host4 --dev dum0.100
tc egress drop, tag in the frame|7041|TC_EGRESS|__dev_queue_xmit|dum0|100:frame|host4 --dev dum0 --vlan 100
'

# Words that the sentence to each of them must have, whether a kernel tells it by the reason or by the place.
meanings='
7001|(no|without a) socket
7002|(no|without a) socket
7003|netfilter rule
7004|netfilter rule
7007|netfilter rule
7009|netfilter rule
7011|TTL ran out
7012|hop limit ran out
7013|reverse-path filter
7014|no route
7015|no (IPv6 )?route
7016|IP header
7017|checksum
7018|receive buffer
7019|receive buffer
7020|nobody had read
7021|MTU
7022|MTU
7023|another host
7024|another host
7030|Open vSwitch
7031|Open vSwitch
7034|Open vSwitch
7040|tc egress
7041|tc egress
'

# What "drop packets --reason" is asked for: none where a kernel has none, and one of a module where they have numbers of
# their own. And how often the host pings the peer.
case $LAB_KERNEL in
5.10) reasons= ;;
6.1) reasons=IP_CSUM,NETFILTER_DROP ;;
*) reasons=IP_CSUM,NETFILTER_DROP,OVS_DROP_LAST_ACTION ;;
esac
pings=14

count_of() { # PORT
	echo $(($1 % 100 + 10))
}

# ---- traffic: TRAFFIC PORT N OPTIONS..., prints what was sent ----

frames() {
	sent labgen frames --dport "$1" --sport "$1" --count "$2" "${@:3}"
}

peer4() { # from the veth peer through br-int to the host
	frames "$1" "$2" --netns peer --dev vp1 --dst-mac "$host_mac" --src 10.0.0.2 --dst 10.0.0.1 "${@:3}"
}

peer6() {
	frames "$1" "$2" --netns peer --dev vp1 --dst-mac "$host_mac" --src fd00::2 --dst fd00::1 "${@:3}"
}

far4() { # from the other veth peer to the host's fw0, which is no port of br-int
	frames "$1" "$2" --netns far --dev fw1 --dst-mac "$fw_mac" --src 10.20.0.2 --dst 10.20.0.1 "${@:3}"
}

far6() {
	frames "$1" "$2" --netns far --dev fw1 --dst-mac "$fw_mac" --src fd20::2 --dst fd20::1 "${@:3}"
}

host4() { # from the host
	frames "$1" "$2" --dst-mac 02:00:00:00:00:99 --src 10.0.0.1 --dst 10.0.0.9 "${@:3}"
}

socket4() {
	sent labgen udp --dport "$1" --count "$2" --dst 10.0.0.2
}

socket6() {
	sent labgen udp --dport "$1" --count "$2" --dst fd00::2
}

# Datagrams that no one reads are freed when their socket closes. Their device is by then at most
# known by number: the pointer shares its memory with UDP's own bookkeeping, and may not be read.
unread4() {
	local sink
	labgen sink --hold --port "$1" > "$work/unread" &
	sink=$!
	wait_for 10 test -s "$work/unread"
	peer4 "$@"
	kill "$sink"
	wait "$sink"
}

# ---- the faults themselves ----

faults_inject() {
	host_mac=$(< /sys/class/net/br-int/address)
	ip netns add far
	ip link add fw0 type veth peer name fw1 netns far
	ip link set fw0 mtu 1280 up
	ip -n far link set fw1 up
	fw_mac=$(< /sys/class/net/fw0/address)
	ip addr add 10.20.0.1/24 dev fw0
	ip addr add fd20::1/64 dev fw0 nodad
	ip neigh replace 10.20.0.2 lladdr 02:00:00:00:00:02 nud permanent dev fw0
	ip neigh replace fd20::2 lladdr 02:00:00:00:00:02 nud permanent dev fw0
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.br-int.rp_filter=1

	nft -f - <<-'END'
	table inet lab {
		chain input {
			type filter hook input priority 0
			udp dport { 7003, 7004 } drop
			tcp dport 7005 drop
			icmp id 7006 drop
		}
		chain forward {
			type filter hook forward priority 0
			udp dport { 7007, 7008 } drop
		}
		chain output {
			type filter hook output priority 0
			udp dport { 7009, 7010 } drop
		}
	}
	END

	ovs-ofctl add-flows br-int - <<-'END'
	priority=100,udp,tp_dst=7030,actions=drop
	priority=100,udp6,tp_dst=7031,actions=drop
	priority=100,dl_vlan=100,udp,tp_dst=7032,actions=drop
	priority=100,dl_vlan=200,actions=drop
	priority=100,udp,tp_dst=7034,actions=ct(commit,zone=5)
	END

	# The packet that makes ovs-vswitchd install a flow is eaten by the upcall, not by the flow.
	# So the flows are made beforehand, and stay. A fragment that it delays comes too late, besides: 64
	# other fragments are too many (net.ipv4.ipfrag_max_dist).
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	faults_send '702[56]' 1 > "$work/first"
	faults_send '703?' 1 >> "$work/first"
	wait_for 10 flows_are_there || not_ok "the flows are there before the packets" "$(ovs-appctl dpctl/dump-flows)"

	ip link add dum0 type dummy
	ip link add link dum0 name dum0.100 type vlan id 100
	ip link set dum0 up
	ip link set dum0.100 up
	tc qdisc add dev dum0 clsact
	tc filter add dev dum0 egress matchall action drop

	# sockets that never read, filled to the brim
	for port in 7018 7019; do
		labgen sink --hold --rcvbuf 4096 --port $port > "$work/sink.$port" &
		wait_for 10 test -s "$work/sink.$port"
	done
	peer4 7018 20 > "$work/fill"
	peer6 7019 20 > "$work/fill"
}

flows_are_there() {
	[ "$(ovs-appctl dpctl/dump-flows | grep -c -e 'actions:\(drop\|ct(commit,zone=5)\)$' -e 'frag=\(first\|later\)')" = 9 ]
}

# Sends each fault's packets; says so where labgen sent another number.
faults_send() { # PORT-PATTERN [N]
	local title port reason place dev vlans traffic n got
	while IFS='|' read -r title port reason place dev vlans traffic; do
		# shellcheck disable=SC2053
		[ -n "$title" ] && [[ $port == $1 ]] || continue
		read -ra traffic <<< "$traffic"
		n=${2:-$(count_of "$port")}
		got=$("${traffic[0]}" "$port" "$n" "${traffic[@]:1}")
		[ "$got" = "$n" ] || not_ok "$title: $n packets sent" "labgen says '$got'"
	done <<< "$faults"
}

# ---- verdict ----

reason_here() { # REASON COLUMN
	local word
	for word in $1; do
		case $word in
		"$LAB_KERNEL="*) echo "${word#*=}" && return ;;
		*=*) ;;
		*) [ "$LAB_KERNEL" = 5.10 ] && echo - || echo "$word" ;;
		esac
	done
}

# The faults as the list that lib.sh judges by. Flows ("flow") have neither tags nor ICMP ids.
expectations() { # [flow]
	local title port reason place dev vlans traffic mark
	while IFS='|' read -r title port reason place dev vlans traffic; do
		[ -n "$title" ] || continue
		mark=$port
		if [ "$1" = flow ]; then
			vlans='*'
			[ "$port" != 7006 ] || mark=icmp
		fi
		reason=$(reason_here "$reason")
		echo "$mark|$(count_of "$port")|$reason|$place|$dev|$vlans|$title:" \
			"$(count_of "$port"), $reason, $place, $dev"
	done <<< "$faults"
}

# The headers of one packet, field by field: the fourth that the UDP fault sent.
judge_headers() { # FROM TO: seconds of the epoch between which all happened
	local seen
	seen=$(jq -Sc 'select(.packet.udp.dst_port == 7001 and .packet.ip.id == 4) |
		.netns |= tostring | {dev, netns, packet}' "$work/packets.json")
	is "drop packets: every header field of a packet" "$seen" "$(jq -Scn --arg mac "$host_mac" \
		--arg netns "$(stat -Lc %i /proc/self/ns/net)" '
	{dev: "br-int", netns: $netns, packet: {
		length: 106,
		eth: {src: "52:54:00:00:00:02", dst: $mac, type: "0x0800"},
		ip: {version: 4, src: "10.0.0.2", dst: "10.0.0.1", protocol: "udp",
		     protocol_number: 17, ttl: 64, tos: 0, id: 4, dont_fragment: false,
		     more_fragments: false, fragment_offset: 0, length: 92},
		udp: {src_port: 7001, dst_port: 7001, length: 72}}}')"
	is "drop packets: each packet once" "$(jq -c 'select(.packet.udp.dst_port == 7001) |
		.packet.ip.id' "$work/packets.json" | sort -un | tr '\n' ' ')" "1 2 3 4 5 6 7 8 9 10 11 "
	is "drop packets: the time of day, and the same in ns" "$(jq -r --argjson from "$1" --argjson to "$2" '
		select(.type == "event") | (.time | sub("[.][0-9]+Z$"; "Z") | fromdate) as $s |
		if (.time_ns / 1e9 | floor) == $s and $s >= $from and $s <= $to then "right" else .time end' \
		"$work/packets.json" | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }
			END { if (NR > 1) print NR - 1 " others" }')" right
	is "drop stacks: bytes are those of the frames" "$(jq 'select(.scope == "total" and
		.flow.dst_port == 7001) | .bytes' "$work/stacks.json")" $((11 * 106))
	is "drop packets: the task of a drop that a process is to blame for" \
		"$(jq -r 'select(.packet.udp.dst_port == 7009) | .comm' "$work/packets.json" |
		sort | uniq -c | xargs)" "$(count_of 7009) labgen"
}

# nft drops at input and at forward are freed at one place by two stacks.
judge_stacks() {
	local input='$7 ~ /nf_hook_slow/ && $7 ~ / ip6?_(local_deliver|input)/'
	local forward='$7 ~ /nf_hook_slow/ && $7 ~ / ip6?_forward/'
	expect_count stacks "$input" $((13 + 14 + 15 + 16)) "nft drops at input have the stack of input"
	expect_count stacks "$forward" $((17 + 18)) "nft drops at forward have the stack of forward"
	is "two stacks at one place stay apart" \
		"$(lines_sum by_stack "($input) && ($forward)")/$(lines_sum by_stack \
		"$input")/$(lines_sum by_stack "$forward")" "0/58/35"
}

# The rows of a run add up to what its last line says, by whatever they are grouped.
judge_sums() { # NAME
	is "${tool_args[$1]}: the total and the sum of its rows" \
		"$(tool_number "$1" .drops) $(lines_sum "$1" 1)" "$all $all"
}

# Of the packets with these reasons, one in four on each CPU; the others are counted.
judge_sample() {
	local n cpus
	cpus=$(nproc)
	n=$(awk -F'|' -v list=",$reasons," 'list == ",," || index(list, "," $3 ",") { n += $2 } END { print n }' "$work/faults")
	is "$n of $all, shown or left out: ${tool_args[sample]}" \
		"$(tool_number sample '.events + .held_back.not_sampled')" "$n" "$(tail -n 1 "$work/sample.json")"
	is "one in four shown, on each of $cpus CPUs: ${tool_args[sample]}" \
		"$(tool_number sample ".events | . >= $n / 4 and . < $n / 4 + $cpus")" true "$(tail -n 1 "$work/sample.json")"
	is "all of these reasons and no other: ${tool_args[sample]}" \
		"$(cut -d'|' -f3 "$work/sample.lines" | sort -u | paste -sd,)" "${reasons:--}"
}

# The kernel frees an echo reply as dropped when the raw socket of ping has had it.
judge_benign() {
	is "$pings echo replies are no loss, hidden and counted: ${tool_args[icmp]}" \
		"$(tool_number icmp '"\(.drops) \(.hidden_benign)"')" "$(count_of 7006) $pings" "$(cat "$work/icmp.json")"
	is "shown and said to be no loss, and no other drop is: ${tool_args[by_place]}" "$(jq -rs '
		map(select(.type == "row" and .scope == "total")) |
		def sum(f): map(select(f).count) | add;
		"\(sum(.benign and (.place.function // "" | test("^(icmp|ping)_rcv$")))) \(sum(.benign | not))"' "$work/by_place.json")" \
		"$pings $all" "$(grep '"benign":true' "$work/by_place.json")"
	is "the total and the sum of its rows: ${tool_args[by_place]}" "$(tool_number by_place .drops)" "$(lines_sum by_place 1)"
}

# Each drop passes one probe, with what else is freed so, and each echo reply another.
judge_cost() {
	local freed=$all
	# before 6.7 what an Open vSwitch flow drops passes a third one
	[[ ! $LAB_KERNEL =~ ^(5.10|6.1)$ ]] || freed=$((all - $(awk -F'|' '/^703/ { n += $2 } END { print n }' "$work/faults")))
	is "$freed hits or more, and just $pings, and the time they took: ${tool_args[default]}" "$(tool_number default \
		".cost | map({(.hook): .}) | add | \"\(.drop.hits >= $freed and .drop.ns_per_hit > 0) \(.raw4.hits) \(.raw4.ns_per_hit > 0)\"")" \
		"true $pings true" "$(tail -n 1 "$work/default.json")"
}

# to ask the kernel for Open vSwitch's netlink families would load its module
netsonde doctor > "$work/doctor"
is "doctor ends well where nothing is loaded" "$?" 0
netsonde ovs upcalls > "$work/unloaded" 2> "$work/unloaded.err"
like "ovs upcalls refuses where nothing is loaded, in one sentence" \
	"$?,$(wc -l < "$work/unloaded.err") line,$(wc -c < "$work/unloaded") bytes: $(cat "$work/unloaded.err")" \
	'^3,1 line,0 bytes: netsonde ovs upcalls.*: Open vSwitch.* is not loaded'
is "neither loads a module" "$(grep -c ^openvswitch /proc/modules)" 0
# one that is there before Open vSwitch is
tool_start late drop packets
ovs_up && peer_veth && neigh_settle --static > "$work/settle" || exit 1
faults_inject

# All at once: each sees the same packets.
tool_begin packets drop packets
tool_begin stacks drop stacks --group-by reason,place,dev,stack,flow --top 1000
tool_begin default drop stacks --top 1000 --cost
tool_begin by_stack drop stacks --group-by stack --top 1000
tool_begin by_place drop stacks --group-by place --top 1000 --all
tool_begin icmp drop stacks --group-by place --protocol icmp --dst-ip 10.0.0.1
tool_begin sample drop packets ${reasons:+--reason "$reasons"} --sample 4
NETSONDE_ATTACH=kp tool_begin packets_kp drop packets
NETSONDE_ATTACH=rt tool_begin stacks_rt drop stacks --group-by reason,place,dev,flow --top 1000
NETSONDE_BUFFER=perf tool_begin packets_perf drop packets
tools_ready
started=$EPOCHSECONDS
faults_send '70??'
ping -q -c $pings -i 0.01 10.0.0.2 > "$work/ping" || not_ok "$pings pings" "$(cat "$work/ping")"
nap 1
ended=$EPOCHSECONDS

tools_stop
# before 6.7 what a flow drops is seen by a probe in the module, later by reasons of its own
if [ "$LAB_KERNEL" = 5.10 ] || [ "$LAB_KERNEL" = 6.1 ]; then
	like "a module that came after the start is said" "$(cat "$work/late.err")" \
		'module openvswitch is loaded now: not visible .*an Open vSwitch flow drops'
else
	expect_count late '$2 == 7030 && $3 == "OVS_DROP_LAST_ACTION" && $4 ~ /^do_execute_actions/' "$(count_of 7030)" \
		"reasons and functions of a module that came after the start have their names"
	is "nothing is said to be missing where nothing is" "$(grep -c 'is loaded now' "$work/late.err")" 0
fi
expectations > "$work/faults"
all=$(awk -F'|' '{ n += $2 } END { print n }' "$work/faults")
expectations flow > "$work/faults.flow"
judge packets "$work/faults"
judge stacks "$work/faults.flow"
judge_briefly packets_kp "$work/faults"
judge_briefly packets_perf "$work/faults"
judge_briefly stacks_rt "$work/faults.flow"
judge_meanings packets "$meanings"
judge_meanings stacks "$meanings"
judge_headers "$started" "$ended"
judge_stacks
for name in stacks default by_stack; do
	judge_sums $name
done
judge_benign
judge_sample
judge_cost
finish
