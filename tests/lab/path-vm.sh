#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-vm.sh: what a guest receives and sends, stage by stage to vhost and its signal, held to what the guest and the tap count.
# kernels: 6.1 6.12 7
# topology: vm
# timeout: 900
# seconds: 110

. /share/lib.sh

tap=tap-g1
qemu=$(< /run/guest/g1/qemu.pid)
vhost=$(ps -eLo lwp=,comm= | awk '$2 ~ /^vhost-/ { print $1; exit }')

# ---- what the tools said ----

declare -A figure

# The total of "path summary", once, as figure[NAME.KEY]: starting a program is slow here.
figures_take() { # NAME
	local key value
	while read -r key value; do
		figure[$1.$key]=$value
	done < <(jq -rs '
		map(select(.scope == "total" or .type == "total")) |
		(.[] | select(.type == "total") |
		 "begun \(.begun)", "ended \(.ended)", "not_ended \(.not_ended | tojson)", "in_flight \(.in_flight)",
		 "copies \(.copies)", "lost_by_us \(.lost_by_us)", "accounted \([.not_ended[]] | add // 0)",
		 "drops \(.drops | tojson)"),
		"path_ns \(map(select(.way == "direct" or .way == "upcall") | .sum_ns) | add)",
		"stages_ns \(map(select(.type == "stage" or .way == "other") | .sum_ns) | add)",
		(map(select(.type == "stage")) | (.[] | "\(.from):\(.to) \(.count)"),
		 (group_by(.to)[] | "\(.[0].to) \(map(.count) | add)"))' "$work/$1.json")
}

ledger() { # NAME KEY...
	local name=$1 key line=
	shift
	for key; do
		line+="$key ${figure[$name.$key]-none} "
	done
	echo "$line"
}

balanced() { # NAME TITLE: begun = ended + what became of the others, and nothing is lost by us
	is "$2: begun = ended + accounted for" "$((figure[$1.ended] + figure[$1.accounted] + figure[$1.in_flight]))," \
		"${figure[$1.begun]}," "$(ledger "$1" not_ended in_flight drops)"
	is "$2: nothing lost by us, nothing counted twice" "${figure[$1.lost_by_us]} ${figure[$1.copies]}" "0 0"
}

expect_all() { # NAME TITLE N: began and ended
	is "$2: $3 began and ended" "$(ledger "$1" begun ended not_ended in_flight)" \
		"begun $3 ended $3 not_ended {} in_flight 0 " "${figure[$1.drops]}"
	balanced "$1" "$2"
}

expect_reached() { # NAME TITLE N STAGE...: that many at each of the stages
	local name=$1 title=$2 n=$3
	shift 3
	is "$title: $n at each stage" "$(ledger "$name" "$@")" "$(printf "%s $n " "$@")"
}

expect_edges() { # NAME TITLE FROM:TO...: some packets went from the one stage to the other
	local name=$1 title=$2 edge none=
	shift 2
	for edge; do
		[ "${figure[$name.$edge]-0}" -gt 0 ] || none+=" $edge"
	done
	is "$title: $*" "no packets:$none" "no packets:"
}

expect_sums() { # NAME TITLE: only where each packet ended
	is "$2: the stages' times add up to the path's" "${figure[$1.stages_ns]}" "${figure[$1.path_ns]}"
}

# Each event: MARK|BEGAN|TOOK|SUM-OF-STAGES|FATE|STAGES|TASK-AT-VHOST|NS-IN-THE-RING; the mark is the
# source port, of ICMP "ping"
events_take() { # NAME
	jq -r 'select(.type == "event") |
		[.packet.udp.src_port // (if .packet.icmp then "ping" else "other" end), .time_ns, .took_ns,
		 ([.stages[].to_next_ns // 0] | add), .fate, ([.stages[].stage] | join(" ")),
		 ([.stages[] | select(.stage == "vhost") | .comm] | add // "-"),
		 ([.stages[] | select(.stage == "tap_out") | .to_next_ns // 0] | add // 0)] |
		map(tostring) | join("|")' "$work/$1.json" > "$work/$1.events"
}

# The ways that packets may take. A guest that is at work anyway asks for no interrupt, and need not
# kick a vhost that is.
ovs='ovs (upcall back )?actions (conntrack )?(again )*'
rx_way="^(nic )?receive ${ovs}qdisc (dequeue )?tap_out vhost used( irqfd( inject)?)?\$"
tx_way="^((kick )?worker )?tun tap_in ${ovs}qdisc (dequeue )?driver\$"

expect_ways() { # NAME TITLE N WAY
	is "$2: an event a packet" "$(wc -l < "$work/$1.events")" "$3"
	is "$2: its stages in order, by a way that there is" "$(awk -F'|' -v way="$4" '
		$5 != "arrived" || $6 !~ way { print $1, $5, $6 }' "$work/$1.events" | head -n 3)" ""
	is "$2: its stages add up" "$(awk -F'|' '$3 != $4' "$work/$1.events" | head -n 3)" ""
}

# ---- what others count ----

device() { # NAME rx_packets|tx_packets|tx_dropped
	echo "$(< "/sys/class/net/$1/statistics/$2")"
}

counters_take() { # PREFIX
	local name
	# the driver of nic0 asks its hardware only now and then, or when ip asks
	ip -s link show nic0 > "$work/link"
	for name in vp0 nic0 $tap; do
		printf -v "$1_${name%-*}_rx" %d "$(device $name rx_packets)"
		printf -v "$1_${name%-*}_tx" %d "$(device $name tx_packets)"
		printf -v "$1_${name%-*}_dropped" %d "$(device $name tx_dropped)"
	done
}

since() { # COUNTER: how far it went from before_ to after_
	local a=after_$1 b=before_$1
	echo $((${!a} - ${!b}))
}

# ---- sinks, on this side and in the guest ----

declare -A sinks
sink() { # PORT NETNS
	labgen sink --rcvbuf 16000000 --port "$1" --netns "$2" > "$work/sink.$1" &
	sinks[$1]=$!
	wait_for 20 test -s "$work/sink.$1"
}

received() { # PORT
	jq -r '.received // empty' "$work/sink.$1"
}

guest_sinks() { # PORT...
	guest_run g1 "for p in $*; do
			labgen sink --rcvbuf 16000000 --port \$p > /tmp/sink.\$p 2>&1 &
			echo \$! > /tmp/pid.\$p
		done
		for p in $*; do while [ ! -s /tmp/sink.\$p ]; do usleep 20000; done; done"
}

guest_received() { # PORT...: ends those sinks
	guest_run g1 "for p in $*; do
			kill \$(cat /tmp/pid.\$p)
			while ! grep received /tmp/sink.\$p; do usleep 20000; done
		done" | jq -r .received | xargs
}

tools_end() { # NAME...
	local name
	for name; do
		kill -INT "${tool_pids[$name]}"
	done
	for name; do
		tool_wait "$name"
		is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
	done
}

# ---- traffic ----

send() { # NETNS DST DPORT N RATE [LABGEN OPTION...]
	local n
	n=$(sent labgen udp --netns "$1" --dst "$2" --dport "$3" --count "$4" --rate "$5" "${@:6}")
	[ "$n" = "$4" ] || not_ok "$4 datagrams to port $3 sent" "labgen says '$n'"
}

guest_send() { # DST DPORT N RATE
	local n
	n=$(guest_run g1 "labgen udp --dst $1 --dport $2 --count $3 --rate $4" | jq -r .sent)
	[ "$n" = "$3" ] || not_ok "the guest sends $3 datagrams to port $2" "labgen says '$n'"
}

pings() { # NETNS DST N
	ip netns exec "$1" ping -q -i 0.02 -W 10 -c "$3" "$2" > "$work/ping" 2>&1
	grep -q " $3 received" "$work/ping" || not_ok "$3 pings to $2" "$(cat "$work/ping")"
}

# ---- how many: one by one, of all kinds, both ways; a flood from the guest; nothing else is sent ----

count_case() {
	guest_sinks 7301 7302 7303 7399
	sink 7311 peer
	sink 7312 peer
	sink 7313 nicpeer
	counters_take before
	send peer 10.0.0.10 7301 41 200
	send peer fd00::10 7302 42 200
	send nicpeer 10.0.0.10 7303 43 200
	guest_send 10.0.0.2 7311 51 200
	guest_send fd00::2 7312 52 200
	guest_send 10.0.0.3 7313 53 200
	guest_send 10.0.0.2 7311 2000 0
	pings peer 10.0.0.10 11
	pings peer fd00::10 12
	pings nicpeer 10.0.0.10 13
	nap 0.5
	counters_take after
	guest_has=$(guest_received 7301 7302 7303)
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	count_in=$((41 + 42 + 43 + 11 + 12 + 13))
	is "the guest's applications have all" "$guest_has" "41 42 43"
	is "the tap sent to the guest what arrived" "$(since tap_tx) $(($(since vp0_rx) + $(since nic0_rx)))" \
		"$count_in $count_in"
	count_out=$((51 + 52 + 53 + 2000 + 11 + 12 + 13))
	is "the guest's datagrams are all received" "$(received 7311) $(received 7312) $(received 7313)" "2051 52 53"
	is "the devices sent what the tap received" "$(since tap_rx) $(($(since vp0_tx) + $(since nic0_tx)))" \
		"$count_out $count_out"
}

count_verdict() { # ALL-THAT-THE-GUEST-WAS-SENT ALL-THAT-IT-SENT
	figures_take rx
	expect_all rx "vm-rx of pid:$qemu" "$1"
	expect_reached rx vm-rx "$1" ovs actions qdisc tap_out vhost used
	expect_edges rx vm-rx tap_out:vhost vhost:used used:irqfd irqfd:inject
	expect_sums rx vm-rx
	figures_take tx
	expect_all tx vm-tx "$2"
	expect_reached tx vm-tx "$2" tap_in ovs actions qdisc driver
	expect_edges tx vm-tx kick:worker worker:tun tun:tap_in
	expect_sums tx vm-tx
	events_take rx_each
	expect_ways rx_each "what the guest receives" "$1" "$rx_way"
	is "what the guest receives: at vhost in vhost's thread" \
		"$(awk -F'|' '$7 !~ /^vhost-/' "$work/rx_each.events" | head -n 3)" ""
	events_take tx_each
	# over IPv4; ICMPv6 is another protocol
	expect_ways tx_each "answers of the guest" "$3" "$tx_way"
}

# ---- how long: vhost's thread held off its CPU, the guest stopped ----

thread_ran() { # how long vhost's thread has had a CPU until now, ns
	local ran rest
	read -r ran rest < "/proc/$vhost/schedstat"
	echo "$ran"
}

# vhost's thread has CPU 1 and no other, and there a task runs that goes before it. All else is on CPU 0.
hold() {
	rm -f "$work/go" "$work/holds"
	taskset -pc 1 "$vhost" > "$work/taskset"
	taskset -pc 0 $$ > "$work/taskset"
	# shellcheck disable=SC2016
	chrt -f 50 taskset -c 1 bash -c 'echo > "$1/holds"; until [ -e "$1/go" ] || [ $SECONDS -ge 20 ]; do :; done' \
		hold "$work" &
	holder=$!
	wait_for 10 test -e "$work/holds"
	held_ran=$(thread_ran)
}

let_go() {
	held_ran=$(($(thread_ran) - held_ran))
	: > "$work/go"
	wait "$holder"
	taskset -pc 0,1 "$vhost" > "$work/taskset"
	taskset -pc 0,1 $$ > "$work/taskset"
}

in_ring() { # N: so many packets have left the qdisc of the tap since $queued
	[ "$(tap_queued)" -ge $((queued + $1)) ]
}

tap_queued() {
	tc -s -j qdisc show dev $tap | jq 'map(select(.root)) [0].packets'
}

wall_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# Packets that are all in the tap's ring before a time and come out after another.
wait_in_ring() { # N SPORT PING?
	local all_in
	queued=$(tap_queued)
	labgen udp --netns peer --dst 10.0.0.10 --dport 7399 --sport "$2" --count "$1" --rate 0 --spread > "$work/waiting"
	if [ "${3-}" = ping ]; then
		ip netns exec peer ping -c 1 -W 20 10.0.0.10 > "$work/ping.waiting" &
		pinger=$!
	fi
	wait_for 20 in_ring $(($1 + $# - 2))
	all_in=$(wall_us)
	nap 0.4
	waited_ns=$((($(wall_us) - all_in) * 1000))
}

# All that waited, as the tap says, waited for as long as nothing could come out, and nowhere else.
expect_waited() { # TITLE PORTS-FROM PORTS-UNTIL N
	awk -F'|' -v from="$2" -v until="$3" '$1 >= from && $1 < until' "$work/rx_each.events" > "$work/waited"
	is "$1: so many waited in the ring for $waited_ns ns or more as the tap had not given out" \
		"$(awk -F'|' -v ns="$waited_ns" '$8 >= ns { n++ } END { print n + 0 }' "$work/waited")" "$4"
	is "$1: and nowhere else for long" "$(awk -F'|' -v ns="$waited_ns" '
		$8 >= ns { ring += $8; others += $3 - $8 } END { if (others > ring / 2) print others, "of", ring }' \
		"$work/waited")" ""
}

hold_case() {
	hold
	hold_from=$(wall_us)
	wait_in_ring 20 21000 ping
	let_go
	wait "$pinger"
	hold_ns=$waited_ns
	nap 0.3
}

hold_verdict() {
	local rtt_us title="vhost's thread held off its CPU"
	if [ "$held_ran" != 0 ]; then
		skip "$title" "it ran for $held_ran ns all the same"
		return
	fi
	waited_ns=$hold_ns
	expect_waited "$title" 21000 21020 20
	# one ping was sent meanwhile; its way to the guest is part of its round trip
	rtt_us=$(sed -n 's/.* time=\([0-9.]*\) ms/\1/p' "$work/ping.waiting" | awk '{ printf "%d", $1 * 1000 }')
	is "$title: a ping took no less, and no more than ping says" "$(awk -F'|' -v from="$hold_from" \
		-v ns="$waited_ns" -v most="${rtt_us:-0}" '
		$1 == "ping" && $2 / 1000 >= from && !done {
			done = 1
			if ($8 >= ns && $3 <= (most + 1000) * 1000)
				print "right"
			else
				print $0 " of " most " us"
		}' "$work/rx_each.events")" right
}

# A guest that stands still: vhost goes on until its ring is full (6.1), or stands still as well,
# as a thread of QEMU (6.4 and later).
stop_case() {
	local out
	out=$(device $tap tx_packets)
	kill -STOP "$qemu"
	wait_for 10 qemu_stands
	wait_in_ring 400 22000
	stop_in_ring=$((400 - ($(device $tap tx_packets) - out)))
	kill -CONT "$qemu"
	stop_ns=$waited_ns
	wait_for 20 tap_gave_out $((out + 400))
}

qemu_stands() {
	! grep -h ^State: "/proc/$qemu/task/"*/status | grep -v 'T (stopped)' > "$work/stands"
}

tap_gave_out() { # N in all
	[ "$(device $tap tx_packets)" -ge "$1" ]
}

stop_verdict() {
	waited_ns=$stop_ns
	is "a stopped guest: its ring has no room for 400" "$((stop_in_ring >= 100))" 1 "$stop_in_ring were left"
	expect_waited "a stopped guest" 22000 22400 "$stop_in_ring"
}

# ---- bad days: the tap's ring full, the guest killed, the tap deleted ----

bad_days_case() {
	bad_out=$(device $tap tx_packets)
	bad_dropped=$(device $tap tx_dropped)
	send peer 10.0.0.10 7398 3000 0
	hold
	send peer 10.0.0.10 7398 1100 0
	let_go
	nap 1
	# what a guest that stands still has no room for is in the tap's ring when it is killed
	kill -STOP "$qemu"
	wait_for 10 qemu_stands
	send peer 10.0.0.10 7398 400 0
	nap 0.5
	kill -KILL "$qemu"
	wait "$qemu" 2> "$work/killed"
	wait_for 20 tap_is_dead
	bad_out=$(($(device $tap tx_packets) - bad_out))
	bad_dropped=$(($(device $tap tx_dropped) - bad_dropped))
	send peer 10.0.0.10 7398 30 200
	ip link del $tap
	send peer 10.0.0.10 7398 10 200
	nap 2.5
}

tap_is_dead() { # nobody has it open
	[ "$(< /sys/class/net/$tap/carrier)" = 0 ]
}

bad_days_verdict() {
	local lost
	figures_take bad
	lost=$((4540 - figure[bad.ended]))
	is "bad days: all that was sent began, and nothing before" "${figure[bad.begun]}" $((3000 + 1100 + 400 + 30 + 10))
	balanced bad "bad days"
	is "bad days: nothing is in flight for ever" "${figure[bad.in_flight]}" 0
	is "bad days: the tap's ring was full" "$((bad_dropped >= 100))" 1 "$bad_dropped of 4100 dropped"
	is "bad days: what the tap gave out ended" "${figure[bad.ended]}" "$bad_out" "$(ledger bad not_ended drops)"
	is "bad days: what was in the ring of the killed guest's tap did not end" \
		"$((4500 - bad_out - bad_dropped >= 100))" 1 "out $bad_out, dropped $bad_dropped of 4500"
	is "bad days: what did not end was dropped, or after the tap was gone went elsewhere" \
		"$(jq -n --argjson fates "${figure[bad.not_ended]}" --argjson n $lost '
		$fates | keys - ["dropped", "consumed"] == [] and .dropped + (.consumed // 0) == $n and (.consumed // 0) <= 10')" \
		true "$(ledger bad begun ended not_ended drops)"
	is "bad days: full, says the kernel, of as many as the tap" "$(jq -n --argjson drops "${figure[bad.drops]}" '
		$drops | map(select(.reason == "FULL_RING") | .count) | add')" "$bad_dropped" "${figure[bad.drops]}"
}

==> tests/lab/path-vm.sh <==
sysctl -qw net.core.netdev_max_backlog=100000 net.core.rmem_max=16000000
guest_run g1 'echo 16000000 > /proc/sys/net/core/rmem_max'
# what is held off a CPU is held off it for as long as that takes
sysctl -qw kernel.sched_rt_runtime_us=-1
for fair in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do
	[ ! -e "$fair" ] || echo 0 > "$fair"
done

tool_begin rx path summary --path vm-rx --phy-interface vp0,nic0 --vm-interface "pid:$qemu"
tool_begin tx path summary --path vm-tx --phy-interface vp0,nic0 --vm-interface $tap
tool_begin rx_each path details --path vm-rx --phy-interface vp0,nic0 --vm-interface $tap
tool_begin tx_each path details --path vm-tx --phy-interface vp0,nic0 --vm-interface $tap --protocol icmp
tool_begin bad path summary --path vm-rx --phy-interface vp0,nic0 --vm-interface $tap --dst-port 7398 --timeout 1s
tools_ready
count_case
hold_case
stop_case
is "what waited for the guest is received" "$(guest_received 7399)" 420
tools_end rx tx rx_each tx_each
count_verdict $((count_in + 20 + 1 + 400)) $((count_out + 1)) $((11 + 13 + 1))
hold_verdict
stop_verdict
bad_days_case
tools_end bad
bad_days_verdict
finish
