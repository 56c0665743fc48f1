#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-vm.sh: what a guest receives and sends, stage by stage to vhost and its signal, held to what the guest and the tap count.
# kernels: 6.1 6.12 7
# topology: vm
# timeout: 900
# seconds: 110

. /share/lib.sh

tap=tap-g1
qemu=$(< /run/guest/g1/qemu.pid)

# ---- what the tools said ----

total() { # NAME JQ-EXPRESSION
	jq -r "select(.type == \"total\") | $2" "$work/$1.json"
}

balanced() { # NAME TITLE: begun = ended + what became of the others, and nothing is lost by us
	is "$2: begun = ended + accounted for" "$(total "$1" '
		"\(.begun - .ended - ([.not_ended[]] | add // 0) - .in_flight) \(.lost_by_us)"')" "0 0" \
		"$(total "$1" '"begun \(.begun) ended \(.ended) \(.not_ended) in flight \(.in_flight)"')"
}

expect_total() { # NAME TITLE BEGUN ENDED NOT-ENDED: and no copies
	is "$2" "$(total "$1" '"\(.begun) \(.ended) \(.not_ended) \(.in_flight) \(.copies)"')" \
		"$3 $4 $5 0 0" "$(total "$1" '.drops | tojson')"
}

reached() { # NAME STAGE: how many came there
	jq -s --arg to "$2" 'map(select(.type == "stage" and .scope == "total" and .to == $to) | .count) | add // 0' \
		"$work/$1.json"
}

expect_reached() { # NAME TITLE N STAGE...: that many at each of the stages
	local name=$1 title=$2 n=$3 stage seen=
	shift 3
	for stage; do
		seen+="$stage $(reached "$name" "$stage"), "
	done
	is "$title: $n at each stage" "$seen" "$(printf "%s $n, " "$@")"
}

expect_edges() { # NAME TITLE FROM:TO...: some packets went from the one stage to the other
	local name=$1 title=$2 edge none=
	shift 2
	for edge; do
		[ "$(jq -s --arg edge "$edge" 'map(select(.type == "stage" and .scope == "total" and
			"\(.from):\(.to)" == $edge) | .count) | add // 0' "$work/$name.json")" -gt 0 ] || none+=" $edge"
	done
	is "$title: $*" "no packets:$none" "no packets:"
}

expect_sums() { # NAME TITLE: only where each packet ended
	is "$2: the stages' times add up to the path's" "$(jq -rs '
		map(select(.scope == "total")) |
		(map(select(.type == "stage" or .way == "other") | .sum_ns) | add) as $stages |
		(map(select(.way == "direct" or .way == "upcall") | .sum_ns) | add) as $path |
		if $stages == $path then "equal" else "\($stages) and \($path)" end' \
		"$work/$1.json")" equal
}

