#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-pairs.sh: no packet is taken for another: floods, equal looks, fragments, retransmits.
# kernels: 5.10 6.1 6.12 7
# check: 5.10 6.12 7
# topology: host
# seconds: 150

. /share/lib.sh

vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)

# ---- what the tools said ----

expect_flood() { # NAME TITLE N: all began and ended, none any other way
	is "$2: $3 began and ended" \
		"$(total "$1" ".begun - .ended, .begun, .copies, (.not_ended | length)" |
		xargs | awk -v n="$3" -v missed="$(missed_by "$1")" '
		$1 <= missed && $2 <= n && $2 >= n - missed && $3 == 0 &&
		($4 == 0 || missed) { print "right"; exit }
		{ print }')" right "$(total "$1" "{not_ended, drops} | tojson")"
}

expect_total() { # NAME TITLE BEGUN ENDED NOT-ENDED: and no copies
	local missed seen begun ended
	seen=$(total "$1" '"\(.begun) \(.ended) \(.not_ended) \(.in_flight) \(.copies)"')
	missed=$(missed_by "$1")
	read -r begun ended _ <<< "$seen"
	if [ "$missed" -gt 0 ] && [ "$seen" != "$3 $4 $5 0 0" ]; then
		is "$2, but for at most $missed" \
			"$((begun <= $3 && begun >= $3 - missed && ended <= $4 && ended >= $4 - missed))" 1 "$seen"
	else
		is "$2" "$seen" "$3 $4 $5 0 0" "$(total "$1" '.drops | tojson')"
	fi
}

