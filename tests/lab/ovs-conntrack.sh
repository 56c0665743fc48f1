#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ovs-conntrack.sh: each packet in a ct action is one record: zone, states, translation, and why it is invalid.
# kernels: 5.10 6.1 6.12 7
# check: 5.10 6.12
# topology: host
# seconds: 60

. /share/lib.sh

types=yes
vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)
[ "$LAB_KERNEL" != 5.10 ] || types=

of() {
	ovs-ofctl -O OpenFlow13,OpenFlow15 add-flow br-int "priority=200,in_port=vp0,$1,actions=$2"
}

# Frames from the peer by port, $events records each (1). The next come when these have been seen: an upcall may hold
# one up, and a connection begins with its first packet. A third party is at 10.0.0.99 and fd00::99, and no device has its MAC.
frames() { # LABGEN OPTION...
	local n
	n=$(sent labgen frames --netns peer --dev vp1 --dst-mac 52:54:00:00:00:63 "$@") || true
	[ -n "$n" ] || not_ok "sends: $*"
	expected=$((expected + n * ${events-1}))
	wait_for 20 events_are all $expected || not_ok "seen: $*"
}

out() { # DPORT COUNT [LABGEN OPTION...]
	frames --src 10.0.0.2 --dst 10.0.0.99 --dport "$1" --count "$2" "${@:3}"
}

back() { # SPORT DPORT COUNT [LABGEN OPTION...]
	frames --src 10.0.0.99 --dst 10.0.0.2 --sport "$1" --dport "$2" --count "$3" "${@:4}"
}

out6() { # DPORT COUNT [LABGEN OPTION...]
	frames --src fd00::2 --dst fd00::99 --dport "$1" --count "$2" "${@:3}"
}