# Each event: MARK|BEGAN|TOOK|SUM-OF-STAGES|FATE|STAGES|TASK-AT-VHOST|NS-AT-tap_out; the mark is the
# source port, of ICMP the sequence number
events() { # NAME
	jq -r 'select(.type == "event") |
		[.packet.udp.src_port // .packet.icmp.seq // "-", .time_ns, .took_ns, ([.stages[].to_next_ns // 0] | add),
		 .fate, ([.stages[].stage] | join(" ")), ([.stages[] | select(.stage == "vhost") | .comm] | add // "-"),
		 ([.stages[] | select(.stage == "tap_out") | .to_next_ns // 0] | add // 0)] |
		map(tostring) | join("|")' "$work/$1.json" | sort -t '|' -k 2,2 > "$work/$1.events"
}

# The ways that packets may take. The guest asks for an interrupt only when it is not at work anyway,
# and kicks only when vhost is not.
ovs='ovs (upcall back )?actions (conntrack )?(again )*'
rx_way="^(nic )?receive ${ovs}qdisc (dequeue )?tap_out vhost used( irqfd( inject)?)?\$"
tx_way="^((kick )?worker )?tun tap_in ${ovs}qdisc (dequeue )?driver\$"

expect_ways() { # NAME TITLE N WAY
	events "$1"
	is "$2: an event a packet" "$(wc -l < "$work/$1.events")" "$3"
	is "$2: its stages in order, by a way that there is" "$(awk -F'|' -v way="$4" '
		$5 != "arrived" || $6 !~ way { print $1, $5, $6 }' "$work/$1.events" | head -n 3)" ""
	is "$2: its stages add up" "$(awk -F'|' '$3 != $4' "$work/$1.events" | head -n 3)" ""
}

# ---- what others count ----

device() { # NAME rx_packets|tx_packets|tx_dropped...
	echo "$(< "/sys/class/net/$1/statistics/$2")"
}

counters_take() { # PREFIX
	local name
	# the driver of nic0 asks its hardware only now and then, or when ip asks
	ip -s link show nic0 > "$work/link"
	for name in vp0 nic0 "$tap"; do
		printf -v "$1_${name%-*}_rx" %d "$(device "$name" rx_packets)"
		printf -v "$1_${name%-*}_tx" %d "$(device "$name" tx_packets)"
		printf -v "$1_${name%-*}_tx_dropped" %d "$(device "$name" tx_dropped)"
	done
}

since() { # COUNTER: how far it went from before_ to after_
	local a=after_$1 b=before_$1
	echo $((${!a} - ${!b}))
}

# ---- sinks, on this side and in the guest ----

declare -A sinks
sink() { # PORT NETNS
	labgen sink --rcvbuf 16000000 --port "$1" --netns "$2" > "$work/sink.$1" &
	sinks[$1]=$!
	wait_for 20 test -s "$work/sink.$1"
}

received() { # PORT
	jq -r '.received // empty' "$work/sink.$1"
}

guest_sink() { # PORT [LABGEN OPTION...]
	guest_run g1 "labgen sink --rcvbuf 16000000 --port $* > /tmp/sink.$1 2>&1 & echo \$! > /tmp/pid.$1
		while [ ! -s /tmp/sink.$1 ]; do usleep 20000; done"
}

guest_received() { # PORT: ends the sink
	guest_run g1 "kill \$(cat /tmp/pid.$1); while ! grep received /tmp/sink.$1; do usleep 20000; done" |
		jq -r '.received // empty'
}

sinks_stop() {
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
}

tools_end() {
	local name
	for name in "${!tool_pids[@]}"; do
		kill -INT "${tool_pids[$name]}"
	done
	for name in "${!tool_pids[@]}"; do
		tool_wait "$name"
		is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
	done
}

# ---- traffic ----

send() { # NETNS DST DPORT N RATE [LABGEN OPTION...]
	local n
	n=$(sent labgen udp --netns "$1" --dst "$2" --dport "$3" --count "$4" --rate "$5" "${@:6}")
	[ "$n" = "$4" ] || not_ok "$4 datagrams to port $3 sent" "labgen says '$n'"
}

guest_send() { # DST DPORT N RATE
	local n
	n=$(guest_run g1 "labgen udp --dst $1 --dport $2 --count $3 --rate $4" | jq -r .sent)
	[ "$n" = "$3" ] || not_ok "the guest sends $3 datagrams to port $2" "labgen says '$n'"
}

pings() { # NETNS DST N
	ip netns exec "$1" ping -q -i 0.02 -W 10 -c "$3" "$2" > "$work/ping" 2>&1
	grep -q " $3 received" "$work/ping" || not_ok "$3 pings to $2" "$(cat "$work/ping")"
}

# ---- the cases ----

# One by one, of all kinds, both ways; nothing else is sent.
count_case() {
	tool_begin rx path summary --path vm-rx --phy-interface vp0,nic0 --vm-interface $tap
	tool_begin tx path summary --path vm-tx --phy-interface vp0,nic0 --vm-interface $tap
	tool_begin rx_each path details --path vm-rx --phy-interface vp0,nic0 --vm-interface $tap --protocol icmp
	tool_begin tx_each path details --path vm-tx --phy-interface vp0,nic0 --vm-interface $tap --protocol icmp
	tool_begin pid path summary --path vm-rx --phy-interface vp0 --vm-interface pid:$qemu --dst-port 7301,7302
	tool_begin others path summary --path vm-rx --phy-interface vp0 --vm-interface $tap --dst-port 7399
	tools_ready
	guest_sink 7301
	guest_sink 7302
	guest_sink 7303
	sink 7311 peer
	sink 7312 peer
	sink 7313 nicpeer
	counters_take before
	send peer 10.0.0.10 7301 41 200
	send peer fd00::10 7302 42 200
	send nicpeer 10.0.0.10 7303 43 200
	guest_send 10.0.0.2 7311 51 200
	guest_send fd00::2 7312 52 200
	guest_send 10.0.0.3 7313 53 200
	pings peer 10.0.0.10 11
	pings peer fd00::10 12
	pings nicpeer 10.0.0.10 13
	nap 0.5
	counters_take after
	guest_has=$(guest_received 7301)\ $(guest_received 7302)\ $(guest_received 7303)
	sinks_stop
	tools_end
}

count_verdict() {
	local in=$((41 + 42 + 43 + 11 + 12 + 13)) out=$((51 + 52 + 53 + 11 + 12 + 13))
	is "the guest's applications have all" "$guest_has" "41 42 43"
	is "the guest's datagrams are all received" "$(received 7311) $(received 7312) $(received 7313)" "51 52 53"
	is "vm-rx: the tap sent to the guest what arrived" "$(since tap_tx) $(($(since vp0_rx) + $(since nic0_rx)))" \
		"$in $in"
	expect_total rx "vm-rx: $in began and ended" $in $in '{}'
	balanced rx vm-rx
	expect_reached rx vm-rx $in ovs actions qdisc tap_out vhost used
	expect_edges rx vm-rx tap_out:vhost vhost:used used:irqfd irqfd:inject
	expect_sums rx vm-rx
	is "vm-tx: the devices sent what the tap received" "$(since tap_rx) $(($(since vp0_tx) + $(since nic0_tx)))" \
		"$out $out"
	expect_total tx "vm-tx: $out began and ended" $out $out '{}'
	balanced tx vm-tx
	expect_reached tx vm-tx $out tap_in ovs actions qdisc driver
	expect_edges tx vm-tx kick:worker worker:tun tun:tap_in
	expect_sums tx vm-tx
	expect_total pid "pid:$qemu is the guest's tap" 83 83 '{}'
	expect_total others "what the filter does not let through does not begin" 0 0 '{}'

	# IPv4 only: ICMPv6 is a protocol of its own
	expect_ways rx_each "each ping to the guest" 24 "$rx_way"
	is "each ping to the guest: at vhost in vhost's thread" \
		"$(awk -F'|' '$7 !~ /^vhost-/' "$work/rx_each.events" | head -n 3)" ""
	expect_ways tx_each "each answer of the guest" 24 "$tx_way"
}

sysctl -qw net.core.rmem_max=16000000
guest_run g1 'echo 16000000 > /proc/sys/net/core/rmem_max'
count_case
count_verdict
finish