# Each event to a port, in the order in which the packets set out:
# SOURCE-PORT|BEGAN|TOOK|SUM-OF-STAGES|FATE|STAGES
events() { # NAME DPORT
	jq -r --argjson port "$2" 'select(.type == "event" and .packet.udp.dst_port == $port) |
		[.packet.udp.src_port, .time_ns, .took_ns, ([.stages[].to_next_ns // 0] | add), .fate,
		 ([.stages[].stage] | join(" "))] | map(tostring) | join("|")' \
		"$work/$1.json" | sort -t '|' -k 2,2 > "$work/$1.$2.events"
}

# The ways that packets may take.
ovs='ovs (upcall back )?actions (conntrack )?(again )*'
tx_way="^out port_out ${ovs}qdisc (dequeue )?driver\$"
rx_way="^(nic )?receive ${ovs}port_in backlog ip l4 socket read\$"

# Those that labgen sent, each once, by a way that there is; source ports count up from 20000 in the
# order of sending. None took longer than from before it was sent until after it was read.
expect_each() { # NAME TITLE DPORT N WAY
	local lost
	events "$1" "$3"
	lost=$(tool_number "$1" '(.lost.events // 0) + (.lost.missed // 0)')
	is "$2: each packet once" "$(awk -F'|' -v n="$4" -v lost="$lost" '
		$5 == "arrived" { n_of[$1]++ }
		END {
			for (p in n_of) {
				if (p < 20000 || p >= 20000 + n)
					print "never sent:", p
				if (n_of[p] != 1)
					print n_of[p], "times", p
				seen++
			}
			if (seen >= n - lost && seen <= n)
				print "right"
			else
				print "seen", seen + 0
		}' "$work/$1.$3.events" | head -n 5)" right
	is "$2: its stages in order, by a way that there is" "$(awk -F'|' -v way="$5" '
		$6 !~ way { print $1, $6 }' "$work/$1.$3.events" | head -n 3)" ""
	is "$2: its stages add up" "$(awk -F'|' '$3 != $4' "$work/$1.$3.events" | head -n 3)" ""
	if [ "$1" = tx_each ]; then
		is "$2: began in the order of sending" "$(awk -F'|' '
			$1 < last { print $1, "after", last } { last = $1 }' "$work/$1.$3.events" | head -n 3)" ""
	else
		# a queue of the sender may have changed their order
		is "$2: each began after it was sent, and ended as it was read" "$(awk '
			NR == FNR { sent[$1] = $2; from[$1] = $3; until[$1] = $4; next }
			{ split($0, e, "|"); p = e[1]; end = e[2] + e[3] }
			e[2] < sent[p] - 20000 { print p, "began", sent[p] - e[2], "ns before it was sent" }
			end < from[p] - 20000 || end > until[p] + 20000 { print p, "ended", end - from[p], end - until[p] }' \
			<(jq -r 'select(.src_port) | "\(.src_port) \(.sent_ns) \(.from_ns) \(.until_ns)"' "$work/sink.$3") \
			"$work/$1.$3.events" | head -n 3)" ""
	fi
	expect_serials "$@"
	is "$2: none took longer than the application saw" "$(awk '
		NR == FNR { split($0, w, " "); most[w[1]] = w[2]; next }
		{ split($0, e, "|") }
		!(e[1] in most) { print e[1], "was never read"; next }
		e[3] > most[e[1]] { print e[1], "took", e[3], "of", most[e[1]] }' \
		<(jq -r 'select(.src_port) | "\(.src_port) \(.until_ns - .sent_ns)"' "$work/sink.$3") \
		"$work/$1.$3.events" | head -n 3)" ""
}

# By the serial numbers in their payloads, each was the same packet at its first and at its last stage, and is one that
# labgen sent from that port. The numbers are 6 bytes behind the UDP header.
expect_serials() { # NAME TITLE DPORT N
	is "$2: the payload has one serial number at both ends, as sent" "$(jq -r --argjson port "$3" '
		select(.type == "event" and .packet.udp.dst_port == $port) | (if .packet.ip.version == 6 then 108 else 68 end) as $at |
		"\(.packet.udp.src_port) \(.bytes.first[$at:$at + 8]) \(.bytes.last[$at:$at + 8])"' "$work/$1.json" |
		awk -v n="$4" -v lost="$(tool_number "$1" '(.lost.events // 0) + (.lost.missed // 0)')" '
		NR == FNR { sent[$1 " " $2]++; next }
		$2 != $3 { print "at first", $2, "at last", $3 }
		sent[$1 " " $2]-- <= 0 { print "never sent or twice:", $0 }
		{ all++ }
		END { print (all <= n && all >= n - lost ? "right" : "seen " all + 0) }' \
		<(jq -r 'select(.src_port) | "\(.src_port) \(.serial)"' "$work/sent.$3" | awk '{ printf "%s %08x\n", $1, $2 }') - |
		head -n 5)" right
}

# ---- traffic ----

declare -A sinks
sink() { # PORT NETNS [LABGEN OPTION...]
	labgen sink --port "$1" ${2:+--netns "$2"} "${@:3}" > "$work/sink.$1" &
	sinks[$1]=$!
	wait_for 20 test -s "$work/sink.$1"
}

all_stop() {
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
	tools_end
}

send() { # NETNS DST DPORT N [LABGEN OPTION...]
	local n
	n=$(sent labgen udp ${1:+--netns "$1"} --dst "$2" --dport "$3" --count "$4" --rate 0 "${@:5}")
	[ "$n" = "$4" ] || not_ok "$4 datagrams to port $3 sent" "labgen says '$n'"
}

# As send, each from a source port of its own and with the time of sending; by one CPU, since the queues of
# several (transmit queues, backlogs) may overtake each other.
stamped() {
	taskset -c 1 labgen udp ${1:+--netns "$1"} --dst "$2" --dport "$3" --count "$4" --rate 0 \
		--spread --sport 20000 --stamps "${@:5}" > "$work/sent.$3"
}

# ---- floods, with 10,000 other packets meanwhile whose memory is used again at once ----

flood_case() {
	local noise=()
	tool_begin tx path summary --path host-tx --phy-interface vp0 --dst-port 7101,7102 --timeout 60s
	tool_begin tx_each path details --bytes --path host-tx --phy-interface vp0 --dst-port 7101,7102 --timeout 60s
	tool_begin rx path summary --path host-rx --socket \
		--phy-interface vp0,nic0 --dst-port 7111,7112 --timeout 60s
	tool_begin rx_each path details --bytes --path host-rx --socket \
		--phy-interface vp0,nic0 --dst-port 7111,7112 --timeout 60s
	tools_ready
	sink 7101 peer --stamps --rcvbuf 16000000
	sink 7102 peer --stamps --rcvbuf 16000000
	sink 7111 '' --stamps --rcvbuf 16000000
	sink 7112 '' --stamps --rcvbuf 16000000
	sink 7198 peer --hold --rcvbuf 4096
	sink 7199 '' --hold --rcvbuf 4096
	send '' 10.0.0.2 7198 5000 > "$work/noise" & noise+=($!)
	send peer 10.0.0.1 7199 5000 > "$work/noise" & noise+=($!)
	stamped '' 10.0.0.2 7101 1500
	stamped '' fd00::2 7102 500
	stamped peer 10.0.0.1 7111 1500
	stamped nicpeer fd00::1 7112 500 --rate 1000
	wait "${noise[@]}"
	nap 1
	all_stop
}

flood_verdict() {
	local way port n
	local -A ways=([tx]=$tx_way [rx]=$rx_way)
	for way in "tx 7101 1500" "tx 7102 500" "rx 7111 1500" "rx 7112 500"; do
		read -r way port n <<< "$way"
		is "flood: the application on port $port has $n" "$(received "$port")" "$n"
		expect_each "${way}_each" "flood to port $port" "$port" "$n" \
			"${ways[$way]}"
	done
	for way in tx rx; do
		expect_flood $way "flood, host-$way" 2000
		balanced $way "flood, host-$way"
		expect_sums $way "flood, host-$way"
		is "flood, host-$way: events and those we lost are all" \
			"$(tool_number ${way}_each '.events + (.lost.events // 0) | if . <= 2000 and . >= 2000 -
			'"$(missed_by ${way}_each)"' then "all" else . end')" all
	done
	expect_reached tx "flood, host-tx" 2000 port_out ovs actions qdisc driver
	expect_reached rx "flood, host-rx" 2000 ovs actions port_in backlog ip l4 socket read
}

# ---- packets that look alike, in ovs-vswitchd at the same time ----

# Without flows and with ovs-vswitchd stopped, each packet goes up and stays there.
up_together() { # COMMAND...
	ovs-appctl dpctl/del-flows
	ovs_stop
	"$@"
	ovs_go
	nap 0.4
}

# UDP with DF from an unconnected socket: IP id 0, one source port; only the payload differs. One
# CPU sends, so ovs-vswitchd has them in one queue and gives them back in the order of sending.
alike() { # DPORT N
	taskset -c 0 labgen udp --df --dst 10.0.0.2 --dport "$1" --sport 31000 --count "$2" --rate 100 \
		--stamps >> "$work/sent.$1"
}

looks_case() {
	local i
	tool_begin look path summary --path host-tx --phy-interface vp0 --dst-port 7121
	tool_begin look_each path details --bytes --path host-tx --phy-interface vp0 --dst-port 7121,7123
	tool_begin crowd path summary --path host-tx --phy-interface vp0 --dst-port 7123
	tool_begin same path summary --path host-tx --phy-interface vp0 --dst-port 7122
	tool_begin tiny path summary --path host-tx --phy-interface vp0 --dst-port 7124
	tool_begin syn path summary --path host-tx --phy-interface vp0 --dst-port 7125
	tools_ready
	sink 7121 peer --stamps
	sink 7122 peer
	sink 7123 peer --stamps
	sink 7124 peer
	labgen tcp-echo --netns peer --port 7125 > "$work/sink.7125" &
	sinks[7125]=$!
	for i in 1 2 3; do
		up_together alike 7121 4
	done
	up_together alike 7123 12
	up_together labgen udp --df --dst 10.0.0.2 --dport 7124 --sport 31000 --count 12 --rate 0 --size 10 > "$work/tiny"
	# the second SYN leaves after a second, when the first one is in ovs-vswitchd still
	up_together twice_syn
	wait "$syn"
	up_together labgen udp --df --same --dst 10.0.0.2 --dport 7122 --sport 31000 --count 2 \
		> "$work/same"
	# the same bytes again, one at a time: should the flow be gone already, each goes that way alone
	send '' 10.0.0.2 7122 3 --df --same --sport 31000 --rate 4
	nap 0.5
	all_stop
}

twice_syn() {
	labgen tcp --dst 10.0.0.2 --dport 7125 --count 1 --size 100 > "$work/syn" &
	syn=$!
	nap 1.5
}

# Each event's beginning lies within the call that sent one of the packets, no two in the same;
# they end in the order in which they began: none has the end of another.
expect_unmixed() { # TITLE DPORT
	events look_each "$2"
	expect_serials look_each "$1" "$2" 12
	is "$1: each began when one was sent" "$(awk '
		NR == FNR { from[++n] = $1; until[n] = $2; next }
		{
			split($0, e, "|")
			for (i = 1; i <= n; i++)
				if (e[2] >= from[i] - 20000 && e[2] <= until[i] + 20000 && !used[i]) {
					used[i] = 1
					next
				}
			print "began at no time of sending:", $0
		}' <(jq -r 'select(.src_port) | "\(.from_ns) \(.until_ns)"' "$work/sent.$2") \
		"$work/look_each.$2.events" | head -n 3)" ""
	is "$1: none has the end of another" "$(awk -F'|' '
		{ end = $2 + $3 - base } NR == 1 { base = $2; end = $3 }
		NR > 1 && $2 - base + $3 < last { print }
		{ last = $2 - base + $3 }' "$work/look_each.$2.events")" ""
	is "$1: stages add up, and are in order" \
		"$(awk -F'|' -v way="$tx_way" '$3 != $4 || $6 !~ way' \
		"$work/look_each.$2.events")" ""
}

looks_verdict() {
	is "IP id 0: the application has all" \
		"$(received 7121) $(received 7123) $(received 7122) $(received 7124)" "12 12 5 12"
	expect_total look "IP id 0, four at a time in ovs-vswitchd: all matched" 12 12 '{}'
	expect_reached look "IP id 0, four at a time" 12 upcall back actions
	expect_sums look "IP id 0, four at a time"
	expect_unmixed "IP id 0, four at a time" 7121
	expect_total crowd "IP id 0, twelve at a time in ovs-vswitchd: all matched" 12 12 '{}'
	balanced crowd "IP id 0, twelve at a time"
	expect_total tiny "IP id 0 and 10 bytes of payload, twelve at a time: all matched" 12 12 '{}'
	is "a SYN that is sent again: answered" "$(jq .answered "$work/syn")" 1
	is "a SYN that is sent again, both in ovs-vswitchd: all ended" "$(total syn '.begun - .ended, (.not_ended | length)' |
		xargs)" "0 0" "$(ledger syn)"
	is "a SYN that is sent again went up twice" "$(reached syn | awk '$1 == "upcall" { print ($2 >= 2) }')" 1 \
		"$(reached syn | xargs)"
	expect_unmixed "IP id 0, twelve at a time" 7123
	expect_total same "two equal packets in ovs-vswitchd are matched with none" \
		5 3 '{"ambiguous":2}'
	balanced same "equal packets"
}

