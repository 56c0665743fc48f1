#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-time.sh: a delay of known size is seen in its stage and in no other, held to the application's own clock and to the kernel's tracer.
# kernels: 5.10 6.1 6.12 7
# topology: host
# seconds: 70

. /share/lib.sh

vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)

# Truth is two-sided: labgen notes the time before and after each call that sends or reads a
# datagram. What a packet took lies between what these four prove at least and at most, however
# slow the machine is.

# Each event as "SOURCE-PORT TOOK SUM-OF-STAGES NS-AT-STAGE FATE", the stage by name.
events() { # NAME STAGE DPORT
	jq -r --arg stage "$2" --argjson port "$3" '
		select(.type == "event" and .packet.udp.dst_port == $port) |
		"\(.packet.udp.src_port) \(.took_ns) \([.stages[].to_next_ns // 0] | add) " +
		"\([.stages[] | select(.stage == $stage) | .to_next_ns // 0] | add // 0) \(.fate)"' \
		"$work/$1.json" | sort -n > "$work/$1.events"
}

# Sent and read, joined: "SOURCE-PORT SENT-FROM SENT-UNTIL READ-FROM READ-UNTIL"
journeys() { # SENT-FILE SINK-FILE
	jq -rs --slurpfile read "$2" '
		($read | map(select(.src_port)) | INDEX(.src_port)) as $read |
		.[] | select(.src_port) | . as $s | $read["\(.src_port)"] // empty |
		"\(.src_port) \($s.from_ns) \($s.until_ns) \(.from_ns) \(.until_ns)"' "$1" | sort -n
}

declare -A sinks
sink() { # PORT NETNS [LABGEN OPTION...]
	labgen sink --stamps --rcvbuf 1000000 --port "$1" ${2:+--netns "$2"} "${@:3}" > "$work/sink.$1" &
	sinks[$1]=$!
	wait_for 20 test -s "$work/sink.$1"
}

# Sends by a socket each; the stamps are added to $work/sent.DPORT.
send() { # NETNS DST DPORT SPORT N RATE
	labgen udp ${1:+--netns "$1"} --dst "$2" --dport "$3" --sport "$4" --count "$5" --rate "$6" \
		--spread --stamps >> "$work/sent.$3"
}

# Each packet spent the delay there, no less; and what it took elsewhere is no more than the application's stamps leave
# for that. How long a packet should have taken elsewhere nothing here can say to 20 us: the machine under the emulation
# may stop at any time.
expect_stage() { # NAME TITLE N NS JOURNEYS
	is "$2: each packet waited there, and nowhere else" "$(awk -v ns="$4" '
		NR == FNR { most[$1] = $5 - $2; next }
		$5 == "arrived" && $4 >= ns && $2 - $4 <= most[$1] - ns { right++; next }
		{ wrong = wrong " " $0 " of " most[$1] ";" }
		END { print right + 0 wrong }' "$5" "$work/$1.events")" "$3"
	is "$2: stages add up to the whole" "$(awk '$2 != $3' "$work/$1.events")" ""
}

# No packet took longer than from before it was sent until after it was read.
expect_within() { # NAME TITLE JOURNEYS
	is "$2: never longer than the application saw" "$(awk '
		NR == FNR { most[$1] = $5 - $2; next }
		!($1 in most) { print $1, "was never sent"; next }
		$2 > most[$1] { print $1, "took", $2, "of", most[$1] }' \
		"$3" "$work/$1.events" | head -n 5)" ""
}

# ---- ovs-vswitchd stands still during a miss ----

upcall_case() {
	local sport left sent
	sink 7201 peer
	: > "$work/least"
	for sport in 21001 21002 21003; do
		ovs_stop
		send '' 10.0.0.2 7201 $sport 1 0
		nap 0.6
		left=$(wall_us)
		ovs_go
		wait_for 10 sink_has 7201 $((sport - 21000))
		# the packet was with ovs-vswitchd from before its sender went on until at least now
		sent=$(jq -s 'map(.until_ns // empty) | last' "$work/sent.7201")
		echo "$sport $((left * 1000 - sent))" >> "$work/least"
	done
}

# Has the sink read so many? It says so only in the end; its queue is empty when it has.
sink_has() { # PORT N
	[ "$(udp_read)" -ge $((peer_udp + $2)) ]
}

# What the applications in the peer's namespace have been given
udp_read() {
	ip netns exec peer cat /proc/net/snmp | awk '$1 == "Udp:" { n = $2 } END { print n }'
}

