#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path.sh: each packet that begins a path of the host ends it or is accounted for, and none is taken for another.
# kernels: 5.10 6.1 6.12 7
# topology: host
# seconds: 45

. /share/lib.sh

# ---- what the tools said ----

reached_in() { # STAGE NAME...: in all of these runs together
	local name
	for name in "${@:2}"; do
		reached "$name"
	done | awk -v s="$1" '$1 == s { n += $2 } END { print n + 0 }'
}

# ---- what others count ----

datapath() { # hit, missed and lost lookups
	ovs-appctl dpctl/show |
		sed -n 's/.*lookups: hit:\([0-9]*\) missed:\([0-9]*\) lost:\([0-9]*\).*/\1 \2 \3/p'
}

qdisc_sent() { # NAME
	tc -s -j qdisc show dev "$1" | jq '.[0].packets'
}

# The e1000e's driver takes its counters from the hardware every two seconds, or when asked by ip.
counters_read() {
	local hit missed lost
	ip -s link show nic0 > "$work/link"
	read -r hit missed lost <<< "$(datapath)"
	echo "looked $((hit + missed)) missed $missed lost $lost vp0_rx $(device vp0 rx_packets)" \
		"vp0_tx $(device vp0 tx_packets) nic0_rx $(device nic0 rx_packets) nic0_tx $(device nic0 tx_packets)" \
		"qdisc $(qdisc_sent nic0)"
}

# They belong together only if nothing went by while they were read.
counters_take() { # PREFIX
	local now before= name value i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		now=$(counters_read)
		[ "$now" != "$before" ] || break
		before=$now
	done
	while read -r name value; do
		printf -v "$1_$name" %d "$value"
	done <<< "$(xargs -n 2 <<< "$now")"
}

# ---- sinks ----

declare -A sinks
sink() { # PORT [NETNS]
	labgen sink --rcvbuf 16000000 --port "$1" ${2:+--netns "$2"} > "$work/sink.$1" &
	sinks[$1]=$!
}

sinks_ready() {
	local port
	for port in "${!sinks[@]}"; do
		wait_for 20 test -s "$work/sink.$port"
	done
}

# A TCP server that is stopped with the sinks
echo_begin() { # PORT [LABGEN OPTION...]
	labgen tcp-echo --port "$1" "${@:2}" > "$work/sink.$1" &
	sinks[$1]=$!
}

sinks_stop() {
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
}

# ---- the cases ----

# Forwarding by IP, between two veth pairs that are no ports of br-int
routes_make() {
	local n
	sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	for n in 1 2; do
		ip netns add far$n
		ip link add fw$n type veth peer name far$n netns far$n
		ip -batch - <<-END
			link set fw$n address 52:54:00:00:0$n:01 up
			addr add 10.2$n.0.1/24 dev fw$n
			addr add fd2$n::1/64 dev fw$n nodad
			neigh replace 10.2$n.0.2 lladdr 52:54:00:00:0$n:02 nud permanent dev fw$n
			neigh replace fd2$n::2 lladdr 52:54:00:00:0$n:02 nud permanent dev fw$n
		END
		ip -n far$n -batch - <<-END
			link set far$n address 52:54:00:00:0$n:02 up
			addr add 10.2$n.0.2/24 dev far$n
			addr add fd2$n::2/64 dev far$n nodad
			neigh replace 10.2$n.0.1 lladdr 52:54:00:00:0$n:01 nud permanent dev far$n
			neigh replace fd2$n::1 lladdr 52:54:00:00:0$n:01 nud permanent dev far$n
			route add default via 10.2$n.0.1
			route add default via fd2$n::1
		END
	done
}

# Sends N by a socket, one by one unless the rate says otherwise; each has a source port of its own.
send() { # NETNS DST DPORT N [LABGEN OPTION...]
	local n
	n=$(sent labgen udp ${1:+--netns "$1"} --dst "$2" --dport "$3" --count "$4" --rate 200 \
		--spread --sport 20000 "${@:5}")
	[ "$n" = "$4" ] || not_ok "$4 datagrams to port $3 sent" "labgen says '$n'"
}

pings() { # NETNS DST N
	in_ns "${1:-host}" ping -q -i 0.02 -c "$3" -W 10 "$2" > "$work/ping" 2>&1
	grep -q " $3 received" "$work/ping" || not_ok "$3 pings to $2" "$(cat "$work/ping")"
}

