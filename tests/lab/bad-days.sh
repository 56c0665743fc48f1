#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# bad-days.sh: wrong words, missing kernel pieces, killed tools, hostile packets: one sentence, the right status, nothing left behind.
# kernels: 5.10 6.1 6.12 7
# check: 7
# topology: host
# seconds: 110

. /share/lib.sh

host_mac=52:54:00:00:00:01

# ---- nothing stays behind ----

# BPF programs and links of ours that the kernel still holds. bpftool lists them by name.
left_behind() {
	bpftool -j prog show | jq -r '.[].id' | sort > "$work/progs.now"
	bpftool -j link show | jq -r '.[].id' | sort > "$work/links.now"
	comm -13 "$work/progs" "$work/progs.now"
	comm -13 "$work/links" "$work/links.now"
	cat /sys/kernel/tracing/kprobe_events 2> "$work/lock.err" # not to be read in lockdown
}

nothing_is_left() {
	[ -z "$(left_behind)" ]
}

expect_nothing_left() { # TITLE: the kernel frees them a grace period later
	wait_for 10 nothing_is_left
	is "nothing stays attached: $1" "$(left_behind)" ""
}

# ---- what there is on this host, and nothing is made of it that was not there ----

doctor_case() {
	local before dead
	before=$(cut -d' ' -f1 /proc/modules | sort)
	netsonde doctor --json > "$work/doctor.json"
	is "doctor ends well" "$?" 0
	is "doctor loads no module" "$(cut -d' ' -f1 /proc/modules | sort)" "$before"
	is "doctor names each tool" "$(jq -r 'select(.type == "tool") | .name' "$work/doctor.json" | sort | paste -sd,)" \
		"$(netsonde --help | sed -n 's/^  \([a-z]\{1,\} [a-z]\{1,\}\)  .*/\1/p' | sort | paste -sd,)"
	# vhost_net is not loaded in this topology
	dead=$(jq -r 'select(.type == "tool" and .works == false) | .name' "$work/doctor.json")
	is "doctor: all work but for what needs a guest" "$dead" "path pair" \
		"$(jq -c 'select(.works == false) | [.name, .why]' "$work/doctor.json")"
}

# ---- refusals ----

# A refusal: that exit status, one sentence on stderr that matches, nothing on stdout.
refused() { # STATUS REGEX COMMAND...
	local want=$1 regex=$2 status
	shift 2
	timeout 60 "$@" > "$work/refused.out" 2> "$work/refused.err" < /dev/null
	status=$?
	like "refused: $*" "$status,$(wc -l < "$work/refused.err") line,$(wc -c < "$work/refused.out") bytes: $(cat "$work/refused.err")" \
		"^$want,1 line,0 bytes: netsonde[^:]*: .*($regex)"
}

words_case() {
	refused 1 'No such file' netsonde drop packets --duration 1 --output /nowhere/x.pcapng
	refused 1 'Permission|permitted|Read-only' netsonde drop packets --duration 1 --output /sys/kernel/x.pcapng
	refused 2 'eth7.*no such device' netsonde drop packets --dev eth7
	refused 2 'nowhere.*namespace' netsonde drop packets --netns nowhere
	if [ "$LAB_KERNEL" = 5.10 ]; then
		refused 3 'no drop reasons' netsonde drop packets --reason NO_SOCKET
	else
		refused 2 'NO_SUCH_REASON' netsonde drop packets --reason NO_SUCH_REASON
	fi
	# vhost_net is not loaded in this topology
	refused 3 'vhost_net is not loaded' netsonde path pair --vm-interface vp0,nic0
	# not root: BPF is not to be had
	refused 1 'root|CAP_|permitted|privilege' setpriv --reuid 65534 --regid 65534 --clear-groups netsonde drop stacks --duration 1
	expect_nothing_left "after refusals"
}

# ---- a kernel that lacks something ----

