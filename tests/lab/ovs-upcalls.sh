#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# ovs-upcalls.sh: upcalls and losses are those that the datapath counts; a stopped ovs-vswitchd shows as queueing.
# kernels: 5.10 6.1 6.12 7
# check: 6.1 7
# topology: host
# seconds: 90

. /share/lib.sh

run=/run/openvswitch
vswitchd=$(< $run/ovs-vswitchd.pid)

# A part of the time, by kind, over the whole run.
part() { # NAME KIND PART JQ-EXPRESSION
	jq -r "select(.type == \"time\" and .scope == \"total\" and .kind == \"$2\" and .part == \"$3\") | $4" \
		"$work/$1.json"
}

# "hit missed lost mask-hit" as a datapath has counted them.
counted() { # DATAPATH
	ovs-dpctl show "system@$1" | sed -n 's/.*lookups: hit:\([0-9]*\) missed:\([0-9]*\) lost:\([0-9]*\).*/\1 \2 \3/p
		s/.*masks: hit:\([0-9]*\).*/\1/p' | paste -sd' '
}

counted_since() { # BEFORE AFTER: each number's difference
	paste -d' ' <(tr ' ' '\n' <<< "$2") <(tr ' ' '\n' <<< "$1") | awk '{ print $1 - $2 }' | paste -sd' '
}

rests() { # SECONDS COMMAND...: what it prints stays the same for that long
	local before
	before=$("${@:2}")
	nap "$1"
	[ "$before" = "$("${@:2}")" ]
}

handlers() { # "TID COMM" of each handler thread
	(cd "/proc/$vswitchd/task" && grep handler -- */comm) | sed 's,/comm:, ,'
}

monitors_listen() { # N
	[ "$(grep -c '^[^ ]* *0 .* 00000004 ' /proc/net/netlink)" -ge "$1" ]
}

monitors_have() { # N lines each
	[ "$(grep -c "" "$work"/neighbours.* | sort -t: -nk2 | head -n 1 | cut -d: -f2)" -ge "$1" ]
}

# Killed while these are unread. Their skbs are free then, and the next netlink messages that anybody reads get them.
ovs_restart_with_unread() { # N
	local i monitors=()
	ovs_stop
	udp 7405 "$1" --spread --sport 20000
	wait_for 20 rests 0.5 counted ovs-system
	ovs_ends KILL
	# readers that are held up, so that many messages are there at once
	for ((i = 0; i < 4; i++)); do
		ip monitor neigh > "$work/neighbours.$i" &
		monitors+=($!)
	done
	wait_for 20 monitors_listen 4
	kill -STOP "${monitors[@]}"
	for ((i = 0; i < 120; i++)); do
		echo "neigh replace 10.9.0.$((i % 60 + 2)) lladdr 02:00:00:00:00:0$((i / 60)) dev pb"
	done > "$work/batch"
	for ((i = 0; i < 2; i++)); do
		busybox taskset -c $i "$(type -P ip)" -batch <(sed -n "$((60 * i + 1)),$((60 * i + 60))p" "$work/batch")
	done
	kill -CONT "${monitors[@]}"
	wait_for 20 monitors_have 120
	kill "${monitors[@]}"
	ovs_begin
	vswitchd=$(< $run/ovs-vswitchd.pid)
	flows_add
	wait_for 30 ping -q -c 1 -W 1 10.0.0.2 > "$work/ping"
}

udp() { # DPORT N [LABGEN OPTION...]: from the peer
	local n
	n=$(sent labgen udp --netns peer --dst 10.0.0.1 --dport "$1" --count "$2" --rate 100 "${@:3}")
	[ "$n" = "$2" ] || not_ok "$2 datagrams to port $1 sent" "labgen says '$n'"
}

frame() { # DEV SRC DST DPORT N
	labgen frames --dev "$1" --src "$2" --dst "$3" --dst-mac 52:54:00:00:00:99 --dport "$4" --count "$5" > "$work/frames"
}