upcall_verdict() {
	events tx upcall 7201
	journeys "$work/sent.7201" "$work/sink.7201" > "$work/journeys"
	expect_stage tx "ovs-vswitchd stopped for 600 ms" 3 600000000 "$work/journeys"
	expect_within tx "ovs-vswitchd stopped" "$work/journeys"
	is "ovs-vswitchd stopped: never less than it stood still" "$(awk '
		NR == FNR { least[$1] = $2; next }
		$4 < least[$1] { print $1, $4, "of", least[$1] }' "$work/least" "$work/tx.events")" ""
	expect_witnessed tx "ovs-vswitchd stopped" 3 upcall 600000000 '.packet.udp.dst_port == 7201' \
		'^queue_userspace_packet:' '^ovs_flow_key_extract_userspace:' first
}

# ---- netem behind Open vSwitch ----

netem_case() {
	sink 7202 nicpeer
	tc qdisc replace dev nic0 root handle 77: netem delay 150ms limit 1000
	send '' 10.0.0.3 7202 22000 20 100
	nap 0.4
	netem_sent=$(tc -s -j qdisc show dev nic0 | jq '.[0].packets')
	tc qdisc del dev nic0 root
}

netem_verdict() {
	events tx qdisc 7202
	journeys "$work/sent.7202" "$work/sink.7202" > "$work/journeys"
	expect_stage tx "netem of 150 ms on the NIC" 20 150000000 "$work/journeys"
	expect_within tx "netem of 150 ms on the NIC" "$work/journeys"
	# what leaves the qdisc in bulk has one line for all there, and one each at the driver
	expect_witnessed tx "netem of 150 ms on the NIC" 20 "qdisc dequeue" 150000000 '.packet.udp.dst_port == 7202' \
		'^net_dev_queue:' '^net_dev_start_xmit:'
	is "netem: the qdisc counts what the summary counts from qdisc to dequeue" \
		"$(jq -r 'select(.scope == "total" and .from == "qdisc" and .to == "dequeue") | .count' \
		"$work/netem.json")" "$netem_sent"
	summary_stage netem netem qdisc 20 150000000
}

# The total of a summary has the delay in one stage: count, sum, mean, maximum; all others together have no more than the
# application saw beside it.
summary_stage() { # NAME TITLE STAGE N NS
	local most
	most=$(awk '{ sum += $5 - $2 } END { printf "%.0f", sum }' "$work/journeys")
	is "$2: the summary has it in its stage" \
		"$(jq -rs --arg from "$3" --argjson n "$4" --argjson ns "$5" --argjson most "$most" '
		map(select(.type == "stage" and .scope == "total")) |
		(map(select(.from == $from)) | sort_by(-.sum_ns)[0]) as $s |
		(map(.sum_ns) | add - $s.sum_ns) as $others |
		if $s.count >= $n and $s.sum_ns >= $n * $ns and $s.max_ns >= $ns
		   and $s.mean_ns * $s.count >= $n * $ns
		   and $others <= $most - $n * $ns and $s.sum_ns <= $most - $others
		then "yes" else "no: \($s), others \($others)" end' "$work/$1.json")" yes
	# on a slow machine a packet may wait for longer in ovs-vswitchd
	is "$2: the summary's tail is there, or where more was waited" \
		"$(total "$1" ".tail | .from == \"$3\" or .p999_ns > $5")" true "$(total "$1" .tail)"
}

# ---- an application that reads late ----

socket_case() {
	sink 7204 '' --late 200
	send peer 10.0.0.1 7204 24000 10 0
	nap 0.5
}

socket_verdict() {
	events sock socket 7204
	journeys "$work/sent.7204" "$work/sink.7204" > "$work/journeys"
	is "an application that reads late: all were read" \
		"$(wc -l < "$work/journeys") $(wc -l < "$work/sock.events")" "10 10"
	is "an application that reads late: the first waited 200 ms in the socket's queue" \
		"$(awk '$1 == 24000 { print ($4 >= 200000000) }' "$work/sock.events")" 1 \
		"$(< "$work/sock.events")"
	is "an application that reads late: the longest stage of all is the socket's queue" \
		"$(awk '$4 < $2 - $4' "$work/sock.events")" ""
	is "an application that reads late: no program for what is sent" \
		"$(grep '"type":"start"' "$work/sock.json" | jq -r '[.probes[].hook | select(IN("queue", "xmit", "dequeue", "out4"))] | length')" 0
	expect_witnessed sock "an application that reads late" 10 socket 0 true \
		'^__udp_enqueue_schedule_skb:' '^skb_consume_udp:'
	is "an application that reads late: stages add up" \
		"$(awk '$2 != $3' "$work/sock.events")" ""
	expect_within sock "an application that reads late" "$work/journeys"
}