kernel_case() {
	local tool
	# no BTF: the folder is covered
	mount -t tmpfs none /sys/kernel/btf
	refused 3 'BTF' netsonde drop stacks --duration 1
	refused 3 'BTF' netsonde drop packets --duration 1
	umount /sys/kernel/btf

	# a hook that another kind of program must serve
	NETSONDE_ATTACH=kp tool_start kprobes drop stacks
	tool_stop kprobes
	is "by kprobe where a kernel function is hooked" "$(jq -r '.probes[]? | "\(.hook) \(.by)"' \
		"$work/kprobes.json" | grep -v '^drop tp_btf$' | grep -vc ' kprobe$')/$tool_status" "0/0"

	# locked down: the kernel lets BPF read none of its memory. It stays so: the last case.
	mount -t securityfs none /sys/kernel/security
	if echo confidentiality 2> "$work/lock.err" > /sys/kernel/security/lockdown; then
		for tool in packets stacks qdisc; do
			refused 3 'lockdown' netsonde drop $tool --duration 1
		done
	else
		skip "lockdown" "this kernel has no lockdown: $(cat "$work/lock.err" /sys/kernel/security/lockdown 2>&1 | head -n 1)"
	fi
	expect_nothing_left "after a kernel that cannot"
}

# ---- ends of a run ----

no_ports() { # datagrams to closed ports, as this host counts them
	awk '/^Udp:/ { n = $3 } END { print n }' /proc/net/snmp
}

no_ports_are() { # N, or more
	[ "$(no_ports)" -ge "$1" ]
}

some_drops() { # PORT N: until the host has dropped them all
	local before
	before=$(no_ports)
	labgen frames --netns peer --dev vp1 --dst-mac $host_mac --src 10.0.0.2 --dst 10.0.0.1 --dport "$1" \
		--count "$2" > "$work/sent"
	wait_for 30 no_ports_are $((before + $2))
}

ends_case() {
	# killed while attached
	tool_begin killed drop packets
	tool_begin killed_stacks drop stacks --src-ip 10.0.0.2
	tools_ready
	kill -KILL "${tool_pids[killed]}" "${tool_pids[killed_stacks]}"
	tool_wait killed
	tool_wait killed_stacks
	expect_nothing_left "after SIGKILL"

	# the reader of the pipe goes away
	(
		netsonde drop packets --json 2> "$work/pipe.err" | head -n 1 > "$work/pipe.out"
		exit "${PIPESTATUS[0]}"
	) &
	wait_for 60 test -s "$work/pipe.out"
	some_drops 7001 5
	wait $!
	is "output pipe closed: exit status" "$?" 1
	like "output pipe closed: what was read before" "$(cat "$work/pipe.out")" '"type":"start"'
	like "output pipe closed: one sentence" "$(wc -l < "$work/pipe.err") $(cat "$work/pipe.err")" \
		'^1 netsonde drop packets: .*closed'
	expect_nothing_left "after the pipe was closed"

	# --duration and --interval; two at once see the same. (How exact they are is seen in
	# tests/object/drops.sh, where the clock is not that of a busy emulator.)
	tool_start one drop packets
	tool_start two drop stacks --interval 1 --duration 4
	some_drops 7002 20
	tool_wait two
	is "--duration: exit status" "$tool_status" 0
	tool_stop one
	is "--duration 4 lasts 4 seconds" "$(jq -s 'map(select(.type == "start" or .type == "end").time_ns) |
		(.[1] - .[0]) / 1e9 | if . >= 4 then 4 else . end' "$work/two.json")" 4 # how much longer is the machine's matter
	# a last short one where the machine is late
	like "--interval 1: four intervals and one total" "$(jq -r '.type' "$work/two.json" |
		grep -E 'interval|total' | uniq -c | xargs)" '^[345] interval 1 total$'
	is "the intervals add up to the total" "$(jq -s 'map(select(.type == "interval").drops) | add' \
		"$work/two.json")" "$(tool_number two .drops)"
	is "two instances at once count the same" "$(tool_number two .drops) $(tool_number one .events)" "20 20"

	# SIGINT in the middle of an interval: that interval, the total, the end
	tool_start interrupted drop stacks --interval 60
	some_drops 7003 30
	tool_stop interrupted INT
	is "SIGINT: exit status" "$tool_status" 0
	is "SIGINT prints the last interval and the total" "$(jq -rs 'map(select(.drops)) |
		map("\(.type) \(.drops)") | join(", ")' "$work/interrupted.json")" "interval 30, total 30"
	is "SIGINT: the end is the last line" "$(tail -n 1 "$work/interrupted.json" | jq -r .type)" end
	tool_start terminated drop packets
	some_drops 7004 10
	tool_stop terminated TERM
	is "SIGTERM ends in order" "$tool_status $(tool_number terminated .events)" "0 10"
	expect_nothing_left "after runs that ended in order"
}

