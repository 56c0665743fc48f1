#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-tools.sh: packets that wait for a busy CPU, path rtt and path metrics held to ping and the devices, a bond's members.
# kernels: 5.10 6.1 6.12 7
# check: 5.10 6.1 7
# topology: host
# seconds: 130

. /share/lib.sh

meter() { # NAME STAGE JQ-EXPRESSION: what path metrics says of a stage, of the whole run
	jq -r --arg stage "$2" "select(.type == \"meter\" and .scope == \"total\" and .stage == \$stage) | $3" \
		"$work/$1.json"
}

declare -A sinks
sink() { # PORT NETNS [LABGEN OPTION...]
	labgen sink --rcvbuf 1000000 --port "$1" ${2:+--netns "$2"} "${@:3}" > "$work/sink.$1" &
	sinks[$1]=$!
	wait_for 20 test -s "$work/sink.$1"
}

tools_verdict() { # NAME...
	local name
	tools_end "$@"
	for name; do
		# what the kernel skipped, where one task was preempted inside a program, shows in the counts
		is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
	done
}

# ---- receive packet steering to a CPU that runs no softirq for a time ----

# pktgen sends its bursts with softirqs off, here by its thread on CPU 1 into a device that takes
# all, and notes when it began and when it was done. All else is on CPU 0.
pktgen() { # SETTING
	echo "$1" > /proc/net/pktgen/dummy1
}

pktgen_make() {
	local setting
	modprobe -a pktgen dummy
	ip link add dummy1 type dummy
	ip link set dummy1 up
	echo "add_device dummy1" > /proc/net/pktgen/kpktgend_1
	for setting in "delay 0" "pkt_size 60" "clone_skb 1000000000" "dst 10.9.9.9" "dst_mac 52:54:00:00:09:09"; do
		pktgen "$setting"
	done
}

pktgen_run() { # N in one burst
	local before
	before=$(pktgen_times)
	pktgen "count $1"
	pktgen "burst $1"
	echo start > /proc/net/pktgen/pgctrl
	# that comes back after 125 ms, too, if its thread had no CPU by then
	wait_for 20 pktgen_has_run "$before"
}

pktgen_has_run() { # TIMES-BEFORE
	grep -q 'Result: OK: [0-9]' /proc/net/pktgen/dummy1 && [ "$(pktgen_times)" != "$1" ]
}

pktgen_times() { # began, done: us since the machine was started
	sed -n 's/.*started: \([0-9]*\)us *stopped: \([0-9]*\)us.*/\1 \2/p' /proc/net/pktgen/dummy1
}

# CPU 1 has no time for packets for about 600 ms. Adds to the holds, in ns: FROM and UNTIL, which are pktgen's own stamps
# and which the wall's clock has not passed by then, when the burst still LASTED, and HOW-LONG it had done so. Between that
# and UNTIL the packets come through: pktgen notes its end when its thread has a CPU.
busy() {
	local began ended lasted
	burst_watch $(($(device dummy1 tx_packets) + busy_count)) > "$work/lasted" &
	pktgen_run "$busy_count"
	wait $!
	read -r began ended < <(pktgen_times)
	began=$((began + lacks_most)) ended=$((ended + lacks_most)) lasted=$(< "$work/lasted")
	echo "$((began * 1000)) $((ended * 1000)) $((lasted * 1000)) $(((lasted - began) * 1000))" >> "$work/holds"
	# calibrated on a busy machine, it may be over soon
	[ $((lasted - began)) -ge 300000 ] || busy_count=$((busy_count * 2))
}

burst_watch() { # TX-PACKETS: when there were not as many yet, in us
	local at n lasted=0
	while at=${EPOCHREALTIME/[.,]/}; read -r n < /sys/class/net/dummy1/statistics/tx_packets && [ "$n" -lt "$1" ]; do
		lasted=$at
		nap 0.005
	done
	echo "$lasted"
}

