#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ovs-upcalls.sh: upcalls and losses are those that the datapath counts; a stopped ovs-vswitchd shows as queueing.
# kernels: 5.10 6.1 6.12 7
# topology: host
# timeout: 900
# seconds: 90

. /share/lib.sh

run=/run/openvswitch
of() { ovs-ofctl -O OpenFlow13,OpenFlow15 "$@"; }

# Numbers of the report over the whole run.
total() { # NAME JQ-EXPRESSION
	jq -r "select(.type == \"total\") | $2" "$work/$1.json"
}

# A part of the time, by kind, over the whole run.
part() { # NAME KIND PART JQ-EXPRESSION
	jq -r "select(.type == \"time\" and .scope == \"total\" and .kind == \"$2\" and .part == \"$3\") | $4" \
		"$work/$1.json"
}

# "missed lost" as the datapath has counted them.
datapath() {
	ovs-dpctl show | sed -n 's/.*lookups: .* missed:\([0-9]*\) lost:\([0-9]*\).*/\1 \2/p'
}

datapath_rests() { # nothing was missed for half a second
	local before
	before=$(datapath)
	nap 0.5
	[ "$before" = "$(datapath)" ]
}

flows_gone() {
	[ -z "$(ovs-dpctl dump-flows)" ]
}

flows_delete() {
	ovs-appctl revalidator/purge
	ovs-dpctl del-flows
	wait_for 10 flows_gone
}

ovs_stands() {
	! cat "/proc/$(< $run/ovs-vswitchd.pid)/task/"*/status | grep ^State: | grep -v 'T (stopped)' > "$work/stands"
}

ovs_stop() { # all threads of it
	kill -STOP "$(< $run/ovs-vswitchd.pid)"
	wait_for 10 ovs_stands
}

ovs_continue() {
	kill -CONT "$(< $run/ovs-vswitchd.pid)"
}

ovs_restart() {
	local old
	old=$(< $run/ovs-vswitchd.pid)
	kill "$old"
	wait_for 20 eval "! kill -0 $old 2> $work/kill.err"
	unshare --time --monotonic 100 --fork ovs-vswitchd -vconsole:off unix:$run/db.sock \
		--pidfile --detach --log-file --no-chdir
	wait_for 30 ping -q -c 1 -W 1 10.0.0.2 > "$work/ping"
}

send() { # DPORT N [LABGEN OPTION...]: N flows from the peer
	local n
	n=$(sent labgen udp --netns peer --dst 10.0.0.1 --dport "$1" --count "$2" --rate 100 --spread "${@:3}")
	[ "$n" = "$2" ] || not_ok "$2 datagrams to port $1 sent" "labgen says '$n'"
}

