#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path.sh: each packet that begins a path of the host ends it or is accounted for, and none is taken for another.
# kernels: 5.10 6.1 6.12 7
# topology: host
# seconds: 110

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

pings() { # NETNS DST N [-f]: one by one, or as fast as they are answered
	in_ns "${1:-host}" ping -q "${4:--i0.02}" -c "$3" -W 10 "$2" > "$work/ping" 2>&1
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
	pings peer 10.0.0.1 300 -f
	pings '' fd00::2 300 -f
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
	# what all packets pass, by probes that are never skipped
	is "host-tx: in a stage those that had an upcall are apart" "$(jq -rs '
		map(select(.scope == "total")) | (map(select(.way == "upcall"))[0].count) as $packets |
		map(select(.from == "out") | .with_upcall.count == $packets) | tojson' "$work/tx.json")" '[true]' \
		"$(jq -c 'select(.scope == "total" and (.way or .from)) | [.way, .from, .to, .count, .with_upcall.count]' "$work/tx.json")"
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

# Three tunnels of br-int to a namespace behind a veth pair that is no port: VXLAN and Geneve with the same VNI, and
# Geneve with another one
tunnel_make() {
	local dev
	ip netns add tunfar || return
	# a router of IPv6, which it is by inheritance, would report its multicast groups, and be counted
	ip netns exec tunfar sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || return
	ip link add ul0 type veth peer name ul1 netns tunfar || return
	ip -batch - <<-'END' || return
		link set ul0 address 52:54:00:00:04:01 up
		addr add 192.168.77.1/24 dev ul0
		addr add 10.0.76.1/24 dev br-int
		addr add 10.0.78.1/24 dev br-int
		neigh replace 192.168.77.2 lladdr 52:54:00:00:04:02 nud permanent dev ul0
		neigh replace 10.0.0.77 lladdr 52:54:00:00:04:03 nud permanent dev br-int
		neigh replace 10.0.76.2 lladdr 52:54:00:00:04:04 nud permanent dev br-int
		neigh replace 10.0.78.2 lladdr 52:54:00:00:04:05 nud permanent dev br-int
	END
	ip -n tunfar -batch - <<-'END' || return
		link set ul1 address 52:54:00:00:04:02 up
		addr add 192.168.77.2/24 dev ul1
		neigh replace 192.168.77.1 lladdr 52:54:00:00:04:01 nud permanent dev ul1
		link add vx0 address 52:54:00:00:04:03 type vxlan id 77 local 192.168.77.2 remote 192.168.77.1 dstport 4789
		link add gn0 address 52:54:00:00:04:04 type geneve id 77 remote 192.168.77.1
		link add gn1 address 52:54:00:00:04:05 type geneve id 78 remote 192.168.77.1
		addr add 10.0.0.77/24 dev vx0
		addr add 10.0.76.2/24 dev gn0
		addr add 10.0.78.2/24 dev gn1
	END
	for dev in vx0/0 gn0/76 gn1/78; do
		ip -n tunfar link set "${dev%/*}" mtu 1400 up &&
			ip -n tunfar neigh replace "10.0.${dev#*/}.1" lladdr 52:54:00:00:00:01 nud permanent dev "${dev%/*}" || return
	done
	ovs-vsctl add-port br-int tun0 -- set interface tun0 type=vxlan options:remote_ip=192.168.77.2 options:key=77 -- \
		add-port br-int tun1 -- set interface tun1 type=geneve options:remote_ip=192.168.77.2 options:key=77 -- \
		add-port br-int tun2 -- set interface tun2 type=geneve options:remote_ip=192.168.77.2 options:key=78 || return
	# with an option Geneve's header is longer
	of add-tlv-map br-int '{class=0xffff,type=0,len=4}->tun_metadata0' &&
		of add-flow br-int 'priority=200,udp,in_port=LOCAL,nw_dst=10.0.76.2,actions=set_field:0x1234->tun_metadata0,output:tun1' ||
		return
	# br-int learns where they are
	in_ns tunfar ping -q -c 1 -W 5 10.0.0.1 && in_ns tunfar ping -q -c 1 -W 5 10.0.76.1 &&
		in_ns tunfar ping -q -c 1 -W 5 10.0.78.1
}

tunnel_tools() {
	tool_begin tun_tx path summary --path host-tx --phy-interface ul0 --dst-port 7041
	tool_begin tun_vni path summary --path host-tx --phy-interface ul0 --inner --vni 77 --dst-port 7041
	tool_begin tun_rx path summary --path host-rx --phy-interface ul0 --inner --vni 77 --dst-port 7042 --socket
	tool_begin tun_rtt path rtt --phy-interface ul0 --dst-ip 10.0.0.0/16
}

tunnel_traffic() {
	sink 7041 tunfar
	sink 7042
	sinks_ready
	send '' 10.0.0.77 7041 40
	send '' 10.0.76.2 7041 33
	send '' 10.0.78.2 7041 9
	send tunfar 10.0.0.1 7042 41
	send tunfar 10.0.76.1 7042 34
	send tunfar 10.0.78.1 7042 8
	pings '' 10.0.0.77 10
	pings '' 10.0.76.2 7
	ip -n tunfar -s -j link show > "$work/tunfar"
}

tunnel_verdict() {
	is "tunnel: the applications have all" "$(received 7041) $(received 7042)" "82 83"
	# with the ping by which br-int has learned
	is "tunnel: each far end has its own" "$(jq -r '.[] | select(.ifname | test("^(vx|gn)")) |
		"\(.ifname) \(.stats64.rx.packets) \(.stats64.tx.packets)"' "$work/tunfar" | sort | xargs)" \
		"gn0 $((1 + 33 + 7)) $((1 + 34 + 7)) gn1 $((1 + 9)) $((1 + 8)) vx0 $((1 + 40 + 10)) $((1 + 41 + 10))"
	expect_all tun_tx "host-tx into VXLAN and Geneve" 82
	expect_reached tun_tx "host-tx into VXLAN and Geneve" 82 port_out ovs actions encap qdisc driver
	expect_sums tun_tx "host-tx into VXLAN and Geneve"
	expect_all tun_vni "host-tx, by what the outer packet carries" $((40 + 33))
	expect_reached tun_vni "host-tx, by what the outer packet carries" $((40 + 33)) qdisc driver
	expect_all tun_rx "host-rx out of VXLAN and Geneve" $((41 + 34))
	expect_reached tun_rx "host-rx out of VXLAN and Geneve" $((41 + 34)) tunnel ovs actions port_in l4 socket read
	expect_reached tun_rx "host-rx out of a tunnel, outer and inner" $((2 * (41 + 34))) ip backlog
	expect_sums tun_rx "host-rx out of VXLAN and Geneve"
	expect_all tun_rtt "path rtt through VXLAN and Geneve" 17
	expect_reached tun_rtt "path rtt through VXLAN and Geneve" 17 encap tunnel l4
}

# Both ways at once, beside what this host sends to itself, what Open vSwitch passes on, and what goes by another of its
# internal ports
ways_make() {
	ovs-vsctl add-port br-int br1p -- set interface br1p type=internal
	sysctl -qw net.ipv6.conf.br1p.disable_ipv6=1
	ip -batch - <<-'END'
		link set br1p address 52:54:00:00:05:01 up
		addr add 10.0.1.1/24 dev br1p
		neigh replace 10.0.1.2 lladdr 52:54:00:00:00:02 nud permanent dev br1p
	END
	ip -n peer addr add 10.0.1.2/24 dev vp1
	ip -n peer neigh replace 10.0.1.1 lladdr 52:54:00:00:05:01 nud permanent dev vp1
	of add-flows br-int - <<-'END'
		priority=200,ip,in_port=br1p,actions=output:vp0
		priority=200,ip,in_port=vp0,nw_dst=10.0.1.1,actions=output:br1p
	END
}

ways_tools() {
	tool_begin both path summary --path host-both --phy-interface vp0,nic0 --dst-port 7081-7085
	tool_begin inner path summary --path host-both --phy-interface vp0,nic0 --internal-interface br-int --dst-port 7081-7085
	tool_begin port enqueue_to_iprec_latency_summary --interface br-int --dst-port 7081-7085
}

ways_traffic() {
	sink 7081 peer
	sink 7082
	sink 7083 nicpeer
	sink 7084
	sinks_ready
	send '' 10.0.0.2 7081 36
	send '' 10.0.1.2 7081 12
	send peer 10.0.0.1 7082 37
	send peer 10.0.1.1 7082 11
	send peer 10.0.0.3 7083 8
	send '' 127.0.0.1 7084 9
	send '' 10.0.0.1 7084 10
	send '' ::1 7084 6
	ip -s -j link show br1p > "$work/br1p"
}

expect_left() { # NAME TITLE BEGUN ENDED: the others left the path, and nothing else became of them
	local left=$(($3 - $4)) wanted
	wanted="$3 $4 $left $left 0 0"
	is "$2: $3 began, $4 ended, $left left the path" "$(near "$1" "$(total "$1" '"\(.begun) \(.ended) " +
		"\(.not_ended.consumed // 0) \([.not_ended[]] | add // 0) \(.in_flight) \(.lost_by_us)"')" "$wanted")" "$wanted" \
		"$(ledger "$1") skipped: $(missed_by "$1")"
}

ways_verdict() {
	is "ways: the applications have all" "$(received 7081) $(received 7082) $(received 7083) $(received 7084)" "48 48 8 25"
	is "ways: br1p has its own" "$(jq -r '.[0].stats64 | "\(.tx.packets) \(.rx.packets)"' "$work/br1p")" "12 11"
	expect_left both "host-both, beside 25 by loopback" $((48 + 48 + 8 + 25)) $((48 + 48 + 8))
	expect_reached both "host-both, by Open vSwitch" $((48 + 48 + 8)) ovs actions
	expect_reached both "host-both, what leaves" $((48 + 8)) qdisc driver
	expect_reached both "host-both, what arrives" 48 port_in backlog ip l4
	expect_left inner "host-both by br-int, beside 23 by another port, 25 by loopback and 8 by none" $((48 + 48 + 8 + 25)) $((36 + 37))
	expect_reached inner "host-both by br-int, what leaves" 36 port_out qdisc driver
	expect_reached inner "host-both by br-int, what arrives" 37 port_in backlog ip l4
	expect_all port "from br-int's receive queue up" 37
	expect_reached port "from br-int's receive queue up" 37 receive ip l4
	expect_sums port "from br-int's receive queue up"
}

# Packets with a tag, as JSON and as an operator sees them
tags_tools() {
	tool_begin tags path summary --path host-rx --phy-interface vp0 --vlan 100
	text_start hist path summary --path host-rx --phy-interface vp0 --vlan 100 --hist
}

tags_traffic() {
	sink 7065 ''
	sinks_ready
	labgen frames --netns peer --dev vp1 --vlan 200 --src 10.0.0.2 --dst 10.0.0.1 --dst-mac 52:54:00:00:00:01 \
		--dport 7065 --count 9 --rate 200 > "$work/tagged"
}

# The rows of the last report and its histograms, a line each: "row COUNT MAX-NS WORDS", and "hist COUNT LOW-NS HIGH-NS WORDS"
# with the bounds of the last line; "bar" where a bar is not as long as its count wants.
hist_read() { # NAME
	awk '
		function ns(span) {
			return span * (span ~ /us$/ ? 1e3 : span ~ /ms$/ ? 1e6 : span ~ /[0-9]s$/ ? 1e9 : 1)
		}
		function flush() {
			if (n)
				printf "hist %d %.0f %.0f %s\n", n, low, high, words
			n = 0
		}
		/Z  all / { lines = 0 }
		{ line[++lines] = $0 }
		END {
			for (i = 1; i <= lines; i++)
				if (line[i] ~ / to +[0-9.]+[num]?s +[0-9]+ /) {
					split(line[i], f, " +")
					most = f[5] > most ? f[5] + 0 : most
				}
			for (i = 1; i <= lines; i++) {
				$0 = line[i]
				if (/ to +[0-9.]+[num]?s +[0-9]+ /) {
					n += $4
					low = ns($1)
					high = ns($3)
					if ($5 !~ /^#*$/ || length($5) != int(($4 * 60 + most - 1) / most))
						print "bar", $0
					continue
				}
				flush()
				words = substr($0, 3)
				if (/^  (    the same|.* -> |all the way)/ && match($0, /  +[0-9]+ +[0-9.]+[num]?s /)) {
					words = substr($0, 3, RSTART - 3)
					split(substr($0, RSTART), f, " +")
					printf "row %d %.0f %s\n", f[2], ns(f[9]), words
				}
			}
			flush()
		}' "$work/$1.text"
}

tags_verdict() {
	is "the application has what came with another tag" "$(received 7065)" 9
	expect_all tags "host-rx, of one VLAN" 14
	expect_reached tags "host-rx, of one VLAN" 14 ovs actions port_in backlog ip l4
	text_end hist
	hist_read hist > "$work/hist.lines"
	is "--hist: a histogram for each stage, of as many packets as the JSON has, in its order" \
		"$(awk '$1 == "hist" { print $2 }' "$work/hist.lines" | xargs)" \
		"$(jq -r 'select(.scope == "total" and (.type == "stage" or .way == "direct" or .way == "upcall")) | .count' \
			"$work/tags.json" | xargs)" "$(< "$work/hist.text")"
	is "--hist: the histograms are the rows'; the last line of each has its row's maximum; bars are to one scale" "$(awk '
		$1 == "row" {
			words = $0
			sub(/^row [0-9]+ [0-9]+ +/, "", words)
			if (words !~ /^the same/)
				row[of = words] = 0
			row[of] += $2
			most[of] = $3 > most[of] ? $3 : most[of]
			rows++
		}
		$1 == "hist" {
			words = $0
			sub(/^hist [0-9]+ [0-9]+ [0-9]+ /, "", words)
			# of three digits each
			if (words in row && row[words] == $2 && most[words] >= $3 * 0.994 && most[words] <= $4 * 1.006)
				delete row[words]
			else
				print
		}
		$1 == "bar"
		END {
			for (words in row)
				print "no histogram: " words
			print (rows > 6)
		}' "$work/hist.lines")" 1 "$(< "$work/hist.text")"
}

# What a port sends on to several, with a copy to a namespace that is not this host's; tagged, untagged, with other
# addresses, through connection tracking; and what TCP sends as one packet though it is larger than the MTU.
turns_make() {
	local n
	for n in 0 1; do
		ip link add mir$n type veth peer name mirfar$n netns far1
		ip link set mir$n up
		ip -n far1 link set mirfar$n up
		ovs-vsctl add-port br-int mir$n
	done
	ip neigh replace 10.0.0.99 lladdr 52:54:00:00:00:99 nud permanent dev br-int
	# the way back from what NAT makes of the host
	ip -n peer neigh replace 10.0.0.200 lladdr 52:54:00:00:00:01 nud permanent dev vp1
	of add-group br-int 'group_id=7,type=all,bucket=output:mir0,bucket=output:LOCAL,bucket=output:mir1'
	of add-group br-int 'group_id=8,type=all,bucket=output:mir0,bucket=output:vp0,bucket=output:mir1'
	of add-flows br-int - <<-'END'
		priority=200,udp,in_port=vp0,tp_dst=7061,actions=output:mir0,output:LOCAL
		priority=200,udp,in_port=vp0,tp_dst=7062,actions=output:LOCAL,output:mir0
		priority=200,udp,in_port=vp0,tp_dst=7063,actions=group:7
		priority=200,udp,in_port=vp0,dl_vlan=100,tp_dst=7064,actions=strip_vlan,output:LOCAL
		priority=200,udp,in_port=vp0,dl_vlan=200,tp_dst=7065,actions=strip_vlan,output:LOCAL
		priority=200,udp,in_port=LOCAL,tp_dst=7071,actions=output:mir0,output:vp0
		priority=200,udp,in_port=LOCAL,tp_dst=7072,actions=output:vp0,output:mir0
		priority=200,udp,in_port=LOCAL,tp_dst=7073,actions=group:8
		priority=200,udp,in_port=LOCAL,tp_dst=7074,actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:vp0
		priority=200,udp,in_port=LOCAL,tp_dst=7075,actions=mod_nw_dst:10.0.0.2,mod_dl_dst:52:54:00:00:00:02,output:vp0
		priority=200,udp,in_port=LOCAL,tp_dst=7076,actions=ct(commit,nat(src=10.0.0.200),table=6)
		priority=200,udp,in_port=LOCAL,tp_dst=7077,actions=ct(commit,zone=1),ct(commit,zone=2),output:vp0
		table=6,priority=200,actions=output:vp0
	END
	nft -f - <<-'END'
		table ip lab {
			counter sent {}
			chain output {
				type filter hook output priority 0
				tcp dport 7078 counter name sent
			}
		}
	END
}

turns_tools() {
	tool_begin_kprobes turn_rx path summary --path host-rx --phy-interface vp0 --dst-port 7061-7064
	tool_begin_kprobes turn_tx path summary --path host-tx --phy-interface "$many" --dst-port 7071-7078
	tool_begin turn_up ovs upcalls --dst-port 7078
}

turns_traffic() {
	local port large
	for port in 7061 7062 7063 7064; do
		sink $port
	done
	for port in 7071 7072 7073 7075 7076 7077; do
		sink $port peer
	done
	sinks_ready
	echo_begin 7078 --netns nicpeer
	for port in 7061 7062 7063; do
		send peer 10.0.0.1 $port $((port - 7050))
	done
	labgen frames --netns peer --dev vp1 --vlan 100 --src 10.0.0.2 --dst 10.0.0.1 --dst-mac 52:54:00:00:00:01 \
		--dport 7064 --count 14 --rate 200 > "$work/tagged"
	for port in 7071 7072 7073 7074 7076 7077; do
		send '' 10.0.0.2 $port $((port - 7050))
	done
	send '' 10.0.0.99 7075 25
	# what TCP sends as one packet is one here, and is cut into segments before the driver
	ip link set br-int gso_max_segs 64
	ethtool -K nic0 tso off > "$work/ethtool" 2>&1
	labgen tcp --dst 10.0.0.3 --dport 7078 --count 4 --size 50000 --rate 100 > "$work/tcp.large"
	# the same by upcalls, which have a message for each segment
	labgen tcp --dst 10.0.0.3 --dport 7078 --count 200 --size 60000 > "$work/tcp.upcall" &
	large=$!
	while kill -0 $large 2> "$work/kill.err"; do
		ovs-dpctl del-flows system@ovs-system
	done
	wait $large
	nap 0.5
	large_sent=$(nft list counter ip lab sent | sed -n 's/.*packets \([0-9]*\) .*/\1/p')
	large_segments=$(($(device nic0 tx_packets) - large_segments))
}

# All but those pure ACKs that look the same and were in ovs-vswitchd at once, and hits that the kernel skipped.
expect_most() { # NAME TITLE N
	local wanted="$3 $3 {} 0 0"
	is "$2: $3 began, and ended but for a few that look alike" "$(near "$1" "$(total "$1" '
		"\(.begun) \(.ended + ([.not_ended.ambiguous // 0, .begun / 100] | min)) \(.not_ended | del(.ambiguous)) \(.in_flight) \(.lost_by_us)"')" "$wanted")" \
		"$wanted" "$(ledger "$1") skipped: $(missed_by "$1")"
}

turns_verdict() {
	local port
	for port in 7061/11 7062/12 7063/13 7064/14 7071/21 7072/22 7073/23 7075/25 7076/26 7077/27; do
		is "the application on port ${port%/*} has ${port#*/}" "$(received "${port%/*}")" "${port#*/}"
	done
	expect_all turn_rx "host-rx, with copies to other ports, and tagged" 50
	expect_reached turn_rx "host-rx, with copies to other ports, and tagged" 50 ovs actions port_in backlog ip l4
	expect_most turn_tx "host-tx to one of 42 devices: copies, tags, addresses, tracked, what TCP has sent" $((168 + large_sent))
	expect_reached turn_tx "host-tx: copies, tags, addresses, tracked, TCP" $((168 + large_sent)) ovs
	expect_reached turn_tx "host-tx: copies, tags, addresses, tracked, TCP" "$(total turn_tx .ended)" actions qdisc driver
	expect_reached turn_tx "host-tx, tracked" $((26 + 2 * 27)) conntrack
	expect_reached turn_tx "host-tx, tracked and looked up again" 26 again
	is "copies of packets are no packets" "$(total turn_rx .copies) $(total turn_tx .copies)" "0 0"
	is "TCP with packets larger than the MTU: all answered" "$(jq .answered "$work/tcp.large" "$work/tcp.upcall" | xargs)" "4 200"
	is "some of them by upcall, whole" "$(total turn_up '.miss | .gso > 0 and .messages > .upcalls')" true "$(total turn_up .miss)"
	is "TCP, larger than the MTU: more segments left than packets" "$((large_segments > large_sent))" 1 \
		"$large_segments segments of $large_sent"
}

# Twice as many devices as programs compare one by one
devices_make() {
	local n
	for ((n = 0; n < 40; n += 2)); do
		echo "link add many$n type veth peer name many$((n + 1))"
	done | ip -batch -
	many=$(printf 'many%d,' {0..39})vp0,nic0
}

# One socket is one flow; the others are counted together.
by_flow() {
	local port
	devices_make
	turns_make
	turns_tools
	if tunnel_make > "$work/tun.err" 2>&1; then
		tunnel_tools
	else
		not_ok "tunnels of br-int" "$(< "$work/tun.err")"
	fi
	# in which kernels hardly differ, on those that differ most; what depends on none, on one
	[[ ! $LAB_KERNEL =~ ^(5.10|7)$ ]] || { ways_make && ways_tools; }
	[ "$LAB_KERNEL" != 6.12 ] || tags_tools
	tool_begin flows path summary --path host-tx --phy-interface vp0,nic0 --top 2 \
		--protocol udp --dst-port 7031-7033
	tools_ready
	for port in 7031 7032 7033; do
		labgen udp --dst 10.0.0.2 --dport $port --count $((port - 7010)) --rate 100 > "$work/sent"
	done
	large_segments=$(device nic0 tx_packets)
	turns_traffic
	if [ "${tool_pids[tun_tx]:-}" ]; then
		tunnel_traffic
	fi
	[ ! "${tool_pids[both]:-}" ] || ways_traffic
	[ ! "${tool_pids[tags]:-}" ] || tags_traffic
	nap 0.5
	sinks_stop
	tools_end
	turns_verdict
	if [ "${tool_args[tun_tx]:-}" ]; then
		tunnel_verdict
	fi
	[ ! "${tool_args[both]:-}" ] || ways_verdict
	[ ! "${tool_args[tags]:-}" ] || tags_verdict
	is "the flows with the most packets, each with its own" "$(jq -r 'select(.type == "flow" and
		.scope == "total") | "\(.flow.dst_port) \(.count) \(.lost)"' "$work/flows.json" | xargs)" \
		"7033 23 0 7032 22 0"
	is "how many packets have no row" "$(total flows .other_flows)" 21
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