# ---- old command lines ----

old_names_case() {
	local old
	# the same job under the names and options that people know
	netsonde kernel_drop_stack_stats_summary_all --src-ip 10.0.0.2 --dst-ip 10.0.0.1 --l4-protocol udp \
		--interval 60 --duration 1800 --top 10 > "$work/old.summary" 2> "$work/old.1" &
	netsonde kernel-drop-stack-stats-summary-all.py --dst-ip 10.0.0.1 --l4-protocol icmp \
		--interval 60 --duration 1800 --top 10 > "$work/old.icmp" 2> "$work/old.2" &
	netsonde eth_drop --type ipv4 --src-ip 10.0.0.2 --dst-ip 10.0.0.1 --l4-protocol udp --interface br-int \
		--no-stack-trace --disable-normal-filter > "$work/old.eth" 2> "$work/old.3" &
	netsonde qdisc_drop_trace > "$work/old.qdisc" 2> "$work/old.4" &
	for old in 1 2 3 4; do
		wait_for 60 grep -q Ctrl-C "$work/old.$old"
	done
	some_drops 7005 25
	nap 1
	kill -INT $(jobs -p)
	wait
	is "old command lines: no complaint" "$(grep -hv '^netsonde drop .*Ctrl-C\|^  not visible' "$work"/old.[1-4])" ""
	like "kernel_drop_stack_stats_summary_all counts" "$(cat "$work/old.summary")" 'all .* 25 drops in 1 rows?'
	like "kernel-drop-stack-stats-summary-all.py --l4-protocol icmp counts no UDP" "$(cat "$work/old.icmp")" \
		'all .* 0 drops in 0 rows'
	is "eth_drop prints each packet" "$(grep -c '10\.0\.0\.2.*7005' "$work/old.eth")" 25
	is "eth_drop --no-stack-trace prints no stack" "$(grep -c 'process_backlog' "$work/old.eth")" 0
	like "qdisc_drop_trace counts" "$(cat "$work/old.qdisc")" 'all .* 0 drops in 0 rows'
}

# ---- hostile packets ----

control_characters() { # FILE: how many lines hold one, tab and newline aside
	LC_ALL=C grep -c $'[\x01-\x08\x0b-\x1f\x7f]' "$1"
}

# 100,000 frames of nonsense by a tap whose name, and a process whose name, are escape sequences.
hostile_case() {
	local tap=$'t\e[2Jx\a' pids=() status args
	modprobe tun
	for args in "packets" "packets --inner --host 10.0.0.1" "stacks --group-by reason,dev,flow" "qdisc"; do
		# shellcheck disable=SC2086
		netsonde drop $args > "$work/hostile.${#pids[@]}" 2> "$work/hostile.err.${#pids[@]}" &
		pids+=($!)
	done
	netsonde drop packets --output "$work/hostile.pcapng" > "$work/hostile.4" 2> "$work/hostile.err.4" &
	pids+=($!)
	wait_for 60 grep -q Ctrl-C "$work/hostile.err.4"
	is "hostile: all frames written" "$(labgen hostile --tap "$tap" --count 100000 --rate 0 --seed 7 \
		--comm $'\e[31mbad\a' | jq '.sent + .refused')" 100000
	nap 1
	for i in "${!pids[@]}"; do
		kill -INT "${pids[i]}"
		wait "${pids[i]}"
		status=$?
		is "hostile: run $i survives" "$status" 0 "$(tail -n 3 "$work/hostile.err.$i")"
		is "hostile: run $i prints no control character" "$(control_characters "$work/hostile.$i")" 0 \
			"$(LC_ALL=C grep $'[\x01-\x08\x0b-\x1f\x7f]' "$work/hostile.$i" | head -n 3 | cat -v)"
		is "hostile: run $i complains without a control character" \
			"$(control_characters "$work/hostile.err.$i")" 0
	done
	like "hostile: frames were dropped and shown, or this proves nothing" \
		"$(grep -c 'bad' "$work/hostile.0")" '^[0-9]{3,}'
	mkdir -p /share/out
	cp "$work/hostile.pcapng" /share/out/
	expect_nothing_left "after hostile packets"
}

bpftool -j prog show | jq -r '.[].id' | sort > "$work/progs"
bpftool -j link show | jq -r '.[].id' | sort > "$work/links"
doctor_case
words_case
ends_case
old_names_case
hostile_case
kernel_case
finish
