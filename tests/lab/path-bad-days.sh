#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-bad-days.sh: packets lost on their way, tables too small, Open vSwitch restarted, its datapath deleted, devices renamed: counted by name.
# kernels: 5.10 6.1 6.12 7
# check: 5.10 7
# topology: host
# seconds: 110

. /share/lib.sh

vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)

expect_total() { # NAME TITLE BEGUN ENDED NOT-ENDED
	is "$2" "$(total "$1" '"\(.begun) \(.ended) \(.not_ended)"')" "$3 $4 $5" \
		"$(total "$1" '.drops | tojson')"
}

# Events by fate: "N FATE REASON LAST-STAGE".
fates() { # NAME DPORT
	jq -r --argjson port "$2" 'select(.type == "event" and .packet.udp.dst_port == $port) |
		"\(.fate) \(.drop.reason // "-") \(.stages[-1].stage)"' "$work/$1.json" |
		sort | uniq -c | awk '{ $1 = $1; print }' | paste -sd ' '
}

send() { # NETNS DST DPORT N [LABGEN OPTION...]
	local n
	n=$(sent labgen udp ${1:+--netns "$1"} --dst "$2" --dport "$3" --count "$4" --rate 500 "${@:5}")
	[ "$n" = "$4" ] || not_ok "$4 datagrams to port $3 sent" "labgen says '$n'"
}

# ovs-vswitchd may lose a packet that it was to send back: by others' counts, SEEN of SENT went on, to FATE
with_lost() { # FATE SEEN SENT
	jq -cn --arg fate "$1" --argjson seen "$2" --argjson lost $(($3 - $2)) \
		'{($fate): $seen} + if $lost > 0 then {timed_out: $lost} else {} end'
}

no_ports() { # datagrams that found nobody in the namespaces behind vp0 and fw0
	local node sum=0
	for node in peer far; do
		sum=$((sum + $(ip netns exec $node cat /proc/net/snmp | awk '$1 == "Udp:" { n = $3 } END { print n }')))
	done
	echo $sum
}

# Until nothing has come out of vp0 for a second
peer_settle() {
	local before=-1 now=0
	while [ "$before" != "$now" ]; do
		before=$now
		nap 1
		now=$(< /sys/class/net/vp0/statistics/tx_packets)
	done
}

# ---- lost on the way ----

drops_case() {
	local lost
	nft -f - <<-'END' || not_ok "a table of nft" "not taken"
	table inet lab {
		chain input {
			type filter hook input priority 0
			udp dport 7302 counter drop
		}
		chain forward {
			type filter hook forward priority 0
			udp dport 7302 counter drop
		}
	}
	END
	ovs-ofctl add-flow br-int priority=100,udp,tp_dst=7301,actions=drop
	# each source port of these is a miss
	local flow='move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15],NORMAL'
	ovs-ofctl add-flow br-int "priority=100,udp,tp_dst=7303,actions=$flow"
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	# the packet that has the flow made is eaten by the upcall
	send '' 10.0.0.2 7301 1
	send peer 10.0.0.1 7301 1
	nap 0.5

	tool_begin flow path summary --path host-tx --phy-interface vp0 --dst-port 7301
	tool_begin nft path summary --path host-rx --phy-interface vp0 --dst-port 7302 --socket
	tool_begin each path details --path host-rx \
		--phy-interface vp0 --dst-port 7301,7302,7304 --socket --lost \
		--timeout 2s
	tool_begin misses path summary --path host-tx \
		--phy-interface vp0 --dst-port 7303 --timeout 60s \
		--in-flight 262144
	tool_begin missed_each path details --path host-tx --phy-interface vp0 --dst-port 7303 --timeout 60s --lost
	tools_ready
	labgen sink --hold --port 7304 > "$work/hold" &
	local holder=$!
	wait_for 20 test -s "$work/hold"
	# or the answers that nobody listens are lost upcalls too
	labgen sink --hold --rcvbuf 4096 --netns peer --port 7303 > "$work/hold.peer" &
	local peer_holder=$!
	wait_for 20 test -s "$work/hold.peer"

	send '' 10.0.0.2 7301 21
	send peer 10.0.0.1 7301 22
	send peer 10.0.0.1 7302 23
	send peer 10.0.0.1 7304 24
	# large ones, so that ovs-vswitchd's sockets are soon full; room for all, so that none is evicted
	lost=$(lookups_lost ovs-system)
	ovs_stop
	labgen udp --dst 10.0.0.2 --dport 7303 --count 4000 --rate 0 --spread \
		--sport 20000 --size 1400 > "$work/misses"
	kill -CONT "$vswitchd"
	peer_settle
	nft_dropped=$(($(nft list table inet lab | sed -n 's/.* counter packets \([0-9]*\) .*/\1/p' | paste -sd+)))
	nap 2.5 # the time out of those that nobody reads
	misses_lost=$(($(lookups_lost ovs-system) - lost))
	tools_end
	kill $holder $peer_holder
	wait $holder $peer_holder
	ovs-vsctl remove Open_vSwitch . other_config max-idle
}

