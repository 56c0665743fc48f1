#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-vm.sh: what a guest receives and sends, stage by stage to vhost and its signal, held to what guest and tap count and to known delays.
# kernels: 6.1 6.12 7
# topology: vm
# seconds: 130

. /share/lib.sh

tap="tap-g1"
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
		(.[] | select(.type == "meter") | "\(.stage).metered \(.packets),\(.bytes)"),
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

balanced() { # NAME TITLE [COPIES]: begun = ended + what became of the others, nothing is lost by us; no more copies
	is "$2: begun = ended + accounted for" \
		"$((figure[$1.ended] + figure[$1.accounted] + figure[$1.in_flight]))," \
		"${figure[$1.begun]}," "$(ledger "$1" not_ended in_flight drops)"
	is "$2: nothing lost by us, nothing counted twice" \
		"${figure[$1.lost_by_us]} $((${figure[$1.copies]} <= ${3-0}))" "0 1" "copies: ${figure[$1.copies]}"
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
	is "$2: the stages' times add up to the path's" \
		"${figure[$1.stages_ns]}" "${figure[$1.path_ns]}"
}

# Each event:
#   MARK|BEGAN|TOOK|SUM-OF-STAGES|FATE|STAGES|TASK-AT-VHOST|NS-IN-THE-RING|NS-AFTER-THE-KICK
# The mark is the source port, of ICMP "ping".
events_take() { # NAME
	jq -r 'select(.type == "event") |
		[.packet.udp.src_port // (if .packet.icmp then "ping" else "other" end), .time_ns, .took_ns,
		 ([.stages[].to_next_ns // 0] | add), .fate, ([.stages[].stage] | join(" ")),
		 ([.stages[] | select(.stage == "vhost") | .comm] | add // "-"),
		 ([.stages[] | select(.stage == "tap_out") | .to_next_ns // 0] | add // 0),
		 ([.stages[] | select(.stage == "kick") | .to_next_ns // 0] | add // 0)] |
		map(tostring) | join("|")' "$work/$1.json" > "$work/$1.events"
}

# The ways that packets may take. A guest that is at work anyway asks for no interrupt, and need not
# kick a vhost that is.
ovs='ovs (upcall back )?actions (conntrack )?(again )*'
rx_way="^(nic )?receive ${ovs}qdisc (dequeue )?tap_out vhost used( irqfd( inject)?)?\$"
tx_way="^((kick )?worker )?tun tap_in ${ovs}qdisc (dequeue )?driver\$"

expect_ways() { # NAME TITLE N WAY
	is "$2: an event a packet" "$(wc -l < "$work/$1.events")" "$3"
	# a tool that goes by kprobes lacks the hits that the kernel skipped
	is "$2: its stages in order, by a way that there is" "$(awk -F'|' -v way="$4" \
		-v may="$([[ ${tool_args[$1]} == NETSONDE_ATTACH=kp* ]] && missed_by "$1")" '
		($5 != "arrived" || $6 !~ way) && ++n > may + 0 { print $1, $5, $6 }' "$work/$1.events" | head -n 3)" ""
	is "$2: its stages add up" "$(awk -F'|' '$3 != $4' "$work/$1.events" | head -n 3)" ""
}

# ---- what others count ----

counters_take() { # PREFIX
	local name
	# the driver of nic0 asks its hardware only now and then, or when ip asks
	ip -s link show nic0 > "$work/link"
	for name in vp0 nic0 $tap; do
		printf -v "$1_${name%-*}_rx" %d "$(device "$name" rx_packets)"
		printf -v "$1_${name%-*}_tx" %d "$(device "$name" tx_packets)"
	done
}

# ---- sinks, on this side and in the guest ----

declare -A sinks
sink() { # PORT NETNS
	labgen sink --rcvbuf 16000000 --port "$1" --netns "$2" > "$work/sink.$1" &
	sinks[$1]=$!
	wait_for 20 test -s "$work/sink.$1"
}

# ---- traffic ----

send() { # NETNS DST DPORT N RATE [LABGEN OPTION...]
	local n
	n=$(sent labgen udp --netns "$1" --dst "$2" --dport "$3" --count "$4" --rate "$5" "${@:6}")
	[ "$n" = "$4" ] || not_ok "$4 datagrams to port $3 sent" "labgen says '$n'"
}

pings() { # NETNS DST N
	ip netns exec "$1" ping -q -i 0.02 -W 10 -c "$3" "$2" > "$work/ping" 2>&1
	grep -q " $3 received" "$work/ping" || not_ok "$3 pings to $2" "$(cat "$work/ping")"
}

# ---- how many: one by one, of all kinds, both ways; a flood from the guest; nothing else is sent ----

count_case() {
	guest_sinks g1 7301 7302 7303 7399
	sink 7311 peer
	sink 7312 peer
	sink 7313 nicpeer
	counters_take before
	send peer 10.0.0.10 7301 41 200
	send peer fd00::10 7302 42 200
	send nicpeer 10.0.0.10 7303 43 200
	guest_send g1 10.0.0.2 7311 51 200
	guest_send g1 fd00::2 7312 52 200
	guest_send g1 10.0.0.3 7313 53 200
	guest_send g1 10.0.0.2 7311 2000 0
	pings peer 10.0.0.10 11
	pings peer fd00::10 12
	pings nicpeer 10.0.0.10 13
	wait_for 20 is_read peer
	wait_for 20 is_read nicpeer
	nap 0.5
	counters_take after
	guest_has=$(guest_received g1 7301 7302 7303)
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
	count_in=$((41 + 42 + 43 + 11 + 12 + 13))
	is "the guest's applications have all" "$guest_has" "41 42 43"
	is "the tap sent to the guest what arrived" \
		"$(since tap_tx) $(($(since vp0_rx) + $(since nic0_rx)))" \
		"$count_in $count_in"
	count_out=$((51 + 52 + 53 + 2000 + 11 + 12 + 13))
	is "the guest's datagrams are all received" \
		"$(received 7311) $(received 7312) $(received 7313)" "2051 52 53"
	is "the devices sent what the tap received" \
		"$(since tap_rx) $(($(since vp0_tx) + $(since nic0_tx)))" \
		"$count_out $count_out"
}

count_verdict() { # ALL-THAT-THE-GUEST-WAS-SENT ALL-THAT-IT-SENT
	figures_take rx
	expect_all rx "vm-rx of pid:$qemu" "$1"
	expect_reached rx vm-rx "$1" ovs actions qdisc tap_out vhost used
	is "path metrics of vm-rx: as many at vhost and in the used ring, of which no bytes are known" \
		"${figure[rx.vhost.metered]%,*} ${figure[rx.used.metered]}" "$1 $1,0"
	expect_edges rx vm-rx tap_out:vhost vhost:used used:irqfd irqfd:inject
	expect_sums rx vm-rx
	is "path metrics of vm-rx: packets and bytes at the tap are the tap's" \
		"${figure[rx.tap_out.metered]}" "$tap_out"
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
	expect_ways tx_each "what the guest sends to one host" "$3" "$tx_way"
}

# ---- how long: vhost's thread held off its CPU, the guest stopped ----

thread_ran() { # how long the thread that is held has had a CPU until now, ns
	local ran rest
	read -r ran rest < "/proc/$held/schedstat"
	echo "$ran"
}

# The thread has CPU 1 and no other, and there a task runs that goes before it. All else is on
# CPU 0. The task asks the kernel for nothing: where it slept, the thread would run.
hold() { # THREAD
	held=$1
	rm -f "$work/holds"
	# since 6.4 vhost's thread is one of QEMU's
	taskset -apc 0 "$qemu" > "$work/taskset"
	taskset -pc 0 "$vhost" > "$work/taskset"
	taskset -pc 1 "$held" > "$work/taskset"
	taskset -pc 0 $$ > "$work/taskset"
	# shellcheck disable=SC2016
	chrt -f 50 taskset -c 1 bash -c 'echo > "$1/holds"
		until [ $SECONDS -ge 60 ]; do :; done' \
		hold "$work" &
	holder=$!
	wait_for 10 test -e "$work/holds"
	held_ran=$(thread_ran)
}

let_go() { # OUT-OF-THE-TAP: until so many have come out
	held_ran=$(($(thread_ran) - held_ran))
	let_go_us=$(wall_us)
	kill "$holder"
	come_out "$1"
	wait "$holder"
	taskset -apc 0,1 "$qemu" > "$work/taskset"
	taskset -pc 0,1 "$vhost" > "$work/taskset"
	taskset -pc 0,1 $$ > "$work/taskset"
}

# Without a pause, so that $out_us is the time at which they had.
come_out() { # N in all
	local n=0 end=$((SECONDS + 60))
	until [ "$n" -ge "$1" ] || [ $SECONDS -ge $end ]; do
		read -r n < /sys/class/net/$tap/statistics/tx_packets
	done
	out_us=${EPOCHREALTIME/[.,]/}
}

in_ring() { # N: so many packets have left the qdisc of the tap since $queued
	[ "$(tap_queued)" -ge $((queued + $1)) ]
}

tap_queued() {
	tc -s -j qdisc show dev $tap | jq 'map(select(.root)) [0].packets'
}

# Packets that are all in the tap's ring before a time and come out after another.
wait_in_ring() { # N SPORT PING?
	local all_in
	queued=$(tap_queued)
	labgen udp --netns peer --dst 10.0.0.10 --dport 7399 --sport "$2" --count "$1" --rate 0 \
		--spread --stamps > "$work/sent.$2"
	if [ "${3-}" = ping ]; then
		ip netns exec peer ping -c 1 -W 60 10.0.0.10 > "$work/ping.waiting" &
		pinger=$!
	fi
	wait_for 20 in_ring $(($1 + $# - 2))
	all_in=$(wall_us)
	nap 0.4
	waited_ns=$((($(wall_us) - all_in) * 1000))
}

# All that waited, as the tap says, waited for as long as nothing could come out, none for longer than from when it was sent
# until all had come out, each as the kernel's tracer saw it, and nowhere else.
expect_waited() { # TITLE SPORT SENT N LEAST-NS OUT-US
	jq -r 'select(.src_port) | "\(.src_port)|\(.from_ns)"' "$work/sent.$2" > "$work/bounds"
	awk -F'|' -v from="$2" -v until="$(($2 + $3))" '$1 >= from && $1 < until' \
		"$work/rx_each.events" > "$work/waited"
	is "$1: so many waited in the ring for $5 ns or more as the tap had not given out" \
		"$(awk -F'|' -v ns="$5" '$8 >= ns { n++ } END { print n + 0 }' "$work/waited")" "$4"
	is "$1: none waited for longer than until all had come out" "$(awk -F'|' -v out="$6" '
		NR == FNR { from[$1] = $2; next }
		$8 > out * 1000 - from[$1]' "$work/bounds" "$work/waited" | head -n 3)" ""
	expect_witnessed rx_each "$1" "$4" tap_out "$5" ".packet.udp.src_port >= $2 and .packet.udp.src_port < $2 + $3" \
		'^net_dev_start_xmit:' '^tun_do_read:'
	is "$1: and nowhere else for long" "$(awk -F'|' -v ns="$5" '
		$8 >= ns { ring += $8; others += $3 - $8 } END { if (others > ring / 2) print others, "of", ring }' \
		"$work/waited")" ""
}

# Once more if vhost's thread had a CPU for a moment all the same.
hold_case() {
	hold_tries=0
	until [ $hold_tries -ge 3 ]; do
		hold_try $((hold_tries++))
		[ "$held_ran" != 0 ] || break
	done
}

hold_try() { # NUMBER
	local out in
	out=$(device $tap tx_packets)
	in=$(device $tap rx_packets)
	rx_sport=$((21000 + $1 * 100)) tx_sport=$((23000 + $1 * 100))
	sink 7315 nicpeer
	hold "$vhost"
	kicked_us=$(wall_us)
	guest_send g1 10.0.0.3 7315 3 0 --spread --sport $tx_sport
	kicks_us=$(wall_us)
	wait_in_ring 20 $rx_sport ping
	let_go $((out + 21))
	kick_least_ns=$(((let_go_us - kicks_us) * 1000))
	wait_for 60 tap_took $((in + 3))
	kick_most_ns=$((($(wall_us) - kicked_us) * 1000))
	wait "$pinger"
	hold_ran=$held_ran hold_ns=$waited_ns hold_out_us=$out_us
	wait_for 20 is_read nicpeer
	nap 0.3
	kill "${sinks[@]}"
	wait "${sinks[@]}"
	sinks=()
	is "vhost's thread held off its CPU: what the guest sent is received" "$(received 7315)" 3
}

tap_took() { # N in all
	[ "$(device $tap rx_packets)" -ge "$1" ]
}

hold_verdict() {
	local rtt_us title="vhost's thread held off its CPU"
	is "$title: it did not run" "$hold_ran" 0
	expect_waited "$title" "$rx_sport" 20 20 "$hold_ns" "$hold_out_us"
	# one ping was sent meanwhile; its way to the guest is part of its round trip
	rtt_us=$(sed -n 's/.* time=\([0-9.]*\) ms/\1/p' "$work/ping.waiting" |
		awk '{ printf "%.0f", $1 * 1000 }')
	is "$title: a ping took no less, and no more than ping says" "$(awk -F'|' -v from="$kicks_us" \
		-v ns="$hold_ns" -v most="${rtt_us:-0}" '
		$1 == "ping" && $2 / 1000 >= from && !done {
			done = 1
			if ($8 >= ns && $3 <= (most + 1000) * 1000)
				print "right"
			else
				print $0 " of " most " us"
		}' "$work/rx_each.events")" right
	is "$title: of three that the guest sent the first is from its kick on" \
		"$(awk -F'|' -v port="$tx_sport" '
		$1 >= port && $1 < port + 3 { print $1 - port, $6 ~ /^kick worker tun tap_in/ }' \
		"$work/tx_each.events" | sort | head -n 1)" "0 1"
	is "$title: it waited after its kick for $kick_least_ns ns or more" \
		"$(awk -F'|' -v port="$tx_sport" \
		-v least="$kick_least_ns" -v most="$kick_most_ns" '
		$1 == port {
			right = $9 >= least && $9 <= most && $3 <= most + least / 2
			print (right ? "right" : $0 " of " least " to " most)
		}' \
		"$work/tx_each.events")" right
	expect_witnessed tx_each "$title" 1 kick "$kick_least_ns" ".packet.udp.src_port == $tx_sport" '^vhost_poll_wakeup:' '^handle_tx_kick:' first
}

# A guest whose vCPU stands still: vhost goes on until the guest's ring is full, and then the tap's fills.
# Once more if the vCPU ran all the same.
stop_case() {
	stop_tries=0
	until [ $stop_tries -ge 3 ]; do
		stop_try $((22000 + 400 * stop_tries++))
		[ "$stop_ran" != 0 ] || break
	done
}

stop_try() { # SPORT
	local out
	stop_sport=$1
	out=$(device $tap tx_packets)
	wait_for 20 vcpu_found || not_ok "a stopped guest: its vCPU" "$(cat "/proc/$qemu/task/"*/syscall)"
	hold "$vcpu"
	wait_in_ring 400 "$stop_sport"
	stop_in_ring=$((400 - ($(device $tap tx_packets) - out)))
	let_go $((out + 400))
	stop_ran=$held_ran stop_ns=$waited_ns stop_out_us=$out_us
}

# The thread that waits in ioctl(KVM_RUN)
vcpu_found() {
	local task
	for task in "/proc/$qemu/task/"*; do
		vcpu=${task##*/}
		# since 6.12 KVM has a thread of its own there, which was made in that call
		[[ $(< "$task/syscall") != "16 "*" 0xae80 "* || $(< "$task/comm") == kvm-* ]] || return 0
	done
	return 1
}

qemu_stands() {
	! grep -h ^State: "/proc/$qemu/task/"*/status | grep -v 'T (stopped)' > "$work/stands"
}

stop_verdict() {
	is "a stopped guest: its vCPU did not run" "$stop_ran" 0
	is "a stopped guest: its ring has no room for 400" \
		"$((stop_in_ring >= 100))" 1 "$stop_in_ring were left"
	expect_waited "a stopped guest" "$stop_sport" 400 "$stop_in_ring" "$stop_ns" "$stop_out_us"
}

# ---- bad days: the tap's ring full, the guest killed, the tap deleted ----

bad_days_case() {
	bad_out=$(device $tap tx_packets)
	bad_dropped=$(device $tap tx_dropped)
	send peer 10.0.0.10 7398 3000 0
	hold "$vhost"
	send peer 10.0.0.10 7398 1100 0
	let_go 0
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
	nap 1
}

tap_is_dead() { # nobody has it open
	[ "$(< /sys/class/net/$tap/carrier)" = 0 ]
}

bad_days_verdict() {
	local lost
	figures_take bad
	lost=$((4540 - ${figure[bad.ended]}))
	is "bad days: all that was sent began, and nothing before" \
		"${figure[bad.begun]}" $((3000 + 1100 + 400 + 30 + 10))
	# what is sent to a tap that is gone, the bridge sends to all its ports: copies of what is consumed
	balanced bad "bad days" "$(jq '.consumed // 0' <<< "${figure[bad.not_ended]}")"
	is "bad days: nothing is in flight for ever" "${figure[bad.in_flight]}" 0
	is "bad days: the tap's ring was full" \
		"$((bad_dropped >= 100))" 1 "$bad_dropped of 4100 dropped"
	is "bad days: what the tap gave out ended" \
		"${figure[bad.ended]}" "$bad_out" "$(ledger bad not_ended drops)"
	is "bad days: what was in the ring of the killed guest's tap did not end" \
		"$((4500 - bad_out - bad_dropped >= 100))" 1 "out $bad_out, dropped $bad_dropped of 4500"
	is "bad days: what did not end was dropped, or after the tap was gone went elsewhere" \
		"$(jq -n --argjson fates "${figure[bad.not_ended]}" --argjson n "$lost" '
		$fates | keys - ["dropped", "consumed"] == [] and .dropped + (.consumed // 0) == $n and
		(.consumed // 0) <= 10')" \
		true "$(ledger bad begun ended not_ended drops)"
	is "bad days: full, says the kernel, of as many as the tap" \
		"$(jq -n --argjson drops "${figure[bad.drops]}" '
		$drops | map(select(.reason == "FULL_RING") | .count) | add')" "$bad_dropped" "${figure[bad.drops]}"
}

ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
sysctl -qw net.core.netdev_max_backlog=100000 net.core.rmem_max=16000000
guest_run g1 'echo 16000000 > /proc/sys/net/core/rmem_max'
# what is held off a CPU is held off it for as long as that takes
sysctl -qw kernel.sched_rt_runtime_us=-1
for fair in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do
	[ ! -e "$fair" ] || echo 0 > "$fair"
done

# a packet that waits for long is not given up
vm=(--phy-interface "vp0,nic0" --timeout 120s --vm-interface)
tool_begin rx path metrics --path vm-rx "${vm[@]}" "pid:$qemu"
tool_begin tx path summary --path vm-tx "${vm[@]}" $tap
tool_begin_kprobes rx_each path details --path vm-rx "${vm[@]}" $tap
tool_begin_kprobes tx_each path details --path vm-tx "${vm[@]}" $tap --dst-ip 10.0.0.3
tool_begin bad path summary --path vm-rx "${vm[@]}" $tap --dst-port 7398
tools_ready
tap_out=$(device $tap tx_packets) tap_out_bytes=$(device $tap tx_bytes)
count_case
witness_begin "net/net_dev_start_xmit name == \"$tap\"" 'tun_do_read 5' 'vhost_poll_wakeup 1' 'handle_tx_kick 1'
hold_case
stop_case
witness_end
is "what waited for the guest is received" "$(guest_received g1 7399)" $((20 * hold_tries + 400 * stop_tries))
tap_out=$(($(device $tap tx_packets) - tap_out)),$(($(device $tap tx_bytes) - tap_out_bytes))
tools_end rx tx rx_each tx_each
count_verdict $((count_in + 21 * hold_tries + 400 * stop_tries)) $((count_out + 4 * hold_tries)) \
	$((53 + 13 + 3 * hold_tries))
hold_verdict
stop_verdict
bad_days_case
tools_end bad
bad_days_verdict
finish