raw() { # HEX: bytes as they are, from the peer
	local i bytes=
	for ((i = 0; i < ${#1}; i += 2)); do
		bytes+="\\x${1:i:2}"
	done
	# shellcheck disable=SC2059
	printf "$bytes" | ip netns exec peer socat -u - INTERFACE:vp1
}

# A machine this slow would have flows without packets removed before their time.
ovs-vsctl set Open_vSwitch . other_config:min-revalidate-pps=0 other_config:max-revalidator=10000 \
	other_config:max-idle=3600000

# Each source port of these is a flow of its own.
flow='move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15]'
for port in 7401 7402 7403 7404 7405 7407; do
	of add-flow br-int "priority=100,udp,tp_dst=$port,actions=$flow,NORMAL"
done
of add-flow br-int "priority=100,udp,tp_dst=7406,actions=controller(max_len=64)"
of add-flow br-int "priority=100,udp6,tp_dst=7408,actions=NORMAL"
of add-flow br-int "priority=100,dl_type=0x88b5,actions=output:nic0"
of add-flow br-int "priority=100,arp,arp_tpa=10.0.0.77,actions=output:nic0"
# a second bridge, and a second port

ip link add pb type veth peer name pb1
ip link set pb up
ip link set pb1 up
ovs-vsctl add-br br-b -- add-port br-b pb
wait_for 10 ovs-vsctl get interface pb ofport > "$work/ofport"
of add-flow br-b "priority=100,udp,tp_dst=7407,actions=$flow,LOCAL"
flows_delete
wait_for 20 datapath_rests

before=$(datapath)
tool_begin all ovs upcalls --interval 5
tool_begin old ovs_upcall_latency_summary --interval 60 --dst-port 7401
NETSONDE_ATTACH=kp,kr,rt tool_begin probes ovs upcalls --dst-port 7401
tool_begin stopped ovs upcalls --dst-port 7402
tool_begin clean ovs upcalls --dst-port 7403
tool_begin flood ovs upcalls --dst-port 7404
tool_begin again ovs upcalls --dst-port 7405
tool_begin action ovs upcalls --dst-port 7406
tool_begin second ovs upcalls --dst-port 7407
tool_begin six ovs upcalls --dst-port 7408
tool_begin ether ovs upcalls --type 0x88b5
tool_begin arp ovs upcalls --type arp
tools_ready

# ---- each flow is an upcall ----

send 7401 40
labgen udp --netns peer --dst fd00::1 --dport 7408 --count 1 > "$work/six.sent"
macs=525400000001525400000002
raw "${macs}88b5$(printf '%092d' 0)"
raw "ffffffffffff52540000000208060001080006040001525400000002""0a000002""000000000000""0a00004d""$(printf '%036d' 0)"

# ---- a handler that is not there ----

ovs_stop
send 7402 5
nap 1.5
ovs_continue
wait_for 20 datapath_rests

# ---- flows that are there ----

send 7403 1 --sport 20000
wait_for 20 datapath_rests
send 7403 1 --sport 20000
send 7403 1 --sport 20000

# ---- a flow's own action ----

labgen udp --netns peer --dst 10.0.0.1 --dport 7406 --count 10 --rate 20 > "$work/action.sent"

# ---- another bridge ----

labgen frames --dev pb1 --src 10.9.0.2 --dst 10.9.0.1 --dst-mac 52:54:00:00:00:99 --dport 7407 --count 1 > "$work/second.sent"
wait_for 20 datapath_rests

# ---- sockets that overflow ----

before_flood=$(datapath)
ovs_stop
labgen udp --netns peer --dst 10.0.0.1 --dport 7404 --count 4000 --rate 0 --spread --sport 20000 --size 1400 > "$work/flood.sent"
nap 0.5
# a busy machine may drop some before they come to the datapath
flood=$(datapath)
flood_missed=$((${flood% *} - ${before_flood% *}))
flood_lost=$((${flood#* } - ${before_flood#* }))
ovs_continue
wait_for 60 datapath_rests

# ---- segments ----

iperf3 -s -D -1 -p 7409 --pidfile "$work/iperf.pid" > "$work/iperf.server"
nap 1
ip netns exec peer iperf3 -c 10.0.0.1 -p 7409 -t 6 > "$work/iperf" &
iperf=$!
for ((i = 0; i < 20; i++)); do
	nap 0.25
	ovs-dpctl del-flows
done
wait $iperf

# ---- Open vSwitch restarted ----

send 7405 10
ovs_restart
for port in 7405; do
	of add-flow br-int "priority=100,udp,tp_dst=$port,actions=$flow,NORMAL"
done
flows_delete
send 7405 12
wait_for 30 datapath_rests
after=$(datapath)

for name in "${!tool_pids[@]}"; do
	tool_stop "$name"
	is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
	is "lost nothing: ${tool_args[$name]}" "$(tool_number "$name" '.lost | del(.missed) | tojson')" '{}'
done

is "all misses are those that the datapath counts" "$(total all '.miss.upcalls + .unseen')" "$((${after% *} - ${before% *}))"
# 5.10 skips programs of kprobes on a CPU where one is running, and does not count it
most=0
[ "$LAB_KERNEL" != 5.10 ] || most=20
is "at most $most of them were not seen" "$(total all ".unseen <= $most")" true "$(total all .unseen)"
is "all lost ones are those that the datapath counts" "$(total all '.miss.lost + .action.lost')" \
	"$((${after#* } - ${before#* }))"
is "the report has the datapath's own numbers" \
	"$(jq -r 'select(.type == "datapath" and .scope == "total") | "\(.missed) \(.lost_upcalls)"' "$work/all.json")" \
	"$((${after% *} - ${before% *})) $((${after#* } - ${before#* }))"
is "intervals add up to the total" \
	"$(jq -rs '[.[] | select(.type == "interval") | .miss.upcalls] | add' "$work/all.json")" "$(total all .miss.upcalls)"
for name in old probes; do
	is "40 flows are 40 upcalls, each answered and sent back: ${tool_args[$name]}" \
		"$(total $name '.miss | "\(.upcalls) \(.lost) \(.messages) \(.received) \(.answered) \(.executed)"')" \
		"40 0 40 40 40 40"
	is "each part of the time has 40: ${tool_args[$name]}" \
		"$(for p in queued user_space reinjected whole; do part $name miss $p .count; done | paste -sd' ')" "40 40 40 40"
	is "the parts make the whole: ${tool_args[$name]}" \
		"$(jq -rs '[.[] | select(.type == "time" and .scope == "total" and .kind == "miss") |
			{(.part): (.mean * .count | round)}] | add |
			(.queued + .user_space + .reinjected - .whole) | if . < 0 then -. else . end | . <= 4' "$work/$name.json")" true
	is "by thread and port: ${tool_args[$name]}" \
		"$(jq -r 'select(.type == "row" and .scope == "total") | "\(.comm | sub("[0-9]+"; "")) \(.dev) \(.kind)"' \
			"$work/$name.json" | sort -u)" "handler vp0 miss"
	is "rows add up: ${tool_args[$name]}" \
		"$(jq -rs '[.[] | select(.type == "row" and .scope == "total") | .count] | add' "$work/$name.json")" 40
done
is "five upcalls while ovs-vswitchd was stopped for 1.5 s" "$(total stopped '.miss | "\(.upcalls) \(.executed)"')" "5 5"
is "that is queueing" "$(part stopped miss queued '.max >= 1500000000 and .p50 >= 1400000000')" true \
	"$(part stopped miss queued .max)"
is "and not user space" "$(part stopped miss user_space '.p50 < 1000000000')" true "$(part stopped miss user_space .max)"
is "packets that find a flow are no upcalls" "$(total clean '.miss.upcalls')" 1
is "a flow's own action: ten upcalls that nobody answers" \
	"$(total action '.action | "\(.upcalls) \(.received) \(.executed) \(.not_answered)"')" "10 10 0 10"
is "and one miss" "$(total action .miss.upcalls)" 1
is "the second bridge's port" "$(jq -r 'select(.type == "row" and .scope == "total") | "\(.count) \(.dev)"' "$work/second.json")" \
	"1 pb"
is "IPv6" "$(total six '.miss | "\(.upcalls) \(.executed)"')" "1 1"
is "another EtherType" "$(total ether '.miss | "\(.upcalls) \(.executed)"')" "1 1"
is "ARP" "$(total arp '.miss | "\(.upcalls) \(.executed)"')" "1 1"
[ "$flood_lost" -gt 0 ] && ok "sockets overflow" || not_ok "sockets overflow" "$(< "$work/flood.sent")"
is "$flood_missed upcalls, of which the datapath lost $flood_lost" "$(total flood '.miss | "\(.upcalls) \(.lost)"')" "$flood_missed $flood_lost"
is "all others were received" "$(total flood .miss.received)" "$((flood_missed - flood_lost))"
# a program that a thread interrupts in the same program is skipped, which the tool counts
missed=$(tool_number flood .lost.missed)
is "and sent back" "$(total flood ".miss.executed | . <= $((flood_missed - flood_lost)) and . + $missed >= $((flood_missed - flood_lost))")" \
	true "$(total flood .miss) missed $missed"
is "few hits were missed" "$((missed < 40))" 1
is "lost because a socket was full, with port and thread" \
	"$(jq -r 'select(.type == "lost" and .scope == "total") | "\(.error) \(.dev) \(.comm // "-" | sub("[0-9]+"; ""))"' \
		"$work/flood.json" | sort -u)" "EAGAIN vp0 handler"
is "what was lost adds up" "$(jq -rs '[.[] | select(.type == "lost" and .scope == "total") | .count] | add' "$work/flood.json")" \
	"$flood_lost"
is "GSO packets are upcalls of several messages" "$(total all '.miss.gso > 0 and .miss.messages > .miss.upcalls - .miss.lost')" true \
	"$(total all .miss)"
is "Open vSwitch restarted: all are counted and answered" "$(total again '.miss | "\(.upcalls) \(.lost) \(.executed)"')" "22 0 22"
finish