# ---- two handler threads of ovs-vswitchd that take the CPU from each other ----

handlers_case() {
	local task
	for task in "/proc/$vswitchd/task/"*; do
		[[ $(< "$task/comm") != handler* ]] || taskset -pc 1 "${task##*/}" > "$work/taskset"
	done
	# each packet is a miss; what the CPUs send goes to a handler each
	ovs-appctl upcall/disable-megaflows > "$work/megaflows"
	tool_start turns path summary --path host-tx --phy-interface vp0 --dst-port 7141,7142
	sink 7141 peer --rcvbuf 16000000
	sink 7142 peer --rcvbuf 16000000
	taskset -c 0 labgen udp --dst 10.0.0.2 --dport 7141 --count 1000 --rate 200 --spread --sport 20000 \
		> "$work/turn" &
	taskset -c 1 labgen udp --dst 10.0.0.2 --dport 7142 --count 1000 --rate 200 --spread --sport 30000 \
		> "$work/turns"
	wait $!
	wait_for 20 is_read peer
	nap 0.5
	all_stop
	ovs-appctl upcall/enable-megaflows > "$work/megaflows"
}

handlers_verdict() {
	# a busy machine may lose upcalls; by fentry the kernel would skip some that come back, where it preempts
	is "doctor: this kernel preempts" \
		"$(netsonde doctor --json | jq -r 'select(.feature == "no_preemption") | .has')" false
	is "handlers that take the CPU from each other: ended are those that the applications have" \
		"$(total turns '"\(.begun) \(.ended) \(.lost_by_us)"')" \
		"2000 $(($(received 7141) + $(received 7142))) 0" "$(ledger turns)"
}