# A counter of connection tracking, summed over the CPUs
counter() { # NAME
	local names values i sum=0
	{
		read -ra names
		while read -ra values; do
			for i in "${!names[@]}"; do
				[ "${names[i]}" != "$1" ] || sum=$((sum + 16#${values[i]}))
			done
		done
	} < /proc/net/stat/nf_conntrack
	echo $sum
}

connections() { # ZONE
	ovs-appctl dpctl/dump-conntrack | grep -c ",zone=$1\b" || true
}

# Events whose jq condition holds, as "COUNT FACTS" for each kind of facts. As it begins, ovs-vswitchd tries what the
# kernel can do, with packets of its own.
kinds() { # NAME CONDITION [FACTS]
	local facts='"\(.zone) \(.state) \(.result) \(.why) \(.confirmed)"'
	jq -rs "map(select(.type == \"event\" and .packet.ip.src != \"127.255.255.255\") | select($2) | ${3:-$facts}) | group_by(.)[] | \"\(length) \(.[0])\"" \
		"$work/$1.json"
}

# The connection of the first is in the table before the next is sent
first_alone() { # out|out6 DPORT COUNT [LABGEN OPTION...]
	"$1" "$2" 1 "${@:4}"
	"$1" "$2" $(($3 - 1)) "${@:4}"
}

events_are() { # NAME N: it has printed that many, or more
	[ "$(grep -c '"type":"event"' "$work/$1.json")" -ge "$2" ]
}

of udp,tp_dst=7801 'ct(commit,zone=5,exec(set_field:0x1234->ct_mark,set_field:0xabcd->ct_label))'
of udp,tp_src=7801 'ct(zone=5)'
of icmp 'ct(zone=5)'
of tcp,tp_dst=7802 'ct(commit,zone=5)'
of tcp,tp_src=7802 'ct(commit,zone=5)'
of udp,tp_dst=7803 'ct(commit,zone=6,nat(src=192.0.2.7:5000))'
of udp,tp_dst=7804 'ct(commit,zone=6,nat(dst=192.0.2.8:6000))'
of udp,tp_dst=7805 'ct(commit,zone=5),ct(commit,zone=7)'
of udp,tp_dst=7806 'ct(commit,zone=9)'
of udp,tp_dst=7807 'ct(commit,zone=10)'
of ip,nw_dst=10.0.0.98 'ct(commit,zone=11)'
of tcp,tp_dst=21 'ct(commit,zone=12,alg=ftp)'
of tcp,tp_src=21 'ct(commit,zone=12,alg=ftp)'
# a copy comes first, which has no connection of zone 13: its own is in the table when the packet's is to go there
clash='ct(zone=13),clone(ct(zone=14),ct(commit,zone=13)),ct(commit,zone=13)'
of udp,tp_dst=7809 "$clash"
of tcp,tp_dst=7809 "$clash"
of udp,tp_dst=7899 drop
of udp6,tp_dst=7801 'ct(commit,zone=8)'
of udp6,tp_dst=7804 'ct(commit,zone=8,nat(dst=[fd00::8]:6000))'
of icmp6 'ct(zone=8)'
ovs-appctl dpctl/flush-conntrack
ovs-appctl dpctl/ct-set-limits zone=9,limit=2
# connections are counted at the end, on a slow machine too
sysctl -qw net.netfilter.nf_conntrack_udp_timeout=3600
sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0
sysctl -qw net.netfilter.nf_conntrack_checksum=1
sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0

tool_begin all ovs conntrack
NETSONDE_ATTACH=kp,kr,rt NETSONDE_BUFFER=perf tool_begin probes ovs conntrack --host 10.0.0.2
tool_begin zone ovs conntrack --zone 7
tool_begin est ovs conntrack --state 'est|rpl'
tool_begin old trace-ovs-ct-invalid.bt
tools_ready
expected=0
before_invalid=$(counter invalid) before_icmp_error=$(counter icmp_error) before_drop=$(counter drop)
before_clashres=$(counter clashres)

# five connections; three answers, four more packets, errors that belong to one of them and that do not
out 7801 5 --sport 41000 --spread
back 7801 41000 3
out 7801 4 --sport 41000
back 0 7801 2 --protocol icmp --icmp-type 3 --quote 41000
back 0 7801 3 --protocol icmp --icmp-type 3 --quote 49000
out 7801 6 --sport 42000 --bad-checksum
# far outside the window, before a handshake is complete: the datapath lets an established connection's packets pass
out 7802 1 --protocol tcp --sport 43000 --seq 1000 --size 0
back 7802 43000 1 --protocol tcp --tcp-flags 18 --seq 5000 --ack 1001 --size 0
out 7802 4 --protocol tcp --tcp-flags 16 --sport 43000 --seq 9001001 --ack 5001 --size 10
out 7802 1 --protocol tcp --tcp-flags 16 --sport 43000 --seq 1001 --ack 5001 --size 0
# no connection: from the middle of one, and a reset
out 7802 5 --protocol tcp --tcp-flags 16 --sport 44000 --seq 1 --ack 1
out 7802 2 --protocol tcp --tcp-flags 4 --sport 44001
first_alone out 7803 3 --sport 45000
first_alone out 7804 3 --sport 45000
events=2 first_alone out 7805 4 --sport 45000
out 7806 5 --sport 46000 --spread
events=3 frames --src 10.0.0.2 --dst 10.0.0.98 --dport 7808 --count 3 --fragments 3 --size 200
# the helper takes a line for one once it has seen the end of the line before; a command that is cut short it drops
out 21 1 --protocol tcp --sport 49000 --seq 1000 --size 0
back 21 49000 1 --protocol tcp --tcp-flags 18 --seq 5000 --ack 1001 --size 0
out 21 1 --protocol tcp --tcp-flags 16 --sport 49000 --seq 1001 --ack 5001 --size 0
out 21 1 --protocol tcp --tcp-flags 24 --sport 49000 --seq 1001 --ack 5001 --text $'USER a\n'
out 21 3 --same --protocol tcp --tcp-flags 24 --sport 49000 --seq 1008 --ack 5001 --text 'PORT 1,2'
events=4 out 7809 2 --sport 50000 --spread
events=4 out 7809 3 --protocol tcp --sport 51000 --spread --size 0
events=0 out 7899 9
out6 7801 3 --sport 41000 --spread
out6 7801 2 --sport 42000 --bad-checksum
first_alone out6 7804 2 --sport 45000
frames --src fd00::99 --dst fd00::2 --dport 7801 --count 2 --protocol icmp --icmp-type 1 --quote 41000
frames --src fd00::99 --dst fd00::2 --dport 7801 --count 2 --protocol icmp --icmp-type 1 --quote 49000
listed=$(connections 5),$(connections 6),$(connections 7),$(connections 8),$(connections 9),$(connections 11),$(connections 12),$(connections 13)

# the table is full of one connection that nothing may push out
ovs-appctl dpctl/flush-conntrack
out 7802 1 --protocol tcp --sport 47000 --seq 1000 --size 0
back 7802 47000 1 --protocol tcp --tcp-flags 18 --seq 5000 --ack 1001 --size 0
out 7802 1 --protocol tcp --tcp-flags 16 --sport 47000 --seq 1001 --ack 5001 --size 0
read -r most < /proc/sys/net/netfilter/nf_conntrack_max
echo 1 > /proc/sys/net/netfilter/nf_conntrack_max
out 7807 7 --sport 48000 --spread
echo "$most" > /proc/sys/net/netfilter/nf_conntrack_max
ovs_restart
of udp,tp_dst=7820 'ct(zone=20)'
out 7820 2
after_invalid=$(counter invalid) after_icmp_error=$(counter icmp_error) after_drop=$(counter drop)
after_clashres=$(counter clashres)
tools_end

# what a packet that ct() fails on has for a state is in the flow's key, which 5.10 does not show
kept=0
[ -n "$types" ] || kept=null
# the datapath takes a connection whose destination is translated for one of both kinds; so are its flows' states
dnat='snat|dnat'
[ -n "$types" ] || dnat=dnat
whole='del(.time, .time_ns, .cpu, .took_ns) | tojson'

is "new connections" "$(kinds all '.packet.ip.version == 4 and .packet.udp.dst_port == 7801 and
	(.why == null) and .packet.udp.src_port > 41000')" "4 5 new|trk ok null true"
is "one with an answer" "$(kinds all '.packet.ip.version == 4 and
	.why == null and ([.packet.udp.src_port, .packet.udp.dst_port] | sort == [7801, 41000])')" \
	"3 5 est|rpl|trk ok null false
4 5 est|trk ok null false
1 5 new|trk ok null true"
is "errors that belong to it, and that do not" \
	"$(kinds all '.packet.ip.protocol == "icmp"')" "3 5 inv|trk ok no_connection false
2 5 rel|rpl|trk ok null false"
is "wrong checksums" "$(kinds all '.packet.udp.src_port == 42000 and .packet.ip.version == 4')" \
	"6 5 inv|trk ok checksum false"
is "a TCP connection, and packets outside its window" \
	"$(kinds all '.packet.tcp.src_port == 43000 or .packet.tcp.dst_port == 43000' \
	'"\(.zone) \(.state) \(.why) \(.connection.tcp_state) \(.kernel_says != null)"')" \
	"1 5 est|rpl|trk null SYN_RECV false
1 5 est|trk null ESTABLISHED false
4 5 inv|trk window null true
1 5 new|trk null SYN_SENT false"
is "from the middle of a connection, and resets of none" \
	"$(kinds all '.packet.tcp.src_port == 44000 or .packet.tcp.src_port == 44001' \
	'"\(.zone) \(.state) \(.result) \(.why) \(.packet.tcp.flags)"')" \
	"5 5 inv|trk ok no_connection ACK
2 5 inv|trk ok no_connection RST"
is "source translated" "$(kinds all '.packet.udp.dst_port == 7803' \
	'"\(.zone) \(.state) \(.nat.src | "\(.old):\(.old_port) \(.new):\(.new_port)") \(.nat.dst) \(.confirmed)"')" \
	"2 6 new|trk|snat 10.0.0.2:45000 192.0.2.7:5000 null false
1 6 new|trk|snat 10.0.0.2:45000 192.0.2.7:5000 null true"
is "destination translated" "$(kinds all '.packet.udp.dst_port == 7804 and .packet.ip.version == 4' \
	'"\(.zone) \(.state) \(.nat.dst | "\(.old):\(.old_port) \(.new):\(.new_port)") \(.nat.src) \(.confirmed)"')" \
	"2 6 new|trk|$dnat 10.0.0.99:7804 192.0.2.8:6000 null false
1 6 new|trk|$dnat 10.0.0.99:7804 192.0.2.8:6000 null true"
is "another packet's connection was first" "$(kinds all '.packet.udp.dst_port == 7809' '"\(.result) \(.confirmed) \(.clash) \(.why)"')" \
	"4 ok false false null
2 ok false true null
2 ok true false null"
is "the kernel counts as many clashes" "$(kinds all .clash true)" "$(since clashres) true"
is "which TCP does not bear" "$(kinds all '.packet.tcp.dst_port == 7809' '"\(.result) \(.confirmed) \(.clash) \(.why)"')" \
	"3 EINVAL false false not_taken
6 ok false false null
3 ok true false null"
is "two zones, one packet" "$(kinds all '.packet.udp.dst_port == 7805' '"\(.zone) \(.state) \(.confirmed)"')" \
	"3 5 new|trk false
1 5 new|trk true
3 7 new|trk false
1 7 new|trk true"
is "a zone with a limit of two" "$(kinds all '.packet.udp.dst_port == 7806' '"\(.zone) \(.result) \(.why) \(.confirmed)"')" \
	"3 9 ENOMEM zone_limit false
2 9 ok null true"
is "a full table" "$(kinds all '.packet.udp.dst_port == 7807' \
	'"\(.zone) \(.state) \(.result != "ok") \(.why) \(.confirmed)"')" "7 10 $kept true table_full false"
is "fragments: the last one has the packet" "$(kinds all '.packet.ip.dst == "10.0.0.98"' '"\(.result) \(.why) \(.confirmed)"')" \
	"6 EINPROGRESS fragment false
2 ok null false
1 ok null true"
is "a helper that cannot follow" "$(kinds all '.zone == 12' \
	'"\(.result) \(.why) \(.kernel_says != null)"')" "3 EINVAL helper true
4 ok null false"
is "after a restart of ovs-vswitchd" "$(kinds all '.packet.udp.dst_port == 7820')" "2 20 new|trk ok null false"
is "packets without ct() have no record" "$(kinds all '.packet.udp.dst_port == 7899')" ""
is "they came in by" "$(kinds all true .dev | cut -d' ' -f2)" vp0
is "nothing is left untold" "$(total all '"\(.whys.not_told) \(.whys.other)"')" "null null"
is "the other kinds of probes see the same: ${tool_args[probes]}" "$(kinds probes true "$whole")" \
	"$(kinds all '.packet.ip.version == 4' "$whole")"
is "IPv6: new, wrong checksums, translated" "$(kinds all '.packet.ip.version == 6 and .packet.udp' \
	'"\(.zone) \(.state) \(.why) \(.confirmed) \(.nat.dst | if . then "\(.old) \(.old_port) \(.new) \(.new_port)" else "-" end)"')" \
	"2 8 inv|trk checksum false -
3 8 new|trk null true -
1 8 new|trk|$dnat null false fd00::99 7804 fd00::8 6000
1 8 new|trk|$dnat null true fd00::99 7804 fd00::8 6000"
is "IPv6: errors that belong to a connection, and that do not" "$(kinds all '.packet.ip.protocol == "icmpv6"')" \
	"2 8 inv|trk ok no_connection false
2 8 rel|rpl|trk ok null false"
is "mark and labels are the connection's" "$(kinds all '.packet.udp.dst_port == 7801 and .zone == 5 and .why == null' \
	'.connection | "\(.mark) \(.labels)"')" "9 4660 0xabcd"
is "an answered connection is so in its status" "$(kinds all '.state == "est|trk" and .packet.udp' \
	'.connection.status | index("seen_reply") != null and index("confirmed") != null')" "4 true"
if [ -n "$types" ]; then
	is "what the action asks for" "$(kinds all '.packet.ip.version == 4 and .packet.udp and .zone < 8' \
		'"\(.zone) \(.commit) \(.nat_asked) \(.force)"')" \
		"3 5 false false false
19 5 true false false
6 6 true true false
4 7 true false false"
	is "the state before: of the first zone in the second" "$(kinds all '.packet.udp.dst_port == 7805' '"\(.zone) \(.before)"')" \
		"4 5 0
4 7 new|trk"
else
	is "what 5.10 does not show is said" "$(jq -r 'select(.type == "start") | .not_visible[]' "$work/all.json" |
		grep -c 'has no types here')" 1
	is "and is null" "$(kinds all true '"\(.before) \(.commit) \(.nat_asked)"' | cut -d' ' -f2-)" "null null null"
fi

is "--zone shows that zone" "$(kinds zone true .zone)" "4 7"
is "--state est|rpl shows answers" "$(kinds est true .state)" "6 est|rpl|trk"
is "the old name shows what is invalid or lost, and all of it" "$(kinds old true .why)" "$(kinds all '.why and .why != "fragment"' .why)"

# others' counts
is "connections that ovs-appctl lists are those that went into the table" "$listed" \
	"$(for zone in 5 6 7 8 9 11 12 13; do jq -r "select(.type == \"event\" and .zone == $zone and .confirmed and
		.packet.tcp.src_port != 47000) | 1" "$work/all.json" | wc -l; done | paste -sd,)"
# it counts errors that belong to no connection apart
invalid=$(($(since invalid) + $(since icmp_error)))
is "the kernel counts as many invalid packets" "$(kinds all '.why and .result == "ok"' true)" "$invalid true"
is "and drops as many, for the full table and for clashes" "$(kinds all '.why == "table_full" or .why == "not_taken"' true)" "$(since drop) true"
is "one record a packet" "$(kinds all true true) $(total all .packets)" "115 true $(grep -c '"type":"event"' "$work/all.json")"
is "the total says the same" "$(total all '"\(.invalid) \(.failed) \(.kernel_counters | "\(.invalid) \(.icmp_error) \(.drop)")"')" \
	"$invalid 16 $(since invalid) $(since icmp_error) $(since drop)"
for name in all probes zone est old; do
	is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
done
finish
