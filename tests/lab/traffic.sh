#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# traffic.sh: nothing reported where nothing is lost, one flow found among others, a flood counted to the last packet.
# kernels: 5.10 6.1 6.12 7
# check: 5.10
# topology: host
# seconds: 100

. /share/lib.sh

host_mac=52:54:00:00:00:01

drops() { # NAME
	tool_number "$1" .drops
}

# ---- 10,000 packets delivered and answered, connections opened and closed ----

answered() { # WHAT COMMAND...: all of it, or the case proves nothing
	local what=$1 said
	shift
	echo "# $what" # where a machine hangs, this is what it was at
	if ! said=$("$@" 2>&1); then
		not_ok "clean traffic: $what" "$said"
	fi
}

clean_case() {
	local shown echo tcp_echo node ns dev
	tool_begin clean drop stacks
	NETSONDE_ATTACH=kp tool_begin clean_packets drop packets
	tools_ready
	# All on one CPU, and flows that stay: a sender that changes its CPU, or a first packet that takes
	# the way through ovs-vswitchd, is overtaken by the next, TCP sends again for that or since an
	# emulated CPU was late, and the duplicate is a real drop.
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	taskset -cp 0 $$ > "$work/taskset"
	for node in "host br-int" "peer vp1" "nicpeer nic1"; do
		read -r ns dev <<< "$node"
		in_ns "$ns" ip route change 10.0.0.0/24 dev "$dev" rto_min 5s
		in_ns "$ns" ip -6 route change fd00::/64 dev "$dev" metric 256 rto_min 5s
		in_ns "$ns" sysctl -qw net.ipv4.tcp_early_retrans=0
	done
	labgen sink --echo --port 7001 > "$work/echo" &
	echo=$!
	labgen tcp-echo --port 7002 > "$work/tcp-echo" &
	tcp_echo=$!
	wait_for 10 test -s "$work/tcp-echo"
	answered "2,000 UDP datagrams" labgen udp --netns peer --dst 10.0.0.1 --dport 7001 --count 1000 --answers --rate 0
	answered "1,000 UDP datagrams by IPv6" labgen udp --netns nicpeer --dst fd00::1 --dport 7001 --count 500 --answers --rate 0
	answered "300 TCP connections" labgen tcp --netns peer --dst 10.0.0.1 --dport 7002 --count 300 --rate 0
	answered "200 TCP connections by IPv6" labgen tcp --netns nicpeer --dst fd00::1 --dport 7002 --count 200 --rate 0
	answered "20 long TCP answers" labgen tcp --netns peer --dst 10.0.0.1 --dport 7002 --count 20 --size 60000 --rate 0
	answered "20 TCP connections on lo" labgen tcp --dst 127.0.0.1 --dport 7002 --count 20
	answered "2,000 ICMP packets" ip netns exec peer ping -q -f -c 1000 -W 5 10.0.0.1
	answered "1,000 ICMPv6 packets" ip netns exec nicpeer ping -6 -q -f -c 500 -W 5 fd00::1
	# a first one that goes through ovs-vswitchd is overtaken: too many other fragments are a real drop
	answered "a first one in fragments" ip netns exec peer ping -q -c 1 -W 5 -s 4000 10.0.0.1
	answered "a first one in fragments, IPv6" ip netns exec nicpeer ping -6 -q -c 1 -W 5 -s 4000 fd00::1
	answered "fragments" ip netns exec peer ping -q -i 0.01 -c 100 -W 5 -s 4000 10.0.0.1
	answered "fragments, IPv6" ip netns exec nicpeer ping -6 -q -i 0.01 -c 100 -W 5 -s 4000 fd00::1
	# neighbours forgotten and found again; what an operator does beside it
	ip neigh flush dev br-int
	ip -n peer neigh flush dev vp1
	answered "ARP and neighbour discovery" ping -q -c 3 -i 0.2 10.0.0.2
	answered "neighbour discovery" ping -6 -q -c 3 -i 0.2 fd00::2
	answered "ovs-appctl dpctl/show" ovs-appctl dpctl/show
	answered "ovs-vsctl show" ovs-vsctl show
	answered "ip -s link" ip -s link
	nap 1
	tools_stop
	kill $echo $tcp_echo
	wait $echo $tcp_echo
	taskset -cp 0-1 $$ > "$work/taskset"
	is "clean traffic: no drop reported" "$(drops clean)" 0 "$(lines_seen clean 1)"
	# what tells a benign free is a kprobe here, which is skipped where it interrupts another
	is "clean traffic: nor by kprobe, but for hits that the kernel skipped" \
		"$(($(tool_number clean_packets .events) <= $(missed_by clean_packets)))" 1 "$(lines_seen clean_packets 1)"
	shown=$(ip netns exec peer cat /proc/net/snmp | awk '$1 == "Icmp:" { n = $4 } END { print n + 0 }')
	is "clean traffic: no ICMP errors came to the peer" "$shown" 0
}