# One by one, of all kinds, on all three paths at once; nothing else is sent.
one_by_one() {
	tool_begin tx path summary --path host-tx --phy-interface vp0,nic0
	tool_begin rx path summary --path host-rx --phy-interface vp0,nic0
	tool_begin fw path summary --path forward \
		--phy-interface vp0,nic0,fw1,fw2 --dst-port 7020-7029
	tools_ready
	for port in 7001 7002 7004 7005; do
		sink $port "$([ $port -lt 7003 ] && echo peer || echo nicpeer)"
	done
	for port in 7011 7012 7014 7015; do
		sink $port
	done
	sink 7021 nicpeer; sink 7022 peer; sink 7024 nicpeer
	sink 7025 far2; sink 7026 far2
	sinks_ready
	echo_begin 7003 --netns peer
	echo_begin 7013

	counters_take before
	send '' 10.0.0.2 7001 31
	send '' fd00::2 7002 32
	send '' 10.0.0.3 7004 34
	send '' fd00::3 7005 35
	send peer 10.0.0.1 7011 41
	send peer fd00::1 7012 42
	send nicpeer 10.0.0.1 7014 44
	send nicpeer fd00::1 7015 45
	send peer 10.0.0.3 7021 51
	send nicpeer 10.0.0.2 7022 52
	send peer fd00::3 7024 54
	send far1 10.22.0.2 7025 55
	send far1 fd22::2 7026 56
	pings '' 10.0.0.2 11
	pings '' fd00::3 12
	pings peer fd00::1 13
	pings nicpeer 10.0.0.1 14
	labgen tcp --dst 10.0.0.2 --dport 7003 --count 10 --rate 100 > "$work/tcp"
	labgen tcp --netns nicpeer --dst 10.0.0.1 --dport 7013 --count 3 --size 20000 > "$work/tcp.gro"
	nap 1
	counters_take after
	sinks_stop
	tools_end

	local port n
	is "TCP came and went" "$(jq -r .answered "$work/tcp" "$work/tcp.gro" | xargs)" "10 3"
	for port in 7001/31 7002/32 7004/34 7005/35 7011/41 7012/42 7014/44 7015/45 \
		    7021/51 7022/52 7024/54 7025/55 7026/56; do
		n=${port#*/} port=${port%/*}
		is "the application on port $port has $n" "$(received "$port")" "$n"
	done

	# what the host sent: all that left by the two devices, less what was forwarded
	local forwarded=$((51 + 52 + 54)) out
	out=$(($(since vp0_tx) + $(since nic0_tx) - forwarded))
	balanced tx "host-tx, one by one"
	is "host-tx: as many began and ended as the devices sent" \
		"$(near tx "$(total tx '"\(.begun) \(.ended)"')" "$out $out")" "$out $out"
	expect_reached tx host-tx "$out" port_out ovs actions qdisc driver
	expect_sums tx host-tx
	is "host-tx: the qdisc of nic0 saw what nic0 sent" "$(since qdisc)" "$(since nic0_tx)"

	# what it received; what it forwarded began there, and went another way
	local in=$(($(since vp0_rx) + $(since nic0_rx)))
	local merged=$((in + out - $(since looked)))
	balanced rx "host-rx, one by one"
	is "host-rx: as many began as the devices received" "$(total rx .begun)" "$in"
	local went="$((in - forwarded - merged)) $forwarded $merged"
	is "host-rx: what was not for this host went on, what GRO made one was looked up as one" \
		"$(near rx "$(total rx '"\(.ended) \(.not_ended.consumed) \(.not_ended.merged // 0)"')" "$went")" \
		"$went" "$(total rx .not_ended) skipped: $(missed_by rx)"
	expect_reached rx host-rx $((in - forwarded - merged)) port_in backlog ip l4
	expect_reached rx "host-rx, with what is forwarded" $((in - merged)) ovs actions

	balanced fw "forward, one by one"
	is "forward: all began and ended" \
		"$(near fw "$(total fw '"\(.begun) \(.ended) \([.not_ended[]] | add // 0)"')" "268 268 0")" "268 268 0" \
		"$(total fw .not_ended) skipped: $(missed_by fw)"
	expect_reached fw forward 268 qdisc driver
	expect_reached fw "forward by Open vSwitch" 157 ovs actions
	expect_reached fw "forward by IP" 111 ip forward
	expect_sums fw forward

	# the tools have the same probes here, which are skipped together
	is "each miss is an upcall out and back" \
		"$(near rx "$(reached_in upcall tx rx) $(reached_in back tx rx)" "$(since missed) $(since missed)")" \
		"$(since missed) $(since missed)" "skipped: $(missed_by rx)"
}

# One socket is one flow; the others are counted together.
by_flow() {
	local port
	tool_begin flows path summary --path host-tx --phy-interface vp0,nic0 --top 2 \
		--protocol udp --dst-port 7031-7033
	tools_ready
	for port in 7031 7032 7033; do
		labgen udp --dst 10.0.0.2 --dport $port --count $((port - 7010)) --rate 100 > "$work/sent"
	done
	nap 1
	tools_end
	is "the flows with the most packets, each with its own" "$(jq -r 'select(.type == "flow" and
		.scope == "total") | "\(.flow.dst_port) \(.count) \(.lost)"' "$work/flows.json" | xargs)" \
		"7033 23 0 7032 22 0"
	is "a flow's times are those of its packets" "$(jq -r 'select(.type == "flow" and
		.scope == "total") | .max_ns * .count >= .sum_ns and .p50_ns <= .max_ns and
		.sum_ns >= .max_ns and .slowest.share > 0' "$work/flows.json" | xargs)" "true true"
}

sysctl -qw net.core.netdev_max_backlog=100000 net.core.rmem_max=16000000
# what TCP sends as one packet is to count as one with the devices too
ip link set br-int gso_max_segs 1
ip netns exec nicpeer ethtool -K nic1 tso off gso off > "$work/ethtool"
routes_make
one_by_one
by_flow
finish
