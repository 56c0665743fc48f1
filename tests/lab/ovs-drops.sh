#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ovs-drops.sh: each way to lose a packet in the datapath loses a number of its own; ovs drops says just those, and where.
# kernels: 5.10 6.1 6.12 7
# topology: none
# seconds: 60

. /share/lib.sh

of() { ovs-ofctl -O OpenFlow13 "$@"; }

# Frames of the namespace peer for nobody: whoever gets one does not answer
frame() { # DEVICE UDP-PORT N [LABGEN OPTION...]
	local n
	n=$(sent labgen frames --netns peer --dev "$1" --src 10.0.0.2 --dst 10.0.0.77 --dst-mac 52:54:00:00:00:77 \
		--dport "$2" --count "$3" "${@:4}")
	[ "$n" = "$3" ] || not_ok "$3 frames to port $2 sent" "labgen says '$n'"
}

veth() { # NAME-HERE NAME-IN-PEER
	ip link add "$1" type veth peer name "$2" netns peer
	ip link set "$1" up
	ip -n peer link set "$2" up
}

has_reasons() {
	[ "$LAB_KERNEL" != 5.10 ] && [ "$LAB_KERNEL" != 6.1 ]
}

has_types() {
	[ "$LAB_KERNEL" != 5.10 ]
}

# ---- two bridges that ovs-vswitchd rules ----

bridges_up() {
	vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)
	veth w0 w1
	ovs-vsctl add-br br-two -- add-port br-two w0 -- add-port br-int s0 -- set interface s0 type=internal
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	ovs-appctl dpctl/ct-set-limits zone=9,limit=1
	# the connection of the first packet to 7205 must still be there when the next come, on a slow machine too
	sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600
	ip link set s0 up
	rules_add
	# the packet that makes ovs-vswitchd install a flow is eaten by the upcall, not by the flow
	for port in 7201 7202 7204 7205 7250; do
		frame vp1 $port 1 --sport 30000
	done
	frame w1 7211 1
	wait_for 20 flows_are 6
}

rules_add() {
	of add-meter br-int meter=1,pktps,bands=type=drop,rate=1
	of add-flows br-int - <<-'END'
	priority=100,udp,tp_dst=7201,actions=drop
	priority=100,udp,tp_dst=7202,actions=ct(commit,zone=5)
	priority=100,udp,tp_dst=7204,actions=meter:1,output:s0
	priority=100,udp,tp_dst=7205,actions=ct(commit,zone=9),output:s0
	priority=100,udp,tp_dst=7240,actions=output:s0
	priority=100,udp,tp_dst=7250,actions=output:s0
	END
	of add-flow br-two priority=100,udp,tp_dst=7211,actions=drop
}

flows_are() { # N: of the ports of this test
	[ "$(ovs-dpctl dump-flows ovs-system | grep -c 'udp(dst=72[0-5][0-9])')" = "$1" ]
}

metered() {
	of meter-stats br-int meter=1 | sed -n 's/^0: packet_count:\([0-9]*\).*/\1/p'
}

metered_most() {
	[ "$(metered)" -ge 30 ]
}

# ---- a datapath that no ovs-vswitchd rules ----

flow() { # RECIRC-ID IN-PORT UDP-PORT ACTIONS [FRAG]
	ovs-dpctl add-flow dp2 "recirc_id($1),in_port($2),eth(),eth_type(0x0800),ipv4(proto=17,frag=${5:-no}),udp(dst=$3)" "$4"
}