# ---- one flow among others ----

# (More filters: tests/object/drops.sh, where a tool starts in no time.)
#
# Of the flow 10.0.0.2 -> 10.0.0.1:7050, 269 small datagrams are delivered and 31 large ones
# dropped; so for IPv6, with 41. The others: another port (50 lost), another host (40 lost), a
# namespace of its own (22 lost, to a closed port), and a tunnel (25 lost, inside VXLAN).
flows_send() {
	local peer4=(--netns peer --dev vp1 --dst-mac $host_mac --src 10.0.0.2 --dst 10.0.0.1)
	local peer6=(--netns peer --dev vp1 --dst-mac $host_mac --src fd00::2 --dst fd00::1)
	local nic4=(--netns nicpeer --dev nic1 --dst-mac $host_mac --src 10.0.0.3 --dst 10.0.0.1)
	{
		labgen frames "${peer4[@]}" --dport 7050 --count 200
		labgen frames "${nic4[@]}" --dport 7050 --count 60
		labgen frames "${peer4[@]}" --dport 7050 --size 500 --count 31
		labgen frames "${peer4[@]}" --dport 7051 --size 500 --count 50
		labgen frames "${nic4[@]}" --dport 7050 --size 500 --count 40
		labgen frames "${peer6[@]}" --dport 7050 --size 500 --count 41
		labgen frames "${peer6[@]}" --dport 7050 --count 59
		labgen frames "${peer4[@]}" --dport 7050 --count 69
		labgen udp --dst 10.0.0.2 --dport 7060 --count 22
		labgen frames --netns peer --dev vx0 --dst-mac 02:00:00:00:00:07 --src 10.77.0.2 \
			--dst 10.77.0.1 --dport 7070 --count 25
	} > "$work/sent.flows"
}