# N packets to each of two ports, and a hold while they are on their way
rps_round() { # SENT-BEFORE N
	local before senders
	before=$(device vp0 rx_packets)
	labgen udp --netns peer --dst 10.0.0.1 --dport 7401 --sport $((21000 + $1)) --spread --count "$2" \
		--rate 20 --stamps >> "$work/sent.7401" &
	senders=($!)
	labgen udp --netns nicpeer --dst 10.0.0.1 --dport 7402 --sport $((22000 + $1)) --spread --count "$2" \
		--rate 20 --stamps >> "$work/sent.7402" &
	senders+=($!)
	wait_for 20 came $((before + 3))
	busy
	wait "${senders[@]}"
}

rps_case() {
	local irq began ended
	taskset -pc 0 $$ > "$work/taskset"
	awk '$NF ~ /^nic0/ { sub(":", "", $1); print $1 }' /proc/interrupts > "$work/irqs"
	while read -r irq; do
		echo 1 > "/proc/irq/$irq/smp_affinity"
	done < "$work/irqs"
	echo 2 > /sys/class/net/br-int/queues/rx-0/rps_cpus
	echo 2 > /sys/class/net/nic0/queues/rx-0/rps_cpus
	pktgen_make
	pktgen_run 1000000
	pktgen_run 1000000
	read -r began ended < <(pktgen_times)
	busy_count=$((600000 * 1000000 / (ended - began)))

	sink 7401 '' --stamps
	sink 7402 '' --stamps
	witness_begin 'net/netif_rx name == "br-int"' 'net/napi_gro_receive_entry name == "nic0"' \
		'net/netif_receive_skb name == "br-int" || name == "nic0"'
	: > "$work/holds"
	rx_bytes=$(device vp0 rx_bytes)
	rps_round 0 54
	rps_round 54 53
	rps_round 107 53
	nap 0.5
	witness_end
	rx_bytes=$(($(device vp0 rx_bytes) - rx_bytes))
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
	echo 0 > /sys/class/net/br-int/queues/rx-0/rps_cpus
	echo 0 > /sys/class/net/nic0/queues/rx-0/rps_cpus
	taskset -pc 0,1 $$ > "$work/taskset"
}

came() { # N in all
	[ "$(device vp0 rx_packets)" -ge "$1" ]
}

# Each packet as "SOURCE-PORT TOOK SUM-OF-STAGES NS-AT-STAGE SENT-FROM SENT-UNTIL READ-UNTIL HOLD", the
# hold being the one in which it was sent, or 0. The burst begins soon after pktgen has noted the time.
rps_events() { # STAGE DPORT
	jq -nr --arg stage "$1" --slurpfile sent "$work/sent.$2" --slurpfile read "$work/sink.$2" --argjson port "$2" '
		($sent | map(select(.src_port)) | INDEX(.src_port)) as $sent |
		($read | map(select(.src_port)) | INDEX(.src_port)) as $read |
		inputs | select(.type == "event" and .packet.udp.dst_port == $port) |
		"\(.packet.udp.src_port)" as $p |
		"\($p) \(.took_ns) \([.stages[].to_next_ns // 0] | add) " +
		"\([.stages[] | select(.stage == $stage) | .to_next_ns // 0] | add // 0) " +
		"\($sent[$p].from_ns) \($sent[$p].until_ns) \($read[$p].until_ns)"' "$work/steered.json" |
	awk 'NR == FNR { from[NR] = $1 + $4 / 10; lasted[NR] = $3; holds = NR; next }
		{
			in_hold = 0
			for (h = 1; h <= holds; h++)
				if ($5 >= from[h] && $6 < lasted[h])
					in_hold = h
			print $0, in_hold
		}' "$work/holds" - > "$work/events.$2"
}

