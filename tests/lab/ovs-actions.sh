#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ovs-actions.sh: each packet's steps are those of the flows that it was given, in order; outputs are what devices count.
# kernels: 5.10 6.1 6.12 7
# check: 6.1 7
# topology: host
# seconds: 50

. /share/lib.sh

n=20
vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)
ports="7501 7502 7503 7504 7505 7506"

frames() { # UDP-PORT N: from the peer
	labgen frames --netns peer --dev vp1 --src 10.0.0.2 --dst 10.0.0.1 --dst-mac 52:54:00:00:00:01 \
		--dport "$1" --count "$2" > "$work/labgen"
}

flows_are() { # N of these ports
	[ "$(ovs-appctl dpctl/dump-flows -m system@ovs-system | tee "$work/flows" | grep -c 'dst=750[1-6]')" -ge "$1" ]
}

events_are() { # NAME N
	[ "$(grep -c '^{"type":"event"' "$work/$1.json")" -ge "$2" ]
}

# How many packets to a port went which way, each step by its text without what differs from run to run.
ways() { # NAME PORT FROM
	jq -r --argjson port "$2" --arg from "$3" 'select(.type == "event" and .packet.udp.dst_port == $port and .from == $from) |
		[.steps[] | (if .step == "lookup" then "lookup " + (if .hit then "hit" else "miss" end)
			elif .action == "recirc" then "recirc" elif .action == "ct" and (has("zone") | not) then "ct"
			else .text end) + (if .copy then " copy" else "" end)] | join(", ")' "$work/$1.json" |
		sort | uniq -c | awk '{ $1 = $1 " packets:"; print }'
}

rx() { # DEVICE: packets that the datapath gave it
	device "$1" "$([ "$1" = br-int ] && echo rx_packets || echo tx_packets)"
}

# two ports of which the second gets the first one's number, on another bridge
for dev in pm1 pm2; do
	ip link add $dev type veth peer name ${dev}x
	ip link set $dev up
	ip link set ${dev}x up
done
# the bridge before the port: its own port has a number too
ovs-vsctl add-br br-m -- set bridge br-m fail_mode=secure -- add-port br-int pm1
ovs-ofctl mod-port br-int pm1 no-flood
of add-flow br-int priority=100,udp,tp_dst=7508,actions=output:pm1
of add-flows br-int - <<-'END'
	priority=100,udp,tp_dst=7501,actions=output:LOCAL,output:nic0
	priority=100,udp,tp_dst=7502,actions=ct(table=5,zone=7)
	table=5,priority=100,udp,tp_dst=7502,actions=ct(commit,zone=7),mod_nw_ttl:9,output:LOCAL
	priority=100,udp,tp_dst=7503,actions=drop
	priority=100,udp,tp_dst=7504,actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:nic0
	priority=100,udp,tp_dst=7505,actions=FLOOD
	priority=100,udp,tp_dst=7506,actions=clone(ct(commit,zone=3),output:nic0),output:LOCAL
	priority=100,udp6,tp_dst=7507,actions=drop
END
ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
flows_delete
for port in $ports; do
	frames "$port" 1
done
labgen udp --netns peer --dst fd00::1 --dport 7507 --count 1 > "$work/labgen"
wait_for 20 flows_are 7

tool_begin all ovs actions --src-ip 10.0.0.2 --protocol udp
tool_begin one ovs actions --dst-port 7501
tool_begin none ovs actions --dst-ip 192.0.2.9
tool_begin dev ovs actions --dev vp0 --dst-port 7504,7508
tool_begin other ovs actions --dev pm2
tool_begin six ovs actions --dst-ip fd00::1 --dst-port 7507
tool_begin none6 ovs actions --dst-ip fd00::99
NETSONDE_ATTACH=kp,kr tool_begin probes ovs actions --dst-port 7501,7502
tools_ready
text_start older ovs_mcast_action_trace --dst-port 7501

before_local=$(rx br-int)
before_nic=$(rx nic0)
for port in $ports; do
	frames "$port" $n
done
labgen udp --netns peer --dst fd00::1 --dport 7507 --count $n > "$work/labgen"
wait_for 20 events_are all $((6 * n))
wait_for 20 events_are probes $((2 * n))
wait_for 20 events_are six $n
after_local=$(rx br-int)
after_nic=$(rx nic0)
text_end older
flows_are 7
masks=$(ovs-appctl dpctl/show | sed -n 's/.*masks: .* total:\([0-9]*\).*/\1/p')
for i in 1 2 3; do
	flows_delete
	frames 7501 1
	wait_for 20 events_are all $((6 * n + 2 * i))
	wait_for 20 events_are probes $((2 * n + 2 * i))
done

# ---- a port's number goes to another, on another bridge; ovs-vswitchd comes again ----

from() { # DEVICE N
	labgen frames --dev "$1" --src 10.9.0.2 --dst 10.9.0.1 --dst-mac 52:54:00:00:00:99 --dport 7509 --count "$2" > "$work/labgen"
}

# The first packet goes up and comes back, the second finds the flow.
other_sees() { # N more
	of add-flow br-m priority=100,udp,actions=LOCAL,IN_PORT
	from pm2x 1
	wait_for 20 events_are other $(($1 + 2))
	from pm2x 1
	wait_for 20 events_are other $(($1 + 3))
}

frames 7508 1
wait_for 20 events_are dev $((n + 2))
# --dev pm2 refuses what comes from pm1, and then from a port of the same number it does not
from pm1x 5
ovs-vsctl del-port pm1
ovs-vsctl add-port br-m pm2
other_sees 0
ovs_restart
other_sees 3
tools_end