# ---- fragments, and TCP that must send again ----

pieces_case() {
	local n
	# what TCP sends as one packet is to be one for the qdisc too
	ip link set br-int gso_max_segs 1
	tool_begin pieces path summary --path host-rx \
		--phy-interface vp0 --src-ip 10.0.0.2 --protocol udp
	tool_begin big path summary --path host-tx --phy-interface vp0 --dst-port 7132,7133
	tool_begin again path summary --path host-tx --phy-interface vp0 --dst-port 7103
	tools_ready
	sink 7131 ''
	sink 7132 peer
	sink 7133 peer
	labgen tcp-echo --netns peer --port 7103 > "$work/sink.7103" &
	sinks[7103]=$!
	wait_for 20 test -s "$work/sink.7103"
	n=$(sent labgen frames --netns peer --dev vp1 --dst-mac 52:54:00:00:00:01 \
		--src 10.0.0.2 --dst 10.0.0.1 --dport 7131 --fragments 3 --size 300 --count 10)
	[ "$n" = 10 ] || not_ok "10 packets in fragments sent" "labgen says '$n'"
	send '' 10.0.0.2 7132 10 --size 4000
	send '' fd00::2 7133 10 --size 4000
	nap 0.3
	tc qdisc replace dev vp0 root handle 77: netem loss 15%
	labgen tcp --dst 10.0.0.2 --dport 7103 --count 4 --size 8000 --rate 0 > "$work/tcp"
	# an acknowledgement that is lost brings a FIN again, and that another acknowledgement
	wait_for 60 tcp_has_ended
	read -r tc_sent tc_dropped <<< "$(tc -s -j qdisc show dev vp0 |
		jq -r '.[0] | "\(.packets) \(.drops)"')"
	tc qdisc del dev vp0 root
	all_stop
}