# Each source port of these is a flow of its own.
flows_add() {
	local flow='move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15]'
	of add-flows br-int - <<-END
		priority=100,udp,tp_dst=7401,actions=$flow,NORMAL
		priority=100,udp,tp_dst=7402,actions=$flow,NORMAL
		priority=100,udp,tp_dst=7403,actions=$flow,NORMAL
		priority=100,udp,tp_dst=7404,actions=$flow,NORMAL
		priority=100,udp,tp_dst=7406,actions=controller(max_len=64)
		priority=100,udp6,tp_dst=7408,actions=NORMAL
		priority=100,dl_type=0x88cc,actions=output:nic0
		priority=100,arp,arp_tpa=10.0.0.99,actions=set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:02:00:00:00:00:99->arp_sha,set_field:10.0.0.99->arp_spa,IN_PORT
	END
	of add-flow br-b "priority=100,udp,actions=LOCAL"
}

# A machine this slow would have flows without packets removed before their time.
ovs-vsctl set Open_vSwitch . other_config:min-revalidate-pps=0 other_config:max-revalidator=10000 \
	other_config:max-idle=3600000 other_config:n-handler-threads=2 other_config:n-revalidator-threads=1
# a second bridge, and a datapath that has no ovs-vswitchd
for dev in pb pd; do
	ip link add $dev type veth peer name ${dev}1
	ip link set $dev up
	ip link set ${dev}1 up
done
ovs-vsctl add-br br-b -- add-port br-b pb
ovs-dpctl add-dp system@alone
ovs-dpctl add-if system@alone pd
flows_add
iperf3 -s -D -1 -p 7409 --pidfile "$work/iperf.pid" > "$work/iperf.server"
flows_delete
wait_for 20 rests 0.5 counted ovs-system

before=$(counted ovs-system)
before_alone=$(counted alone)
tool_begin all ovs upcalls --interval 5
tool_begin old ovs_upcall_latency_summary --interval 60 --dst-port 7401
NETSONDE_ATTACH=kp,kr tool_begin probes ovs upcalls --dst-port 7401
tool_begin stopped ovs upcalls --dst-port 7402,7405
tool_begin clean ovs upcalls --dst-port 7403,7408
tool_begin flood ovs upcalls --dst-port 7404
tool_begin action ovs upcalls --dst-port 7406
tool_begin lldp ovs upcalls --type lldp
tools_ready
text_start operator ovs upcalls --dst-port 7402,7405

# ---- a flow removed, and removed again; flows that are new; one that is there ----

for ((i = 0; i < 10; i++)); do
	ovs-appctl revalidator/purge
	udp 7401 1 --sport 20000
done
udp 7401 30 --spread --sport 30000
udp 7403 1 --sport 20000
udp 7408 1 --dst fd00::1
raw "5254000000015254000000""0288cc$(printf '%092d' 0)"
frame pb1 10.9.0.2 10.9.0.1 7407 1
frame pd1 10.8.0.2 10.8.0.1 7407 5
wait_for 20 rests 0.5 counted ovs-system
alone=$(counted_since "$before_alone" "$(counted alone)")
udp 7403 100 --sport 20000

# ---- a flow's own action: one that nobody answers, and one that ovs-vswitchd has to do ----

udp 7406 1
wait_for 20 rests 0.5 counted ovs-system
udp 7406 9
for ((i = 0; i < 5; i++)); do
	labgen arp --netns peer --dev vp1 --src 10.0.0.2 --dst 10.0.0.99 --count 1 > "$work/arp.sent"
done

# ---- a handler that is not there: stopped at a known time, and the sender hears when the packet has come ----