# Port 0 is dp2 itself, 1 where packets come in, 2 where they go, 3 down, 4 too small, 5 a tunnel whose packets come back
datapath_up() {
	local tunnel='set(tunnel(tun_id=0x1,dst=10.44.0.2,ttl=64,tp_dst=4799,flags(df|key))),5'
	veth d0 d1
	veth e0 e1
	veth f0 f1
	ip link set f0 mtu 600
	ip link add vxl type vxlan external dstport 4799
	ip link set vxl up
	ovs-dpctl add-dp dp2 d0 e0 int2,type=internal f0 vxl 2> "$work/dpctl"
	ip link set int2 down
	ip -batch - <<-'END'
	addr add 10.44.0.1/24 dev dp2
	link set dp2 up
	neigh add 10.44.0.2 lladdr 02:00:00:00:00:44 dev dp2 nud permanent
	END
	flow 0 1 7221 99
	flow 0 1 7222 'recirc(5)'
	flow 5 1 7222 'recirc(5)'
	flow 0 1 7223 'recirc(11)'
	flow 11 1 7223 'recirc(12)'
	flow 12 1 7223 'recirc(13)'
	flow 13 1 7223 "$tunnel"
	flow 0 0 4799 "$tunnel"
	flow 0 1 7224 'ct(zone=3),recirc(7)' first
	flow 0 1 7225 'ct(zone=3),recirc(7)' first
	ovs-dpctl add-flow dp2 'recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=later)' 'ct(zone=3),recirc(7)'
	flow 7 1 7225 4
	dpflow dp2 1 7224@7 mpls 2
	flow 0 1 7226 3
	flow 0 1 7227 4
	flow 0 1 7228 'userspace(pid=4294967294),2'
	flow 0 1 7229 2
	if has_reasons; then
		dpflow dp2 1 7231 drop
		dpflow dp2 1 7232 drop 3
		dpflow dp2 1 7233 dec_ttl 2
	fi
}

# ---- all of it, and what must be said of it ----

expected() {
	local miss=upcall_miss action=upcall_action refused=ENOTCONN
	if ! has_types; then
		miss=upcall action=upcall refused=ECONNREFUSED
	fi
	cat <<-END
	16|explicit_drop|-|vp0|-|ovs-system
	12|no_output|-|vp0|-|ovs-system
	$after_metered|meter|-|vp0|-|ovs-system
	15|conntrack|-|vp0|-|ovs-system
	$flooded|$miss|EAGAIN|vp0|-|ovs-system
	9|$miss|ECONNREFUSED|vp0|-|ovs-system
	21|explicit_drop|-|w0|-|ovs-system
	31|port_gone|-|d0|99|dp2
	32|deferred_limit|-|d0|-|dp2
	33|recursion_limit|-|dp2|-|dp2
	34|fragmentation|-|d0|e0|dp2
	$((35 + 37))|over_mtu|-|d0|f0|dp2
	36|port_down|-|d0|int2|dp2
	END
	echo "38|$action|$refused|d0|-|dp2"
	echo "39|$miss|ENOTCONN|d0|-|dp2"
	if has_reasons; then
		echo "41|explicit_drop|-|d0|-|dp2"
		echo "42|explicit_error|-|d0|-|dp2"
		echo "43|ttl|-|d0|-|dp2"
	fi
}

what='[.reason, .error // "-", .dev // "-", .output // .output_port // "-", .datapath // "-"] | map(tostring) | join("|")'

# When it starts, ovs-vswitchd tries out what the kernel can do, with packets of its own that go nowhere
traffic='select(.dev != "ovs-system" and .reason != "execute_failed")'

rows_seen() { # NAME
	jq -r "select(.type == \"row\" and .scope == \"total\") | $traffic | \"\(.count)|\" + ($what)" \
		"$work/$1.json" | sort
}

reported() { # NAME: what was sent last
	grep -q '"row".*"error":"ENOTCONN"' "$work/$1.json"
}

events_seen() { # NAME
	jq -r "select(.type == \"event\") | $traffic | $what" "$work/$1.json" | sort | uniq -c |
		awk '{ n = $1; sub(/^ *[0-9]+ /, ""); print n "|" $0 }' | sort
}

# Frees of the datapath: COUNT DEVICE a line, without upcalls, of which neither tells the other's free, and on
# kernels that free metered packets as delivered without those
by_device='group_by(.dev)[] | "\(map(.count) | add) \(.[0].dev)"'

freed() { # NAME
	jq -rs --arg reasons "$(has_reasons && echo 1)" 'map(select(.type == "row" and .scope == "total" and
		(.error | not) and (.reason != "meter" or $reasons == "1"))) | '"$by_device" "$work/$1.json"
}

stacks_freed() {
	jq -rs 'map(select(.type == "row" and .scope == "total" and .place.module == "openvswitch" and
		.place.function != "ovs_dp_process_packet")) | '"$by_device" "$work/stacks.json"
}