# ---- TCP to an application, and the acknowledgements of what the host sends, which TCP uses up without a word ----

acks_case() {
	# then a pure ACK has 40 bytes, and what is longer is data or opens a connection
	in_ns host sysctl -qw net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0
	in_ns peer sysctl -qw net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0
	nft -f - <<-'END' || not_ok "a table of nft" "not taken"
		table ip lab {
			counter total {}
			counter acks {}
			counter data {}
			chain input {
				type filter hook input priority 0
				iif br-int ip saddr 10.0.0.2 tcp dport 1-65535 counter name total
				iif br-int ip saddr 10.0.0.2 tcp flags & (syn | fin | rst) == 0 ip length 40 counter name acks
				iif br-int ip saddr 10.0.0.2 tcp flags & syn == 0 ip length > 40 counter name data
			}
		}
	END
	tool_begin acks path summary --path host-rx --socket --phy-interface vp0 --src-ip 10.0.0.2 --protocol tcp \
		--timeout 60s
	tool_begin acks_each path details --path host-rx --socket --phy-interface vp0 --src-ip 10.0.0.2 --protocol tcp \
		--timeout 60s
	tools_ready
	labgen tcp-echo --port 7151 > "$work/sink.7151" &
	sinks[7151]=$!
	ip netns exec peer socat -u TCP-LISTEN:7150,rcvbuf=4000000 OPEN:/dev/null &
	local reader=$! noise
	wait_for 20 test -s "$work/sink.7151"
	wait_for 20 peer_listens 7150
	labgen tcp --dst 127.0.0.1 --dport 7151 --count 200 --size 3000 --rate 200 > "$work/tcp.lo" &
	noise=$!
	busybox head -c 12000000 /dev/zero | socat -u - TCP:10.0.0.2:7150 &
	labgen tcp --netns peer --dst 10.0.0.1 --dport 7151 --count 20 --size 20000 --rate 20 > "$work/tcp.in"
	wait $! $reader $noise
	wait_for 20 tcp_has_ended
	acks_all=$(nft_packets total) acks_pure=$(nft_packets acks) acks_data=$(nft_packets data)
	all_stop
	nft delete table ip lab
}