ovs_stop
# shellcheck disable=SC2016
ip netns exec peer bash -c '
	exec 3<> /dev/udp/10.0.0.1/7402 4<> <(:)
	before=$EPOCHREALTIME
	echo >&3
	sent=$EPOCHREALTIME
	read -rt 2 -u 4
	end=$EPOCHREALTIME
	kill -CONT '"$vswitchd"'
	read -rt 20 -u 3 2> /dev/null
	echo "$before $sent $end $EPOCHREALTIME"' | tr -d . > "$work/stopped.times"
read -r t_before t_sent t_end t_heard < "$work/stopped.times"
wait_for 20 rests 0.5 counted ovs-system

# ---- sockets that overflow ----

before_flood=$(counted ovs-system)
flood_came=$(device br-int rx_packets)
ovs_stop
labgen udp --netns peer --dst 10.0.0.1 --dport 7404 --count 4000 --rate 0 --spread --sport 20000 --size 1400 > "$work/flood.sent"
nap 0.5
# a busy machine may drop some before they come to the datapath
read -r _ flood_missed flood_lost _ <<< "$(counted_since "$before_flood" "$(counted ovs-system)")"
ovs_go
wait_for 60 rests 0.5 counted ovs-system
# ovs-vswitchd sends back what it was asked about
wait_for 60 rests 1 device br-int rx_packets
flood_came=$(($(device br-int rx_packets) - flood_came))

# ---- segments ----

ip netns exec peer timeout 60 iperf3 -c 10.0.0.1 -p 7409 -t 3 > "$work/iperf" &
iperf=$!
for ((i = 0; i < 10; i++)); do
	nap 0.25
	ovs-dpctl del-flows system@ovs-system
done
wait $iperf

# ---- Open vSwitch restarted ----

udp 7401 10 --spread --sport 40000
handlers=$(handlers)
unread=50
ovs_restart_with_unread $unread
flows_delete
udp 7401 12 --spread --sport 50000
wait_for 30 rests 0.5 counted ovs-system
difference=$(counted_since "$before" "$(counted ovs-system)")
handlers_after=$(handlers)
read -r _ missed lost _ <<< "$difference"

names=("${!tool_pids[@]}")
text_end operator
tools_end
for name in "${names[@]}"; do
	is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
done

is "the report has the datapath's own numbers" \
	"$(jq -r 'select(.type == "datapath" and .scope == "total" and .datapath == "ovs-system") |
		"\(.hit) \(.missed) \(.lost_upcalls) \(.mask_hit)"' "$work/all.json")" "$difference"
is "and how many a second" "$(jq -rs '(.[] | select(.type == "total") | .seconds) as $s | .[] |
	select(.type == "datapath" and .scope == "total" and .datapath == "ovs-system") |
	[[.hit_rate, .hit], [.miss_rate, .missed], [.lost_rate, .lost_upcalls], [.mask_hit_rate, .mask_hit]] |
	map(.[1] > 0 and (.[0] * $s / .[1] - 1 | fabs) < 0.05) | tojson' "$work/all.json")" "[true,true,true,true]"
is "and those of the datapath without ovs-vswitchd, which the next one has removed" \
	"$(jq -r 'select(.type == "datapath" and .scope == "total" and .datapath == "alone") |
		"\(.hit) \(.missed) \(.lost_upcalls)"' "$work/all.json")" "0 5 5"
is "as it says itself" "$(cut -d" " -f1-3 <<< "$alone")" "0 5 5"
is "all misses are those that the datapaths count" "$(total all '.miss.upcalls + .unknown.upcalls + .unseen')" $((missed + 5))
is "of which those that were not seen are no more than the kernel skipped" \
	"$(total all ".unseen <= $(missed_by all)")" true "unseen $(total all .unseen), skipped $(missed_by all)"
is "all lost ones are those that the datapaths count" "$(total all '.miss.lost + .action.lost + .unknown.lost')" $((lost + 5))
is "intervals add up to the total" \
	"$(jq -rs '[.[] | select(.type == "interval") | .miss.upcalls] | add' "$work/all.json")" "$(total all .miss.upcalls)"