drops_verdict() {
	# before 6.7 Open vSwitch frees what it drops as if it were done with it
	local fate=consumed reason=- seen
	case $LAB_KERNEL in
	6.12 | 7) fate=dropped reason=OVS_DROP_LAST_ACTION ;;
	esac
	expect_total flow "OVS drop flow: 21 $fate" 21 0 "{\"$fate\":21}"
	is "OVS drop flow: its reason" \
		"$(total flow '[.drops[] | "\(.count) \(.reason) \(.after)"] | join(", ")')" \
		"$([ $fate = consumed ] || echo "21 $reason actions")"
	seen=NETFILTER_DROP
	[ "$LAB_KERNEL" != 5.10 ] || seen=null
	expect_total nft "nft drop at input: those that nft counts" 23 0 "$(with_lost dropped $nft_dropped 23)"
	is "nft drop: its reason" \
		"$(total nft '[.drops[] | "\(.count) \(.reason) \(.after)"] | join(", ")')" "$nft_dropped $seen ip"
	is "details: those that the OVS flow dropped" \
		"$(fates each 7301)" "22 $fate $reason actions"
	is "details: those that nft dropped" "$(fates each 7302)" \
		"$nft_dropped dropped ${seen/null/-} ip$([ $nft_dropped = 23 ] || echo " $((23 - nft_dropped)) timed_out - upcall")"
	is "details: those that nobody read timed out" "$(fates each 7304)" "24 timed_out - socket"

	balanced misses "a flood of misses"
	is "a flood of misses: all began" "$(total misses .begun)" 4000
	is "a flood of misses: some were lost" "$((misses_lost > 0))" 1
	if [ "$LAB_KERNEL" = 5.10 ]; then
		# a module without types: what the upcall returns is not to be had, and the start says so
		is "a flood of misses: that lost ones are not visible is said" \
			"$(jq -r 'select(.type == "start") |
			.not_visible[] | select(test("upcalls that are lost"))' "$work/misses.json" | wc -l)" 1
		is "a flood of misses: those that the datapath lost are on their way still" \
			"$(total misses .in_flight)" "$misses_lost"
	else
		is "a flood of misses: upcall_lost is what the datapath lost" \
			"$(total misses '.not_ended.upcall_lost // 0')" "$misses_lost" \
			"$(total misses .not_ended)"
	fi
	if [ "$LAB_KERNEL" != 5.10 ]; then
		is "a flood of misses: each that was lost is an event, or a lost one" "$(fates missed_each 7303 | grep -o '[0-9]* upcall_lost .*' |
			awk -v lost="$(tool_number missed_each '.lost.events // 0')" '{ print $1 + lost, $2, $4 }')" \
			"$(total missed_each '.not_ended.upcall_lost') upcall_lost upcall"
	fi
	is "a flood of misses: the others ended" \
		"$(total misses '"\(.ended) \(.not_ended | del(.upcall_lost))"')" \
		"$((4000 - misses_lost)) {}"
}