# What waited for the CPU did so until this had done with its burst, and with what waited before:
# for that a fifth of the time is allowed.
rps_verdict() { # STAGE DPORT TITLE ENTERS
	local enough events=$work/events.$2
	rps_events "$1" "$2"
	is "$3: an event for each of 160" "$(wc -l < "$events")" 160
	is "$3: stages add up" "$(awk '$2 != $3' "$events" | head -n 3)" ""
	is "$3: never longer than the application saw" "$(awk '$2 > $7 - $5' "$events" | head -n 3)" ""
	is "$3: who was sent while the CPU was busy waited until it no longer was" "$(awk '
		NR == FNR { until[NR] = $2; lasted[NR] = $3; long[NR] = $4; next }
		$8 && ($4 > until[$8] - $5 + long[$8] / 5 || $4 < lasted[$8] - $6) {
			print $0, "waited", $4, "of", lasted[$8] - $6, "to", until[$8] - $5 }' \
		"$work/holds" "$events" | head -n 3)" ""
	expect_witnessed steered "$3" "$(awk '$4 >= 50000000 { n++ } END { print n + 0 }' "$events")" "$1" 50000000 ".packet.udp.dst_port == $2" "$4" '^netif_receive_skb:'
	is "$3: and nowhere else" "$(awk '
		NR == FNR { long[NR] = $4; next }
		$8 && $4 > long[$8] / 2 && $2 - $4 > $4 / 2' "$work/holds" "$events" | head -n 3)" ""
	enough=$(awk 'NR == FNR { long[NR] = $4; next }
		$8 && $4 > long[$8] / 2 { n[$8]++ } END { print (n[1] >= 3) + (n[2] >= 3) + (n[3] >= 3) }' "$work/holds" "$events")
	# a hold may come after the last packet where the emulator is slow
	is "$3: some waited for more than half of it" \
		"$((enough >= 1))" 1 "$(cat "$work/holds" "$events")"
}

rps_metrics_verdict() {
	local waited
	expect_all rps "path metrics, 160 steered to another CPU" 160
	is "path metrics: they were on another CPU from the backlog on" \
		"$(jq -r 'select(.type == "meter" and .scope == "total" and .cpu_changes > 0) |
		"\(.stage) \(.cpu_changes)"' "$work/rps.json" | xargs)" "backlog 160"
	# on receive, a packet's Ethernet header is behind it
	is "path metrics: their bytes are the device's" \
		"$(meter rps receive '"\(.packets) \(.bytes)"')" "160 $((rx_bytes - 160 * 14))"
	if [ "$LAB_KERNEL" = 5.10 ]; then
		# its types do not say where a CPU has its backlog
		is "path metrics: the backlog's length is not to be had" "$(meter rps port_in .depth_mean)" null
		return
	fi
	# as many as were sent one after the other while the CPU was busy
	waited=$(awk '$8 { n[$8]++ } END { for (h in n) most = n[h] > most ? n[h] : most; print most + 0 }' "$work/events.7401")
	is "path metrics: the backlog's length, of $waited or more" \
		"$(meter rps port_in ".depth_max >= $waited - 1 and .depth_max < 2 * 160")" true \
		"$(meter rps port_in '"depth \(.depth_mean) at most \(.depth_max)"')"
}

# ---- path metrics: what a qdisc holds ----

# 60 packets that wait for two seconds each find as many as came before
queue_case() {
	sink 7403 nicpeer
	tc qdisc replace dev nic0 root handle 77: netem delay 2s limit 1000
	labgen udp --dst 10.0.0.3 --dport 7403 --count 60 --rate 0 --size 200 > "$work/queue"
	wait_for 20 queue_is_empty
	queue_sent=$(tc -s -j qdisc show dev nic0 | jq -r '.[0] | "\(.packets) \(.bytes)"')
	tc qdisc del dev nic0 root
	nap 0.2
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
}

queue_is_empty() {
	tc -s -j qdisc show dev nic0 | jq -e '.[0].packets == 60 and .[0].backlog == 0' > "$work/empty"
}

queue_verdict() {
	expect_all queue "path metrics, 60 in a queue" 60
	is "path metrics: packets and bytes that left are the qdisc's" \
		"$(meter queue driver '"\(.packets) \(.bytes)"')" "$queue_sent"
	is "path metrics: each of 60 finds those before it in the queue" \
		"$(meter queue qdisc '"\(.depth_mean) \(.depth_max)"')" "29.5 59"
	[ -z "$more" ] || is "path details --sample 4: one in four on each CPU, and the others are counted" "$(jq -rs '
		(map(select(.type == "event")) | length) as $n | (map(select(.type == "end"))[0].held_back | add // 0) as $held |
		"\($n + $held) \($n >= 14 and $n <= 16)"' "$work/sampled.json")" "60 true" \
		"$(jq -c 'select(.type == "end")' "$work/sampled.json")"
	is "path metrics: the device's only queue" "$(jq -c '
		select(.type == "queues" and .scope == "total" and .direction == "tx") | .queues | map("\(.queue) \(.packets)")' "$work/queue.json")" \
		'["0 60"]'
}

# ---- path rtt ----

pings() { # DST N [FILE]: N answered; ping's times are added to the file
	ping -i 0.05 -W 10 -c "$2" "$1" > "$work/ping" 2>&1
	grep -q " $2 received" "$work/ping" || not_ok "$2 pings to $1" "$(cat "$work/ping")"
	sed -n 's/.* time=\([0-9.]*\) ms/\1/p' "$work/ping" >> "$work/pinged"
}

pings_us() { # DST N: from the other host to this one
	ip netns exec nicpeer ping -i 0.05 -W 10 -c "$2" "$1" > "$work/ping" 2>&1
	grep -q " $2 received" "$work/ping" || not_ok "$2 pings to $1" "$(cat "$work/ping")"
	sed -n 's/.* time=\([0-9.]*\) ms/\1/p' "$work/ping" >> "$work/pinged_us"
}

rtt_case() {
	: > "$work/pinged"
	flows_delete
	pings 10.0.0.3 11
	pings fd00::3 12
	ip netns exec nicpeer tc qdisc add dev nic1 root handle 78: netem delay 120ms
	pings 10.0.0.3 13
	ip netns exec nicpeer tc qdisc del dev nic1 root
	tc qdisc replace dev nic0 root handle 77: netem delay 100ms
	pings fd00::3 14
	: > "$work/pinged_us"
	pings_us 10.0.0.1 7
	tc qdisc del dev nic0 root
	pings_us fd00::1 8

	ip netns exec peer nft -f - <<-'END'
	table ip lab {
		chain input {
			type filter hook input priority 0
			icmp type echo-request limit rate over 1/hour burst 4 packets drop
		}
	}
	END
	rtt_lost=$((9 + $(echoes)))
	ping -q -i 0.05 -W 1 -c 9 10.0.0.2 > "$work/ping.lost"
	nap 0.5
	rtt_lost=$((rtt_lost - $(echoes)))
	ip netns exec peer nft delete table ip lab
}

# How many echo requests the peer has answered
echoes() {
	ip netns exec peer awk '$1 == "Icmp:" { for (i = 2; i <= NF; i++) 
		if (names[i] == "InEchos") print $i
		else names[i] = $i }' /proc/net/snmp
}

# Of the total: "COUNT SUM MAX" of an edge of a part
edge() { # NAME PART FROM TO
	jq -r --arg part "$2" --arg from "$3" --arg to "$4" '
		select(.type == "stage" and .scope == "total" and .part == $part and .from == $from and .to == $to) |
		"\(.count) \(.sum_ns) \(.max_ns)"' "$work/$1.json"
}

parts_sum() { # NAME PART...
	jq -s '[.[] | select(.type == "stage" and .scope == "total" and IN(.part; $ARGS.positional[])) | .sum_ns] | add' \
		"$work/$1.json" --args "${@:2}"
}

rtt_verdict() {
	local n=$((11 + 12 + 13 + 14)) count sum max others
	expect_all rtt "path rtt of $n pings" $n
	read -r count sum max < <(edge rtt away driver nic)
	is "path rtt: the other host's 120 ms are away" \
		"$count $((sum >= 13 * 120000000)) $((max >= 120000000))" "$n 1 1" "$count packets, $sum ns, at most $max"
	read -r count sum max < <(edge rtt request qdisc dequeue)
	is "path rtt: this host's 100 ms are its qdisc's" \
		"$((count >= 14)) $((sum >= 14 * 100000000)) $((max >= 100000000))" "1 1 1" "$count packets, $sum ns, at most $max"
	others=$(($(parts_sum rtt request reply) - sum))
	is "path rtt: and no more than ping says of those 14" "$(awk -v sum="$sum" '
		NR > 36 { ms += $1 * 1.006 + 0.01 } END { print sum <= ms * 1e6 ? "within" : sum " of " ms * 1e6 }' "$work/pinged")" \
		within
	# ping has no stamp behind the NIC: what the reply takes from there only its own sum says
	others=$((others - $(parts_sum rtt reply)))
	is "path rtt: what all others took on the way out is no more than ping leaves for it" "$(awk -v others="$others" '
		{ ms += $1 * 1.006 + 0.01 }
		END { left = ms * 1e6 - 13 * 120000000 - 14 * 100000000
		print others <= left ? "within" : others " of " left }' "$work/pinged")" within
	# ping's time begins before this host's IP and ends when the NIC hands the reply in; it has three digits
	is "path rtt: request and time away are no longer than ping says" \
		"$(awk -v sum="$(parts_sum rtt request away)" '
		{ ms += $1 * 1.006 + 0.01; n++ }
		END { print n, sum <= ms * 1e6 ? "within" : sum " of " ms * 1e6 }' "$work/pinged")" "$n within"
	is "path rtt: all the way is the sum of request, time away and reply" \
		"$(parts_sum rtt request away reply)" \
		"$(jq -s '[.[] | select(.scope == "total" and (.way == "direct" or .way == "upcall")) |
		.sum_ns] | add' "$work/rtt.json")"
	is "path rtt: without an answer are as many as the other side dropped" "$(ledger rtt_lost)" \
		"begun 9 ended $((9 - rtt_lost)) {\"timed_out\":$rtt_lost} in flight 0 lost 0"
	is "path rtt: some were answered and some were not" "$((rtt_lost >= 1 && rtt_lost <= 8))" 1 \
		"$(< "$work/ping.lost")"
}