# before modules had types, what nobody was asked about has no device and is neither miss nor action
is "five that nobody is there for" \
	"$(jq -rs '[.[] | select(.type == "lost" and .scope == "total" and .error == "ENOTCONN")] |
		"\(map(.count) | add) \(map("\(.kind) \(.dev) \(.socket)") | unique | join(","))"' "$work/all.json")" "$([ "$LAB_KERNEL" = 5.10 ] && echo "5 unknown null 0" || echo "5 miss pd 0")"
is "the second bridge's port" \
	"$(jq -r 'select(.type == "row" and .scope == "total" and .dev == "pb") | "\(.count) \(.kind)"' "$work/all.json")" "1 miss"
for name in old probes; do
	is "62 misses are 62 upcalls, each answered and sent back, over a restart: ${tool_args[$name]}" \
		"$(near $name "$(total $name '.miss | "\(.upcalls) \(.lost) \(.messages) \(.received) \(.answered) \(.executed)"')" \
			"62 0 62 62 62 62")" "62 0 62 62 62 62"
	counts=$(for p in queued user_space reinjected whole; do part $name miss $p .count; done | paste -sd' ')
	is "each part of the time has 62: ${tool_args[$name]}" "$(near $name "$counts" "62 62 62 62")" "62 62 62 62"
	[ "$(tr ' ' '\n' <<< "$counts" | sort -u | wc -l)" != 1 ] || is "the parts make the whole: ${tool_args[$name]}" \
		"$(jq -rs '[.[] | select(.type == "time" and .scope == "total" and .kind == "miss") |
			{(.part): (.mean * .count | round)}] | add |
			(.queued + .user_space + .reinjected - .whole) | if . < 0 then -. else . end | . <= 4' "$work/$name.json")" true
	is "by thread and port: ${tool_args[$name]}" \
		"$(jq -r 'select(.type == "row" and .scope == "total") | "\(.comm | sub("[0-9]+"; "")) \(.dev) \(.kind)"' \
			"$work/$name.json" | sort -u)" "handler vp0 miss"
	is "rows add up: ${tool_args[$name]}" \
		"$(near $name "$(jq -rs '[.[] | select(.type == "row" and .scope == "total") | .count] | add' "$work/$name.json")" 62)" 62
done

is "who answered are handlers of ovs-vswitchd, before and after" "$(jq -r 'select(.type == "row") | "\(.thread) \(.comm)"' \
	"$work/all.json" | sort -u | grep -vxF -e "$handlers" -e "$handlers_after")" ""
is "messages that died unread are no one's: whoever reads other messages" \
	"$(total stopped '.miss | "\(.upcalls) \(.lost) \(.received) \(.not_received)"')" "$((unread + 1)) 0 1 $unread"

# the packet waited at least while its sender did, and no longer than until the sender heard of it
is "as text: counters, and what is still waited for" "$(grep -E '^  miss: (upcalls|[0-9])' "$work/operator.text" | tail -n 2)" \
	"  miss: upcalls $((unread + 1)), gso 0, lost 0, messages $((unread + 1)), received 1, answered 1, executed 1, refused 0
  miss: $unread not yet received by a handler, 0 received and not yet answered"
least=$((t_end - t_sent)) most=$((t_heard - t_before)) queued=$(part stopped miss queued '.max / 1000 | floor')
is "one upcall was answered after ovs-vswitchd had stopped" "$(total stopped '.miss | "\(.answered) \(.executed)"')" "1 1"
is "its queueing is the time of the stop: $queued us, at least $least less 1 %, at most $most" \
	"$((queued >= least - least / 100 && queued <= most))" 1
is "and user space is what came after that" \
	"$(part stopped miss user_space ".max / 1000 <= $((t_heard - t_end))")" true "$(part stopped miss user_space .max)"