# ---- tables too small, Open vSwitch restarted, a device renamed ----

small_case() {
	# a NIC that is no port of Open vSwitch
	ip netns add far
	ip link add fw0 type veth peer name far0 netns far
	ip -n far -batch - <<-'END'
		link set far0 address 52:54:00:00:03:02 up
		addr add 10.20.0.2/24 dev far0
	END
	ip -batch - <<-'END'
		link set fw0 up
		addr add 10.20.0.1/24 dev fw0
		neigh replace 10.20.0.2 lladdr 52:54:00:00:03:02 nud permanent dev fw0
	END
	labgen sink --port 7311 --netns nicpeer --rcvbuf 4000000 > "$work/sink" &
	local sink=$!
	wait_for 20 test -s "$work/sink"
	tool_begin small path summary --path host-tx \
		--phy-interface nic0 --dst-port 7311 --in-flight 64 --timeout 60s
	tool_begin ring path details --path host-tx --phy-interface nic0 --dst-port 7312 \
		--timeout 60s
	tool_begin restart path summary --path host-tx --phy-interface vp0,fw0 --dst-port 7313
	tool_begin port path summary --path host-tx --phy-interface vp0 --internal-interface br-int --dst-port 7313
	tools_ready

	# 600 packets wait in a queue, there is room for 64; the socket has room for all, so that the last has
	# come before the first goes
	sysctl -qw net.core.wmem_default=16000000
	tc qdisc replace dev nic0 root handle 77: netem delay 3s limit 10000
	labgen udp --dst 10.0.0.3 --dport 7311 --count 600 --rate 0 > "$work/small"
	wait_for 30 nic_sent 600
	tc qdisc del dev nic0 root

	# nobody reads: the ring is full long before the flood is over
	kill -STOP "${tool_pids[ring]}"
	labgen udp --dst 10.0.0.3 --dport 7312 --count 12000 --rate 0 > "$work/flood"
	nap 1
	kill -CONT "${tool_pids[ring]}"
	flood_dropped=$(tc -s -j qdisc show dev nic0 | jq ".[0].drops")

	arrived=$(no_ports)
	send '' 10.0.0.2 7313 30
	ovs_end
	ovs_begin
	# its flows are gone: NORMAL again once it has read its database
	wait_for 30 ping -q -c 1 -W 1 10.0.0.2 > "$work/ping"
	send '' 10.0.0.2 7313 31
	ip -batch - <<-'END'
		link set fw0 down
		link set fw0 name fw9
		link set fw9 up
		neigh replace 10.20.0.2 lladdr 52:54:00:00:03:02 nud permanent dev fw9
	END
	send '' 10.20.0.2 7313 32

	# the datapath is deleted and its module unloaded: not where a program is attached to the module
	ovs_end
	ovs-dpctl del-dp ovs-system
	if rmmod openvswitch 2> "$work/rmmod.err"; then
		module_went=yes
	else
		module_went=no
	fi
	modprobe openvswitch
	ovs_begin
	wait_for 30 test -e /sys/class/net/br-int
	ip -batch - <<-'END'
		link set br-int up
		addr add 10.0.0.1/24 dev br-int
		neigh replace 10.0.0.2 lladdr 52:54:00:00:00:02 nud permanent dev br-int
	END
	wait_for 30 ping -q -c 1 -W 1 10.0.0.2 > "$work/ping"
	wait_for 10 grep -q "br-int was made anew" "$work/port.err"
	send '' 10.0.0.2 7313 33
	nap 1
	arrived=$(($(no_ports) - arrived))
	tools_end
	kill $sink
	wait $sink
}

nic_sent() { # N
	[ "$(tc -s -j qdisc show dev nic0 | jq '.[0].packets')" -ge "$1" ]
}