types=$([ "$LAB_KERNEL" = 5.10 ] || echo yes)
ct="ct(zone=7)" commit="ct(commit,zone=7)"
[ "$types" ] || ct=ct commit=ct
for name in all one probes; do
	is "two outputs, of which the first is a copy: ${tool_args[$name]}" "$(ways $name 7501 port | grep -v miss)" \
		"$n packets: lookup hit, output br-int copy, output nic0"
	is "misses go up: ${tool_args[$name]}" "$(ways $name 7501 port | grep miss)" \
		"3 packets: lookup miss, upcall$([ "$types" ] && echo ': no flow')"
	is "and are executed: ${tool_args[$name]}" "$(ways $name 7501 ovs-vswitchd)" \
		"3 packets: output br-int copy, output nic0"
done
for name in all probes; do
	is "conntrack, recirculation, a second lookup, a new TTL: ${tool_args[$name]}" "$(ways $name 7502 port)" \
		"$n packets: lookup hit, $ct, recirc, lookup hit, $commit, set(ipv4(ttl=9)), output br-int"
done
is "a flow that drops" "$(ways all 7503 port)" "$n packets: lookup hit"
is "and the packets are said to go nowhere" \
	"$(jq -r 'select(.packet.udp.dst_port? == 7503) | "\(.outcome) \(.outputs) \(.packet.ip.src)"' "$work/all.json" | sort -u)" \
	"nowhere 0 10.0.0.2"
is "a tag is pushed" "$(ways all 7504 port)" "$n packets: lookup hit, push_vlan(vid=5,pcp=0), output nic0"
is "a flood" "$(ways all 7505 port | sed 's/output [^ ,]*/output/g')" "$n packets: lookup hit, output copy, output"
if [ "$types" ]; then
	clone="clone, ct(commit,zone=3) copy, output nic0 copy, output br-int"
else
	clone="clone, output br-int, ct copy, output nic0 copy"
fi
is "actions of a clone" "$(ways all 7506 port)" "$n packets: lookup hit, $clone"
is "outputs to each port are what the ports count" "$(jq -r 'select(.type == "event" and .from == "port") | .steps[] | .dev // empty' \
	"$work/all.json" | sort | uniq -c | awk '{ print $2, $1 }' | xargs)" \
	"br-int $((after_local - before_local)) nic0 $((after_nic - before_nic))"
is "which is as many as were sent" "$((after_local - before_local)) $((after_nic - before_nic))" "$((4 * n)) $((4 * n))"
is "one event a packet" "$(tool_number all '"\(.packets) \(.events) \(.lost | tojson)"')" "$((6 * n + 8)) $((6 * n + 8)) {}"
is "the total: lookups, outputs, copies, upcalls, nowhere" \
	"$(tool_number all '"\(.hits) \(.misses) \(.outputs) \(.copies) \(.upcalls) \(.nowhere)"')" \
	"$((7 * n)) 4 $((8 * n + 7)) $((3 * n + 3)) 4 $n"
is "a filter shows its packets only" "$(jq -r 'select(.type == "event") | .packet.udp.dst_port' "$work/one.json" | sort -u)" 7501
is "a filter that no key can answer: the device" "$(tool_number dev .packets)" "$((n + 2))"
number=$(jq -r 'select(.type == "event" and .packet.udp.dst_port == 7508) | .steps[] | select(.dev == "pm1") | .port' "$work/dev.json")
is "and no other's, on a second bridge, by the number that another port had, over a restart of ovs-vswitchd" \
	"$(tool_number other .packets) $(jq -r 'select(.type == "event") | "\(.from) \(.packet.udp.dst_port)", (.steps[] |
		select(.dev) | "\(.port == '"$number"') \(.dev)")' "$work/other.json" | sort | uniq -c | awk '{ print $1, $2, $3 }' | paste -sd,)" \
	"6 4 false br-m,2 ovs-vswitchd 7509,4 port 7509,4 true pm2"
for name in all one none dev other six none6 probes; do
	is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
done
is "an IPv6 packet that is dropped" "$(tool_number six '"\(.packets) \(.nowhere) \(.hits)"')" "$n $n $n"
is "and not where another address is asked for" "$(tool_number none6 '"\(.packets) \(.hits)"')" "0 0"
is "a filter for other packets: nothing" "$(tool_number none '"\(.packets) \(.events)"')" "0 0"
if [ "$types" ]; then
	is "the flows are those that ovs-dpctl lists" \
		"$(jq -r 'select(.type == "event") | .steps[] | .ufid // empty' "$work/all.json" | sort -u)" \
		"$(grep 'dst=750[1-6]' "$work/flows" | sed 's/^ufid:\([^,]*\),.*/\1/' | sort -u)"
	is "recirculated by the id of the action" "$(jq -r 'select(.packet.udp.dst_port? == 7502) |
		[.steps[] | select(.step == "lookup" or .action == "recirc") | .recirc_id] | .[0] == 0 and .[1] == .[2] and .[1] > 0' \
		"$work/all.json" | sort -u)" true
	is "no lookup tried more masks than there are" "$(jq -r --argjson most "$masks" 'select(.type == "event") |
		.steps[] | select(.hit) | .masks >= 1 and .masks <= $most' "$work/all.json" | sort -u)" true
fi
is "steps are in order of time" "$(jq -r 'select(.type == "event") | [.steps[].at_ns] | . == sort' "$work/all.json" | sort -u)" true
is "as text: each packet's outputs" \
	"$(grep -c 'output br-int (copy)' "$work/older.text") $(grep -c 'output nic0$' "$work/older.text")" "$n $n"
finish