is "packets that find a flow are no upcalls, the first of IPv4 and of IPv6 are" \
	"$(total clean '"\(.miss | "\(.upcalls) \(.answered) \(.executed)") \(.action.upcalls)"')" "2 2 2 0"
is "a flow's own action: ten upcalls that nobody answers" \
	"$(total action '.action | "\(.upcalls) \(.received) \(.executed) \(.not_answered)"')" "10 10 0 10"
is "and one miss" "$(total action '.miss | "\(.upcalls) \(.answered)"')" "1 1"
is "an action that ovs-vswitchd has to do, four times: answered, with a packet that is not the same" \
	"$(total all '.action | "\(.upcalls) \(.answered) \(.executed) \(.not_answered)"')" "14 4 4 10"
is "LLDP" "$(total lldp '.miss | "\(.upcalls) \(.answered) \(.executed)"')" "1 1 1"
[ "$flood_lost" -gt 0 ] && ok "sockets overflow" || not_ok "sockets overflow" "$(< "$work/flood.sent")"
is "$flood_missed upcalls, of which the datapath lost $flood_lost" "$(total flood '.miss | "\(.upcalls) \(.lost)"')" "$flood_missed $flood_lost"
# a program that a thread interrupts in the same program is skipped, which the tool counts
skipped=$(missed_by flood)
is "all others were received" \
	"$(total flood ".miss.received | . <= $((flood_missed - flood_lost)) and . + $skipped >= $((flood_missed - flood_lost))")" \
	true "$(total flood .miss) skipped $skipped of $((flood_missed - flood_lost))"
is "and sent back: as many as came to their port" \
	"$(total flood ".miss.executed | . <= $((flood_missed - flood_lost)) and . <= $flood_came and . + $skipped >= $flood_came")" \
	true "$flood_came came: $(total flood .miss) skipped $skipped"
is "which are all" "$((flood_missed - flood_lost - flood_came <= flood_missed / 100))" 1 "$flood_came of $((flood_missed - flood_lost))"
# of seven probes of each of four tools an upcall
is "few hits were skipped" "$((skipped < flood_missed / 20))" 1 "$skipped"
is "lost because a socket was full, with its port" \
	"$(jq -r 'select(.type == "lost" and .scope == "total") | "\(.error) \(.dev)"' "$work/flood.json" | sort -u)" "EAGAIN vp0"
is "and thread" "$(jq -r 'select(.type == "lost") | "\(.thread) \(.comm)"' "$work/flood.json" | sort -u |
	grep -vxF "$handlers")" ""
# since 5.15 each handler has a socket for its CPUs' upcalls
[ "$LAB_KERNEL" = 5.10 ] || is "which is the one that answers upcalls of that CPU" \
	"$(jq -r 'select(.type == "lost") | "\(.cpu) \(.thread) \(.shared)"' "$work/flood.json" | sort -u |
		grep -vxF "$(jq -r 'select(.type == "row") | "\(.cpu) \(.thread) false"' "$work/all.json")")" ""
is "what was lost adds up" "$(jq -rs '[.[] | select(.type == "lost" and .scope == "total") | .count] | add' "$work/flood.json")" \
	"$flood_lost"
is "GSO packets are upcalls of several messages" "$(total all '.miss.gso > 0 and .miss.messages > .miss.upcalls - .miss.lost')" true \
	"$(total all .miss)"
# a receive that was skipped is not seen; a GSO packet has a time all the same, by its other messages
is "and have one time each, but for receives that were skipped" \
	"$(total all ".miss | (.upcalls - .lost - .not_received) as \$all | $(part all miss queued .count) - \$all |
		. >= 0 and . <= $(total all ".miss.not_received - $unread")")" true \
	"$(part all miss queued .count) of $(total all .miss)"
is "of which there are no more than skipped hits, and $unread unread ones" \
	"$(total all ".miss.not_received - $unread | . >= 0 and . <= $(missed_by all)")" true \
	"$(total all .miss) skipped $(missed_by all)"
finish