ovs_end() {
	kill "$(< /run/openvswitch/ovs-vswitchd.pid)"
	wait_for 20 ovs_is_gone
	nap 0.2
}

ovs_is_gone() {
	! pgrep -x ovs-vswitchd > "$work/gone"
}

small_verdict() {
	is "too small a table: all began" "$(total small .begun)" 600
	# a packet that begins may take the place of one that ends on the other CPU just then
	is "too small a table: the others were evicted, but for a few that two CPUs met at" \
		"$(total small '(600 - .not_ended.evicted - .ended | fabs) <= 3')" true \
		"$(total small '"\(.ended) \(.not_ended) lost by us \(.lost_by_us)"')"
	is "too small a table: hardly one is lost without a word" "$(total small '(.lost_by_us | fabs) <= 3')" true \
		"$(total small '"\(.ended) \(.not_ended) lost by us \(.lost_by_us)"')"
	is "too small a table: not more than it has room for ended" \
		"$(total small '.ended > 0 and .ended <= 64')" true
	is "too small a table: those that ended have their delay" \
		"$(jq -r 'select(.type == "path" and
		.scope == "total" and .way != "other") | .p50_ns >= 2910000000 and
		.sum_ns >= .count * 2910000000' "$work/small.json" | sort -u)" true
	is "a flood without a threshold: all began, but for hits that the kernel skipped" "$(tool_number ring \
		".begun + ([12000 - .begun, .lost.missed // 0] | min)")" 12000 "$(total ring "del(.drops)")"
	is "a flood without a threshold: an event or a stated loss of each that ended, and all others accounted for" \
		"$(tool_number ring ".events + (.lost.events // 0) - .ended, .lost_by_us" | xargs)" "0 0"
	is "a flood without a threshold: the ring was full" "$(tool_number ring '.lost.events > 0')" true \
		"$(tool_number ring '"\(.events) events, \(.lost)"')"
	is "a flood without a threshold: all others were dropped by the NIC's queue, but for hits that the kernel skipped" \
		"$(tool_number ring ".ended + $flood_dropped + ([12000 - .ended - $flood_dropped, 2 * (.lost.missed // 0)] | min)")" 12000 \
		"$(total ring .) the queue counts $flood_dropped dropped"
	# a kprobe goes with the module that it is in, any other probe holds the module
	is "Open vSwitch's module is held by what is attached to it" "$module_went" \
		"$([ "$LAB_KERNEL" = 5.10 ] && echo yes || echo no)" "$(< "$work/rmmod.err")"
	is "a module that went is named, once" \
		"$(grep -c "module openvswitch was unloaded" "$work/restart.err")" \
		"$([ "$LAB_KERNEL" = 5.10 ] && echo 1 || echo 0)" "$(< "$work/restart.err")"
	is "Open vSwitch restarted, a NIC renamed, the datapath deleted: all began, and those ended that arrived" \
		"$(total restart '"\(.begun) \(.ended)"')" "126 $arrived" "$(total restart .)"
	is "Open vSwitch restarted, a NIC renamed, the datapath deleted: nearly all arrived" "$((arrived >= 120))" 1 "$arrived"
	is "an internal port that is made anew with its datapath: said, and seen again" \
		"$(sed -n 's/^netsonde path summary: br-int \(is gone\|was made anew\): .*/\1/p' "$work/port.err" | paste -sd,)" "is gone,was made anew" \
		"$(< "$work/port.err")"
	is "an internal port that is made anew: all by it that arrived ended, 32 went by none" \
		"$(total port '"\(.begun) \(.ended) \((.not_ended.consumed >= 32) and .in_flight == 0)"')" "126 $((arrived - 32)) true" "$(total port .)"
	balanced restart "Open vSwitch restarted, a NIC renamed, the datapath deleted"
}

drops_case
drops_verdict
small_case
small_verdict
finish