# The other way round: others ping this host.
rtt_rx_verdict() {
	local count sum max
	expect_all rtt_rx "path rtt, rx, of 15 pings" 15
	is "path rtt, rx: the request in, here, the reply out" "$(jq -rs '
		map(select(.type == "stage" and .scope == "total") | .part) | unique | join(" ")' "$work/rtt_rx.json")" \
		"here reply request"
	read -r count sum max < <(edge rtt_rx here l4 out)
	is "path rtt, rx: ICMP has answered each" "$count" 15
	read -r count sum max < <(edge rtt_rx reply qdisc dequeue)
	is "path rtt, rx: this host's 100 ms are its qdisc's, of the reply" \
		"$((count >= 7)) $((sum >= 7 * 100000000)) $((max < 200000000))" "1 1 1" "$count packets, $sum ns, at most $max"
	is "path rtt, rx: all the way is the sum of request, here and reply" \
		"$(parts_sum rtt_rx request here reply)" \
		"$(jq -s '[.[] | select(.scope == "total" and (.way == "direct" or .way == "upcall")) | .sum_ns] | add' \
		"$work/rtt_rx.json")"
	is "path rtt, rx: no longer than ping says" "$(awk -v sum="$(parts_sum rtt_rx request here reply)" '
		{ ms += $1 * 1.006 + 0.01; n++ }
		END { print n, sum <= ms * 1e6 ? "within" : sum " of " ms * 1e6 }' "$work/pinged_us")" "15 within"
}