nft_packets() { # COUNTER
	nft list counter ip lab "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}

peer_listens() { # PORT
	ip netns exec peer ss -Htln "sport = :$1" | grep -q LISTEN
}

# Nothing is sent any more: each side knows that the other has closed
tcp_has_ended() {
	[ -z "$(ss -Htn state connected exclude time-wait)$(ip netns exec peer ss -Htn state connected exclude time-wait)" ]
}

acks_verdict() {
	is "TCP to an application: all answered" "$(jq -r .answered "$work/tcp.in" "$work/tcp.lo" | xargs)" "20 200"
	is "TCP to an application: there were many pure ACKs" "$((acks_pure > 800))" 1 "$acks_pure of $acks_all"
	balanced acks "TCP to an application"
	is "TCP to an application: all began" "$(near acks "$(total acks .begun)" "$acks_all")" "$acks_all"
	is "TCP to an application: all ended, and nothing waits to be given up" \
		"$(total acks '.in_flight + (.not_ended.timed_out // 0) + (.not_ended.replaced // 0) + .copies')" 0 "$(total acks .)"
	# a busy socket's backlog makes one of several ACKs, too
	is "TCP to an application: what was read is data, and all data was read or became a part of the segment before" \
		"$(total acks ".ended <= $acks_data and .ended + .not_ended.merged >= $acks_data")" true \
		"$acks_data data, $acks_pure ACKs: $(total acks '{begun, ended, not_ended} | tojson')"
	is "TCP to an application: what it read are segments to it" "$(jq -r 'select(.type == "event") |
		select(.packet.tcp.dst_port != 7151) | .packet | tojson' \
		"$work/acks_each.json" | head -n 3)" ""
	is "TCP to an application: none took longer than the longest connection" "$(jq -s \
		"[.[] | select(.type == \"event\") | .took_ns] | max <= $(jq .longest_ns "$work/tcp.in")" "$work/acks_each.json")" true
}

pieces_verdict() {
	is "fragments: the applications have all" \
		"$(received 7131) $(received 7132) $(received 7133)" "10 10 10"
	expect_total pieces "fragments: of 30 received, 10 go on as whole packets, 20 are parts of them" \
		30 10 '{"merged":20}'
	balanced pieces fragments
	expect_total big "larger than the MTU: 20 sent, each once" 20 20 '{}'
	is "TCP, 15 % loss: all answered" "$(jq .answered "$work/tcp")" 4
	balanced again "TCP, 15 % loss"
	is "TCP, 15 % loss: ended is what the qdisc sent, dropped what it dropped" \
		"$(total again '"\(.ended) \(.not_ended)"')" "$tc_sent {\"dropped\":$tc_dropped}" \
		"$(total again .drops)"
}

sysctl -qw net.core.netdev_max_backlog=100000 net.core.rmem_max=16000000
flood_case
flood_verdict
looks_case
looks_verdict
# of the lab's kernels only this one takes a task off the CPU within the kernel
if [ "$LAB_KERNEL" = 7 ]; then
	handlers_case
	handlers_verdict
fi
pieces_case
pieces_verdict
# how TCP frees an ACK is the same since 5.18, but for the compiler
if [ "$LAB_KERNEL" = 5.10 ] || [ "$LAB_KERNEL" = 6.1 ]; then
	acks_case
	acks_verdict
fi
finish