flows_case() {
	local way sinks
	nft -f - <<-'END'
	table inet lab {
		chain input {
			type filter hook input priority 0
			udp dport { 7050, 7051 } udp length 508 drop
			udp dport 4789 drop
		}
	}
	END
	ip -n peer link add vx0 type vxlan id 42 local 10.0.0.2 remote 10.0.0.1 dstport 4789 dev vp1
	ip -n peer link set vx0 up
	# ICMP errors of namespace peer would go into the numbers seen
	labgen sink --port 7050 > "$work/sink" &
	sinks=$!
	wait_for 10 test -s "$work/sink"

	tool_begin all drop stacks --group-by reason,dev,flow --top 100
	tool_begin flow drop stacks --src-ip 10.0.0.2 --dst-ip 10.0.0.1 --protocol udp --dst-port 7050
	tool_begin flow6 drop stacks --host fd00::2 --port 7050
	tool_begin prefix drop packets --host 10.0.0.2/31 --port 7050-7051,7060
	tool_begin netns drop packets --netns peer
	tool_begin dev drop packets --dev br-int
	tool_begin inner drop packets --inner --vni 42 --dst-ip 10.77.0.1 --dst-port 7070
	tool_begin few drop packets --dst-port 7051 --count 5
	tool_begin sampled drop packets --dst-port 7051 --rate 1
	tools_ready
	flows_send
	nap 1
	is "--count 5 ends by itself" "$(wait_for 90 tool_is_gone few && echo gone)" gone
	tool_wait few
	is "--count 5: five events, exit status 0" "$(tool_number few .events)/$tool_status" "5/0"
	tools_stop
	kill $sinks
	wait $sinks

	is "the flows that are not to be lost are not" "$(tail -n 1 "$work/sink")" \
		"{\"received\":$((200 + 60 + 69 + 59))}"
	is "all flows: 31 + 50 + 40 + 41 + 22 + 25" "$(drops all)" 209 "$(lines_seen all 1)"
	for way in "flow 31 300 0.1033" "flow6 41 100 0.4100"; do
		read -r name n seen share <<< "$way"
		is "$n of $seen: ${tool_args[$name]}" "$(tool_number "$name" \
			'"\(.drops) \(.seen) \(.share * 10000 | round / 10000)"')" \
			"$n $seen ${share%00}" "$(grep '"total"' "$work/$name.json")"
	done
	for way in "prefix 143" "netns 22" "dev 187" "inner 25"; do
		read -r name n <<< "$way"
		expect_count "$name" 1 "$n" "$n: ${tool_args[$name]}"
	done
	is "a tunnelled packet shows its tunnel and what is inside" "$(jq -c '.packet? // empty |
		[.udp.dst_port, .tunnel, .inner.ip.dst, .inner.udp.dst_port, .inner.udp.length]' \
		"$work/inner.json" | sort -u)" '[4789,{"kind":"vxlan","vni":42},"10.77.0.1",7070,72]'
	is "--rate 1: what was held back is counted" "$(tool_number sampled '.events + .held_back.rate_limited')" 50 \
		"$(tail -n 1 "$work/sampled.json")"
	nft delete table inet lab
}

tool_is_gone() { # NAME
	! kill -0 "${tool_pids[$1]}" 2> "$work/kill.err"
}

# ---- a flood ----

# The reader is stopped while 30,000 packets are dropped, so that most must be lost: it says how
# many, and its count and its loss are what was sent. Counting in the kernel loses none.
flood_case() {
	local sent name
	nft -f - <<-'END'
	table inet lab {
		chain input {
			type filter hook input priority 0
			udp dport 7080 drop
		}
	}
	END
	tool_begin stacks drop stacks --dst-port 7080
	tool_begin ring drop packets --dst-port 7080
	NETSONDE_BUFFER=perf tool_begin perf drop packets --dst-port 7080
	tools_ready
	kill -STOP "${tool_pids[ring]}" "${tool_pids[perf]}"
	sent=$(labgen frames --netns peer --dev vp1 --dst-mac $host_mac --src 10.0.0.2 --dst 10.0.0.1 \
		--dport 7080 --count 30000 --rate 0 | jq .sent)
	kill -CONT "${tool_pids[ring]}" "${tool_pids[perf]}"
	nap 1
	for name in stacks ring perf; do
		tool_stop $name
		is "flood: ends in order: ${tool_args[$name]}" "$tool_status" 0
	done
	is "flood: each of the packets is counted: ${tool_args[stacks]}" "$(drops stacks)" "$sent"
	for name in ring perf; do
		is "flood: reported + lost = sent: ${tool_args[$name]}" \
			"$(tool_number $name '.events + .lost.events')" "$sent" "$(tail -n 1 "$work/$name.json")"
		is "flood: as many events as it says: ${tool_args[$name]}" \
			"$(grep -c '"type":"event"' "$work/$name.json")" "$(tool_number $name .events)"
		like "flood: some were lost, or this proves nothing: ${tool_args[$name]}" \
			"$(tool_number $name .lost.events)" '^[1-9]'
	done
	nft delete table inet lab
}

clean_case
flows_case
flood_case
finish