# path details of the same pings: each with all its stages
rtt_each_verdict() {
	is "path details of a round trip: each of 50, with all stages there and back" \
		"$(jq -r 'select(.type == "event") | "\(.fate) \([.stages[].stage] | join(" "))"' "$work/rtt_each.json" |
		grep -cE "^arrived out port_out ovs (upcall back )?actions qdisc (dequeue )?driver nic receive ovs (upcall back )?actions port_in backlog ip l4\$")" 50 \
		"$(jq -r 'select(.type == "event") | "\(.fate) \([.stages[].stage] | join(" "))"' "$work/rtt_each.json" |
		sort | uniq -c | head -n 5)"
	is "path details of a round trip: some have more than 16 stages" "$(jq -s 'any(.[]; .stages | length > 16)' "$work/rtt_each.json")" true
	is "path details of a round trip: stages add up" "$(jq -r 'select(.type == "event") |
		select(([.stages[].to_next_ns // 0] | add) != .took_ns) | .took_ns' "$work/rtt_each.json")" ""
	is "path summary: each percentile is of the histogram beside it" "$(jq -r 'select(.p99_ns and .scope == "total") |
		. as $r | [.buckets[] | select(.[0] <= $r.p99_ns)] | (map(.[1]) | add) / $r.count >= 0.99' "$work/rtt.json" |
		sort -u)" true
	is "path rtt --threshold: the slow ones, and no report" "$(jq -rs '
		"\(map(select(.type == "event")) | length >= 27) \(map(select(.type == "event") | .took_ns >= 90000000) | all) " +
		"\(map(select(.type == "stage")) | length)"' "$work/rtt_slow.json")" "true true 0"
}

# ---- a NIC with four queues, which goes and comes back ----

spread_make() {
	ip link add mq0 numtxqueues 4 numrxqueues 4 type veth peer name mq1 numtxqueues 4 numrxqueues 4 || return
	# no packets of their own
	ip link set mq0 addrgenmode none
	ip link set mq1 addrgenmode none up
	ip link set mq0 address 52:54:00:00:05:01 up
	ip addr add 10.31.0.1/24 dev mq0
	ip neigh replace 10.31.0.2 lladdr 52:54:00:00:05:02 nud permanent dev mq0
	tc qdisc replace dev mq0 root handle 9: mq
}

spread_case() {
	labgen udp --dst 10.31.0.2 --dport 7407 --sport 23000 --spread --count 64 --rate 0 > "$work/spread"
	spread_queues > "$work/queues"
	ip link del mq0
	wait_for 10 grep -q "mq0 is gone" "$work/spread.err"
	spread_make
	wait_for 10 grep -q "mq0 was made anew" "$work/spread.err"
	labgen udp --dst 10.31.0.2 --dport 7407 --count 9 --rate 0 > "$work/spread"
	spread_queues >> "$work/queues"
}

# "QUEUE PACKETS" of each queue that tc has counted any in
spread_queues() {
	tc -s -j qdisc show dev mq0 | jq -r '.[] | select(.parent and .packets > 0) |
		"\(.parent | ltrimstr("9:") | tonumber - 1) \(.packets)"'
}

spread_verdict() {
	is "queue mapping: as many by each queue as tc says, of more than one" "$(jq -r '
		select(.type == "queues" and .direction == "tx" and .scope == "total") | .queues[] |
		"\(.queue) \(.packets)"' "$work/spread.json" | xargs) $(($(wc -l < "$work/queues") > 2))" \
		"$(awk '{ n[$1] += $2 } END { for (q in n) print q, n[q] }' "$work/queues" | sort -n | xargs) 1"
	is "a NIC that is deleted and made anew: said once each" \
		"$(grep -c "mq0 is gone" "$work/spread.err") $(grep -c "mq0 was made anew" "$work/spread.err")" "1 1" \
		"$(< "$work/spread.err")"
	expect_all spread "a NIC that is deleted and made anew" 73
	is "--interval: the intervals are the total: counts, times, maxima, packets, bytes" "$(jq -rs '
		def sums(scope): map(select(.scope == scope and (.type == "stage" or .type == "path" or .type == "meter"))) |
			group_by([.type, .from, .to, .way, .stage]) |
			map([(.[0] | .type, .from, .to, .way, .stage), (map(.count // .packets) | add),
			     (map(.sum_ns // .bytes) | add), (map(.max_ns // 0) | max)]);
		"\(sums("interval") == sums("total")) \((map(select(.type == "interval") | .begun) | add))" +
		" \(map(select(.type == "interval")) | length > 3)"' "$work/spread.json")" "true 73 true"
}

# ---- a bond's members ----

bond_make() { # NETNS NAME ADDRESS MEMBER...
	local member in=()
	[ -z "$1" ] || in=(-n "$1")
	ip "${in[@]}" link add "$2" type bond mode balance-rr
	for member in "${@:4}"; do
		ip "${in[@]}" link set "$member" down
		ip "${in[@]}" link set "$member" master "$2"
	done
	ip "${in[@]}" link set "$2" address "$3" up
}

bond_setup() {
	modprobe bonding max_bonds=0
	ip netns add bondpeer
	ip -n bondpeer link set lo up
	ip link add m0 type veth peer name n0 netns bondpeer
	ip link add m1 type veth peer name n1 netns bondpeer
	bond_make '' bond0 52:54:00:00:04:01 m0 m1
	bond_make bondpeer bond1 52:54:00:00:04:02 n0 n1
	ip -n bondpeer addr add 10.0.0.4/24 dev bond1
	ip -n bondpeer neigh replace 10.0.0.1 lladdr 52:54:00:00:00:01 nud permanent dev bond1
	ip neigh replace 10.0.0.4 lladdr 52:54:00:00:04:02 nud permanent dev br-int
	ovs-vsctl add-port br-int bond0
	# also by itself: the other side is not asked, and throws away what comes
	ip addr add 10.30.0.1/24 dev bond0
	ip neigh replace 10.30.0.2 lladdr 52:54:00:00:04:02 nud permanent dev bond0
	ip netns exec bondpeer ping -q -c 2 -i 0.2 -W 5 10.0.0.1 > "$work/ping" ||
		not_ok "the bond is up" "$(cat "$work/ping")"
}

bond_case() {
	local m0 m1 n0 n1
	sink 7404 bondpeer
	sink 7405 ''
	m0=$(device m0 tx_packets) m1=$(device m1 tx_packets)
	n0=$(device m0 rx_packets) n1=$(device m1 rx_packets)
	labgen udp --dst 10.0.0.4 --dport 7404 --count 41 --rate 200 > "$work/bond"
	labgen udp --netns bondpeer --dst 10.0.0.1 --dport 7405 --count 44 --rate 200 >> "$work/bond"
	nap 0.3
	bond_out="$(($(device m0 tx_packets) - m0)) $(($(device m1 tx_packets) - m1))"
	labgen udp --dst 10.30.0.2 --dport 7406 --count 23 --rate 200 >> "$work/bond"
	# a host in a namespace of its own, whose NIC has no name in ours
	labgen udp --netns peer --dst 10.0.0.1 --dport 7408 --count 11 --rate 200 >> "$work/bond"
	bond_in="$(($(device m0 rx_packets) - n0)) $(($(device m1 rx_packets) - n1))"
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	bond_received=$(jq -r '.received // empty' "$work/sink.7404" "$work/sink.7405" | xargs)
	sinks=()
}

# "MEMBER N" of those whose stage was on the member
members() { # NAME STAGE
	jq -r --arg stage "$2" 'select(.type == "event") | .stages[] | select(.stage == $stage) | .dev' "$work/$1.json" |
		sort | uniq -c | awk '{ print $2, $1 }' | xargs
}

bond_verdict() {
	is "a bond: all are received" "$bond_received" "41 44"
	is "a bond: both members are at work" \
		"$(awk '{ print ($1 > 0), ($2 > 0), $1 + $2 }' <<< "$bond_out") $(awk '
		{ print ($1 > 0), ($2 > 0), $1 + $2 }' <<< "$bond_in")" "1 1 41 1 1 44" "out $bond_out, in $bond_in"
	is "a bond: what each member sent arrived at its driver" "$(members bond_out driver)" \
		"m0 ${bond_out% *} m1 ${bond_out#* }"
	is "a bond: what each member received began there" "$(members bond_in receive)" \
		"m0 ${bond_in% *} m1 ${bond_in#* }"
	is "a bond without Open vSwitch: 23 by it and its members' queues, and no other way" "$(jq -rs '
		map(select(.scope == "total")) | [.[] | select(.type == "stage" or .way == "other") | select(.count > 0) |
		"\(.from // "other") \(.to) \(.count)"] | join(", ")' "$work/bond_ip.json")" \
		"out port_out 23, port_out qdisc 23, qdisc driver 23" "$(ledger bond_ip)"
	[ -z "$more" ] || expect_all foreign "path summary --netns" 11
	[ -z "$more" ] || is "path summary --netns: by the NIC of that namespace" "$(jq -r 'select(.type == "stage" and .scope == "total") |
		"\(.from) \(.to) \(.count)"' "$work/foreign.json" | xargs)" "out qdisc 11 qdisc driver 11"
	is "a bond: all arrived" \
		"$(jq -r 'select(.type == "event") | .fate' "$work/bond_out.json" "$work/bond_in.json" |
		sort | uniq -c | xargs)" "85 arrived"
}

spread_make || not_ok "a device with four queues" ""
sysctl -qw net.core.netdev_max_backlog=10000
ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
bond_setup

tool_begin steered path details --path host-rx --phy-interface vp0,nic0 --dst-port 7401,7402 --timeout 60s
tool_begin rps path metrics --path host-rx --phy-interface vp0 --dst-port 7401 --timeout 60s
tool_begin queue path metrics --path host-tx --phy-interface nic0 --dst-port 7403 --timeout 60s
tool_begin rtt path rtt --phy-interface vp0,nic0 --not-host 10.0.0.2 --timeout 60s
# each tool takes the emulator seconds to start: what does not depend on the kernel is asked on one of four
more=
if [ "$LAB_KERNEL" = 6.1 ]; then
	more="rtt_each rtt_slow rtt_rx spread foreign sampled"
	tool_begin rtt_each path details --path host-rtt --phy-interface vp0,nic0 --not-host 10.0.0.2 --timeout 60s
	tool_begin rtt_slow system_network_icmp_rtt --phy-iface1 vp0 --phy-iface2 nic0 --latency-ms 90
	tool_begin rtt_rx path rtt --direction rx --phy-interface vp0,nic0 --timeout 60s
	tool_begin spread path metrics --path host-tx --phy-interface mq0 --dst-port 7407 --interval 1s
	tool_begin foreign path summary --netns peer --path host-tx --phy-interface vp1 --dst-port 7408
	tool_begin sampled path details --path host-tx --phy-interface nic0 --dst-port 7403 --sample 4
fi
tool_begin rtt_lost path rtt --phy-interface vp0 --dst-ip 10.0.0.2 --timeout 4s
tool_begin bond_out path details --path host-tx --phy-interface bond0 --dst-port 7404 --timeout 60s
tool_begin bond_ip path summary --path host-tx --phy-interface bond0 --dst-port 7406 --timeout 60s
tool_begin bond_in path details --path host-rx --phy-interface bond0 --dst-port 7405 --timeout 60s
tools_ready
rtt_case
[ -z "$more" ] || spread_case
rps_case
queue_case
bond_case
# shellcheck disable=SC2086
tools_verdict steered rps queue rtt $more rtt_lost bond_out bond_ip bond_in
rps_verdict port_in 7401 "steered from br-int to a busy CPU" '^netif_rx:'
rps_verdict nic 7402 "steered from a NIC to a busy CPU" '^napi_gro_receive_entry:'
rps_metrics_verdict
queue_verdict
rtt_verdict
if [ -n "$more" ]; then
	rtt_rx_verdict
	rtt_each_verdict
	spread_verdict
fi
bond_verdict
finish