# ---- the field case: Open vSwitch stalls for 250 ms now and then ----

field_case() {
	local round sport=25000
	sink 7203 peer
	: > "$work/late"
	for round in 1 2 3 4; do
		send '' 10.0.0.2 7203 $sport 25 200
		sport=$((sport + 25))
		nap 0.3
		ovs_stop
		send '' 10.0.0.2 7203 $sport $((round + 1)) 0
		seq $sport $((sport + round)) >> "$work/late"
		sport=$((sport + round + 1))
		nap 0.25
		ovs_go
		nap 0.3
	done
}

field_verdict() {
	local n=$((4 * 25 + 2 + 3 + 4 + 5))
	journeys "$work/sent.7203" "$work/sink.7203" > "$work/journeys"
	is "stalls: the application has all" "$(wc -l < "$work/journeys")" $n
	is "stalls: $n packets began and ended" \
		"$(total field '"\(.begun) \(.ended) \(.not_ended)"')" "$n $n {}"
	is "stalls: the tail of the summary is the upcall" "$(total field .tail.from)" upcall
	is "stalls: its P99.9 is a stall" "$(total field '.tail.p999_ns >= 242000000')" true \
		"$(total field .tail)"
	events slow upcall 7203
	# by serial number; who else took 100 ms or more by the application's own clock may be there too
	is "stalls: details are the packets that were sent meanwhile, all of them" \
		"$(awk 'NR == FNR { late[$1]; next } $1 in late { print $1 }' "$work/late" "$work/slow.events" | xargs)" \
		"$(xargs < "$work/late")"
	is "stalls: and otherwise only what the application too saw late" "$(awk '
		FILENAME == ARGV[1] { late[$1]; next }
		FILENAME == ARGV[2] { most[$1] = $5 - $2; next }
		!($1 in late) && most[$1] < 100000000 { print $1, $2, most[$1] }' \
		"$work/late" "$work/journeys" "$work/slow.events")" ""
	is "stalls: --threshold upcall=100ms has the same 14" \
		"$(jq -r 'select(.type == "event") | .packet.udp.src_port' "$work/upcall.json" | sort -n |
		awk 'NR == FNR { late[$1]; next } $1 in late { print $1 }' "$work/late" - | xargs)" "$(xargs < "$work/late")"
	is "stalls: and each of them was that long in the upcall" "$(jq -r 'select(.type == "event") |
		select(([.stages[] | select(.stage == "upcall") | .to_next_ns // 0] | add // 0) < 100000000) |
		.packet.udp.src_port' "$work/upcall.json")" ""
	awk 'NR == FNR { late[$1]; next } $1 in late' "$work/late" "$work/slow.events" > "$work/stalled.events"
	expect_stage stalled stalls 14 200000000 "$work/journeys"
	expect_within slow stalls "$work/journeys"
}

# Each source port is a flow of its own, so each packet is a miss.
ovs-ofctl add-flow br-int 'priority=100,udp,actions=move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15],NORMAL'
peer_udp=$(udp_read)

tool_begin tx path details --path host-tx --phy-interface vp0,nic0 --dst-port 7201,7202
tool_begin netem path summary --path host-tx --phy-interface nic0 --dst-port 7202
tool_begin sock path details --path host-rx --phy-interface vp0 --socket --dst-port 7204
tool_begin field path summary --path host-tx --phy-interface vp0 --dst-port 7203
tool_begin slow path details --path host-tx --phy-interface vp0 --dst-port 7203 --threshold 100ms
tool_begin upcall path details --path host-tx --phy-interface vp0 --dst-port 7203 --threshold upcall=100ms
tools_ready
# Each of the probes is where one of ours is, or just behind it, by another machinery of the kernel.
witness_begin 'queue_userspace_packet 0' 'ovs_flow_key_extract_userspace 0' '__udp_enqueue_schedule_skb 2' 'skb_consume_udp 2' \
	'net/net_dev_queue name == "nic0"' 'net/net_dev_start_xmit name == "nic0"'

upcall_case
netem_case
socket_case
field_case
nap 0.5
witness_end
kill "${sinks[@]}"
wait "${sinks[@]}"
for name in "${!tool_pids[@]}"; do
	kill -INT "${tool_pids[$name]}"
done
for name in "${!tool_pids[@]}"; do
	tool_wait "$name"
	is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
	is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
done

upcall_verdict
netem_verdict
socket_verdict
field_verdict
finish