ovs_up && peer_veth && neigh_settle --static > "$work/settle" || exit 1
bridges_up || not_ok "the bridges' flows are there" "$(ovs-dpctl dump-flows ovs-system)"
datapath_up

# all at once: each sees the same packets
tool_begin sum ovs drops --interval 2
tool_begin each ovs drops --each
NETSONDE_ATTACH=kp,kr,rt tool_begin probes ovs-kernel-module-drop-monitor --interval 2
tool_begin some ovs drops --dst-port 7201,7250
tool_begin stacks drop stacks --group-by reason,place,dev --top 1000
tools_ready

before_metered=$(metered) before_system=$(lookups_lost ovs-system) before_dp2=$(lookups_lost dp2)
frame vp1 7250 200
frame vp1 7201 11
frame vp1 7202 12
frame vp1 7204 40 --rate 0
frame vp1 7205 15 --spread --sport 20000
frame w1 7211 21
frame d1 7229 100
frame d1 7221 31
frame d1 7222 32
frame d1 7223 33
frame d1 7224 34 --size 3000 --fragments 3
frame d1 7225 35 --size 3000 --fragments 3
frame d1 7226 36
frame d1 7227 37 --size 1000
frame d1 7228 38
if has_reasons; then
	frame d1 7231 41
	frame d1 7232 42
	frame d1 7233 43 --ttl 1
fi
frame d1 7230 39
wait_for 20 metered_most
after_metered=$(($(metered) - before_metered))

is "200 packets are forwarded" "$(ovs-dpctl dump-flows ovs-system |
	sed -n 's/.*udp(dst=7250).* packets:\([0-9]*\).*/\1/p')" 200

# handlers that stand still until their sockets are full; then none
ovs_stop
frame vp1 7240 4000 --rate 0 --size 1400
flooded=$(($(lookups_lost ovs-system) - before_system))
ovs_go
# when it starts again ovs-vswitchd deletes datapaths that it does not know; without types a report judges ports
if ! has_types; then
	wait_for 30 reported sum
	wait_for 30 reported probes
fi
is "handlers that stand still: some misses were lost" "$((flooded > 0))" 1
nap 1
kill -KILL "$vswitchd"
nap 0.5
frame vp1 7241 9
is "the datapath's lost: 9 more with ovs-vswitchd gone" "$(($(lookups_lost ovs-system) - before_system))" "$((flooded + 9))"
is "and of the datapath without handlers" "$(($(lookups_lost dp2) - before_dp2))" "$((38 + 39))"
ovs_begin
ovs-vsctl --timeout=30 wait-until bridge br-int datapath_id!=[]
wait_for 20 rules_add
frame vp1 7201 1
wait_for 20 flows_are 1
frame vp1 7201 5
nap 1

tools_end
expected | sort > "$work/expected"
for name in sum probes; do
	is "each loss once, with reason and ports: ${tool_args[$name]}" "$(rows_seen $name)" "$(< "$work/expected")" \
		"$(diff <(rows_seen $name) "$work/expected")"
done
is "each loss an event: ${tool_args[each]}" "$(events_seen each)" "$(< "$work/expected")" \
	"$(diff <(events_seen each) "$work/expected")"
is "a filter shows its own packets, and forwarded ones are no loss" "$(rows_seen some) $(tool_number some .drops)" \
	"16|explicit_drop|-|vp0|-|ovs-system 16"
is "drop stacks counts the same frees of the datapath" "$(stacks_freed)" "$(freed sum)"
is "each row has a sentence" "$(jq -r 'select(.type == "row" and .meaning == null) | .reason' "$work/sum.json")" ""
is "each event's packet" "$(jq -r 'select(.type == "event" and .reason == "explicit_drop" and .dev == "w0") |
	"\(.packet.udp.dst_port) \(.packet.ip.dst)"' "$work/each.json" | sort | uniq -c | xargs)" "21 7211 10.0.0.77"
for name in sum each probes some stacks; do
	is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
done
hidden=2
! has_types || hidden=1
! has_reasons || hidden=0
is "what this kernel hides is said" "$(jq -r 'select(.type == "start") | .not_visible | length' "$work/sum.json")" $hidden
finish
