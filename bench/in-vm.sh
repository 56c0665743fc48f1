# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# in-vm.sh: what bench/run runs in a VM whose instructions are counted: one line of numbers a row.
#
#   row NAME INSTRUCTIONS-A-PACKET OF-THE-READER PEAK-KIB PACKETS ROUNDS
#   cpus NAME CPUS MEDIAN WITHIN-90-PERCENT MEAN PERCENT-AT-THE-SAME-TIME MAPS-KIB
#   start NAME INSTRUCTIONS-UNTIL-READY PEAK-KIB
#   fail NAME WHY
#
# Each tool must have counted just the packets that were sent, else its row is a failure: a probe
# that does nothing is cheap.

packets=${BENCH_PACKETS:-20000}
work=/tmp/bench
mkdir -p $work
cp /share/netsonde /share/flood /share/attach /share/ready /share/floor.bpf.o /run/bin/
export PATH=/run/bin:$PATH

# ---- a veth pair; in the namespace behind it port 7001 is dropped, port 7002 is not ----

ip netns add bench
ip link add b0 type veth peer name b1 netns bench
ip addr add 10.77.0.1/24 dev b0
ip link set b0 up
ip -n bench addr add 10.77.0.2/24 dev b1
ip -n bench link set b1 up
ip -n bench link set lo up
ip netns exec bench nft -f - <<'NFT'
table inet bench {
	chain input {
		type filter hook input priority 0
		udp dport 7001 drop
	}
}
NFT
mac=$(ip -n bench -br link show dev b1 | awk '{ print $3 }')
ip neigh replace 10.77.0.2 lladdr "$mac" nud permanent dev b0
mac=$(ip -br link show dev b0 | awk '{ print $3 }')
ip -n bench neigh replace 10.77.0.1 lladdr "$mac" nud permanent dev b1

fail() { # NAME WHY...
	echo "fail $1 ${*:2}"
}

traffic() { # KIND [-r PID]
	case $1 in
	drop)		flood "${@:2}" 10.77.0.2 7001 "$packets" ;;
	# no more than the event buffer holds
	events)		flood "${@:2}" 10.77.0.2 7001 5000 ;;
	ovs)		flood -d peer "${@:2}" 10.0.0.2 7002 "$packets" ;;
	ovs_drop)	flood "${@:2}" 10.0.0.2 7003 "$packets" ;;
	ovs_events)	flood -d peer "${@:2}" 10.0.0.2 7002 5000 ;;
	ovs_rx)		ip netns exec peer flood -d host "${@:2}" 10.0.0.1 7002 "$packets" ;;
	# each packet a flow of its own, and all flows gone before each round
	miss)		flood -b "ovs-appctl revalidator/purge" -d peer -n 40000 10.0.0.2 20000 2000 ;;
	# dropped behind the veth
	flows_1)	flood -n 1 10.0.0.2 20000 "$packets" ;;
	# each of them once in a round
	flows_4000)	flood -n 4000 10.0.0.2 20000 4000 ;;
	flows_100000)	flood -n 100000 10.0.0.2 20000 100000 ;;
	# on all CPUs at the same time
	crowd)		flood -c "$(nproc)" -f /share/lab/counts -d peer 10.0.0.2 7002 "$packets" ;;
	deliver)	flood -d bench "${@:2}" 10.77.0.2 7002 "$packets" ;;
	esac 2> $work/flood.err
}

started() { # NAME PID
	until grep -qs '"start"\|ready' "$work/$1.out"; do
		if ! kill -0 "$2" 2> /dev/null; then
			fail "$1" "$(tail -n 1 "$work/$1.err")"
			return 1
		fi
		busybox usleep 20000
	done
}

# What the tool says that it counted; each kind of row names the number that must equal what was
# sent, or be nothing.
counted() { # NAME WHAT
	case $2 in
	none)		echo none ;;
	bpftrace)	awk "/\]: [0-9]+\$/ { n += \$NF } END { print n + 0 }" "$work/$1.out" ;;
	events)		jq -s 'map(select(.type == "end")) | .[0] | .events + (.lost.events // 0)' \
				"$work/$1.out" ;;
	*)		jq -s "map(select(.type == \"total\")) | .[0].$2" "$work/$1.out" ;;
	esac
}

# row NAME TRAFFIC WHAT COMMAND...: WHAT=sent or WHAT=0, see counted(); none to check nothing
row() {
	local name=$1 kind=$2 what=$3 pid cost reader sent rounds crowd peak number reads=()
	shift 3
	"$@" > "$work/$name.out" 2> "$work/$name.err" &
	pid=$!
	started "$name" $pid || return
	[[ $kind != *events ]] || reads=(-r $pid)
	if ! read -r cost reader sent rounds crowd < <(traffic "$kind" "${reads[@]}"); then
		fail "$name" "$(< $work/flood.err)"
		kill -INT $pid
		wait $pid
		return
	fi
	peak=$(awk '/^VmHWM/ { print $2 }' /proc/$pid/status)
	[ -z "$crowd" ] || crowd+=" $(maps_kib $pid)"
	kill -INT $pid
	wait $pid
	number=$(counted "$name" "${what%=*}")
	case ${what#*=}$number in
	nonenone|"sent$sent"|00) ;;
	*)	fail "$name" "of $sent packets it counted $number"
		return ;;
	esac
	if [ -n "$crowd" ]; then
		echo "cpus $name $(nproc) $cost $crowd"
	else
		echo "row $name $cost $reader $peak $sent $rounds"
	fi
}

maps_kib() { # PID: memory of its BPF maps, as the kernel adds it up
	awk 'FNR == 1 { memlock = 0 }
		/^memlock:/ { memlock = $2 }
		/^map_id:/ && !seen[$2]++ { sum += memlock }
		END { printf "%d\n", sum / 1024 }' /proc/"$1"/fdinfo/*
}

base() { # NAME TRAFFIC
	local cost reader sent rounds crowd
	if read -r cost reader sent rounds crowd < <(traffic "$2"); then
		if [ -n "$crowd" ]; then
			echo "cpus $1 $(nproc) $cost $crowd -"
		else
			echo "row $1 $cost $reader - $sent $rounds"
		fi
	else
		fail "$1" "$(< $work/flood.err)"
	fi
}

stacks() { # NAME TRAFFIC WHAT OPTIONS...
	row "$1" "$2" "$3" netsonde drop stacks --json --interval 1d "${@:4}"
}

packets() {
	row "$1" "$2" "$3" netsonde drop packets --json "${@:4}"
}

rt() { # COMMAND...: by the raw tracepoint without types
	NETSONDE_ATTACH=rt "$@"
}

floors() {
	local kind
	for kind in rt tp classic; do
		row floor_$kind drop none attach floor.bpf.o empty_$kind
	done
	row floor_count drop none attach floor.bpf.o count_tp
}

drops() {
	stacks stacks_reason_dev drop drops=sent --group-by reason,dev
	stacks stacks_reason drop drops=sent --group-by reason
	stacks stacks_default drop drops=sent
	jq -r 'select(.type == "total") | "stacks \(.stacks.unwound) \(.stacks.recognised)"' \
		$work/stacks_default.out
	stacks stacks_place drop drops=sent --group-by reason,dev,place
	stacks stacks_flow drop drops=sent --group-by reason,dev,flow
	stacks stacks_hit drop drops=sent --group-by reason,dev --dst-ip 10.77.0.2
	stacks stacks_miss drop drops=0 --group-by reason,dev --dst-ip 192.0.2.1
	packets packets_stack events events=sent
	NETSONDE_BUFFER=perf packets packets_perf events events=sent --no-stack
	row qdisc_other drop drops=0 netsonde drop qdisc --json --interval 1d
	rt stacks rt_reason_dev drop drops=sent --group-by reason,dev
	rt stacks rt_default drop drops=sent
	rt packets rt_address drop events=0 --dst-ip 192.0.2.1
	rt packets rt_port drop events=0 --dst-port 7009
	rt packets rt_dev drop events=0 --dev lo
	rt packets rt_nostack events events=sent --no-stack
}

# by what its filter asks for, and what is let through
filters() {
	packets packets_address drop events=0 --dst-ip 192.0.2.1
	packets packets_host drop events=0 --host 192.0.2.1
	packets packets_host6 drop events=0 --host fd00::1
	packets packets_port drop events=0 --dst-port 7009
	packets packets_ports drop events=0 --port 7008,7009
	packets packets_ports_dst drop events=0 --dst-port 7008,7009
	packets packets_ports_udp drop events=0 --protocol udp --port 7008,7009
	packets packets_ranges drop events=0 --port 1000-2000,7008-7009
	packets packets_protocol drop events=0 --protocol tcp
	packets packets_dev drop events=0 --dev lo
	[ "$LAB_KERNEL" = 5.10 ] || packets packets_reason drop events=0 --reason NO_SOCKET
	packets packets_nostack events events=sent --no-stack
	packets packets_hit_address events events=sent --no-stack --dst-ip 10.77.0.2
	packets packets_hit_ports events events=sent --no-stack --protocol udp --port 7001,7002
}

others() {
	row bpftrace_reason drop bpftrace=sent bpftrace -B line -e 'BEGIN { printf("ready\n") }
		tracepoint:skb:kfree_skb { @[args->reason] = count(); }'
	row bpftrace_stack drop bpftrace=sent bpftrace -B line -e 'BEGIN { printf("ready\n") }
		tracepoint:skb:kfree_skb { @[kstack, args->reason] = count(); }'
}

delivered() {
	base deliver deliver
	stacks deliver_stacks deliver drops=0
	stacks deliver_hit deliver seen=sent --dst-ip 10.77.0.2
	stacks deliver_miss deliver seen=0 --dst-ip 192.0.2.1
	stacks deliver_port deliver seen=0 --dst-port 7009
	stacks deliver_dev deliver seen=sent --dev b1 --netns bench
	packets deliver_packets deliver events=0
	tc qdisc replace dev b0 root pfifo limit 100
	base deliver_pfifo deliver
	row deliver_qdisc deliver drops=0 netsonde drop qdisc --json --interval 1d
	tc qdisc replace dev b0 root tbf rate 8bit burst 1600 limit 1600
	base overflow drop
	row overflow_qdisc drop none netsonde drop qdisc --json --interval 1d
	tc qdisc del dev b0 root
}

start() { # NAME COMMAND...
	local us peak
	if read -r us peak < <(ready "${@:2}" 2> $work/ready.err); then
		echo "start $1 ${us}000 $peak"
	else
		fail "start_$1" "$(tail -n 1 $work/ready.err)"
	fi
}

path() { # NAME TRAFFIC WHAT PATH DEVICE OPTIONS...
	row "$1" "$2" "$3" netsonde path summary --json --interval 1d --path "$4" --phy-interface "$5" "${@:6}"
}

# What the paths cost on a host with Open vSwitch (bench/run boots one for this part): from IP output
# through br-int to a veth, and the other way.
paths() {
	local match=(--dst-ip 10.0.0.2 --protocol udp)
	ping -c 2 10.0.0.2 > $work/ping
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	ip netns attach host $$
	ip netns exec peer nft -f - <<-'NFT'
		table inet bench {
			chain input {
				type filter hook input priority 0
				udp dport 20000-60000 drop
			}
		}
	NFT
	base base_ovs ovs
	row path_floor ovs none attach floor.bpf.o path_out path_queue path_xmit path_ovs path_actions \
		path_consume path_drop
	row path_least ovs none attach floor.bpf.o least_out least_queue least_xmit least_ovs least_actions \
		least_consume least_drop
	row path_timed ovs none attach floor.bpf.o timed_out timed_queue timed_xmit timed_ovs timed_actions \
		timed_consume timed_drop
	path path_all ovs ended=sent host-tx vp0
	path path_match ovs ended=sent host-tx vp0 "${match[@]}"
	path path_match_top ovs ended=sent host-tx vp0 "${match[@]}" --top 20
	path path_other ovs ended=0 host-tx vp0 --dst-ip 10.0.0.99 --protocol udp
	NETSONDE_ATTACH=rt,kp path path_match_kp ovs ended=sent host-tx vp0 "${match[@]}"
	row path_metrics ovs ended=sent netsonde path metrics --json --interval 1d --path host-tx \
		--phy-interface vp0 "${match[@]}"
	row path_details ovs none netsonde path details --json --path host-tx --phy-interface vp0 \
		--threshold 10s "${match[@]}"
	base base_flows flows_1
	path path_flows_1 flows_1 ended=sent host-tx vp0 "${match[@]}"
	path path_top_1 flows_1 ended=sent host-tx vp0 "${match[@]}" --top 20
	base base_flows_100000 flows_100000
	path path_flows_100000 flows_100000 ended=sent host-tx vp0 "${match[@]}"
	base base_flows_4000 flows_4000
	path path_top_4000 flows_4000 ended=sent host-tx vp0 "${match[@]}" --top 20
	base base_rx ovs_rx
	path path_rx ovs_rx ended=sent host-rx vp0 --dst-ip 10.0.0.1 --protocol udp
	path path_rx_socket ovs_rx ended=sent host-rx vp0 --dst-ip 10.0.0.1 --protocol udp --socket
}

# The same workload on each CPU of the VM at once, counted by QEMU
cpus() {
	local match=(--dst-ip 10.0.0.2 --protocol udp)
	ping -c 2 10.0.0.2 > $work/ping
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	base base crowd
	row path_floor crowd none attach floor.bpf.o path_out path_queue path_xmit path_ovs path_actions \
		path_consume path_drop
	path path_match crowd ended=sent host-tx vp0 "${match[@]}"
	path path_match_top crowd ended=sent host-tx vp0 "${match[@]}" --top 20
	path path_other crowd ended=0 host-tx vp0 --dst-ip 10.0.0.99 --protocol udp
	row path_details crowd none netsonde path details --json --path host-tx --phy-interface vp0 \
		--threshold 10s "${match[@]}"
	row path_metrics crowd ended=sent netsonde path metrics --json --interval 1d --path host-tx \
		--phy-interface vp0 "${match[@]}"
	# and what is sure to grow: one element of a hash map that all CPUs write, 40 times a packet
	row shared crowd none bpftrace -B line -e 'BEGIN { printf("ready\n") }
		kprobe:udp_sendmsg { '"$(printf '@x = %d; ' {1..40})"'}'
}

# What the Open vSwitch tools cost a packet (a VM as for paths)
ovs() {
	ping -c 2 10.0.0.2 > $work/ping
	ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
	[ -e /run/netns/host ] || ip netns attach host $$
	ovs_drops
	ovs_actions
	ovs_upcalls
	ovs_conntrack
}

# what is forwarded, and what the datapath drops
ovs_drops() {
	base base_ovs ovs
	row drops_forwarded ovs drops=0 netsonde ovs drops --json --interval 1d
	row drops_forwarded_miss ovs drops=0 netsonde ovs drops --json --interval 1d --dst-ip 192.0.2.1
	NETSONDE_ATTACH=rt,kp,kr row drops_forwarded_kp ovs drops=0 netsonde ovs drops --json --interval 1d
	ovs-ofctl add-flow br-int priority=100,udp,tp_dst=7003,actions=drop
	flood 10.0.0.2 7003 1 > $work/first 2>&1
	base base_ovs_drop ovs_drop
	row drops_dropped ovs_drop drops=sent netsonde ovs drops --json --interval 1d
	row drops_dropped_hit ovs_drop drops=sent netsonde ovs drops --json --interval 1d --dst-ip 10.0.0.2
	row drops_dropped_miss ovs_drop drops=0 netsonde ovs drops --json --interval 1d --dst-ip 192.0.2.1
	row stacks_dropped ovs_drop drops=sent netsonde drop stacks --json --interval 1d --group-by reason,dev
}

# a packet of one flow with one action
ovs_actions() {
	base base_actions ovs
	actions actions_other ovs events=0 --dst-ip 192.0.2.1
	actions actions_port ovs events=0 --dst-port 7009
	actions actions_dev ovs events=0 --dev nic0
	actions actions_match ovs_events events=sent --dst-ip 10.0.0.2
	NETSONDE_ATTACH=kp,kr actions actions_other_kp ovs events=0 --dst-ip 192.0.2.1
}

actions() { # NAME TRAFFIC WHAT OPTIONS...
	row "$1" "$2" "$3" netsonde ovs actions --json "${@:4}"
}

# a packet that has a flow, and one that has none
ovs_upcalls() {
	base base_upcall_hit ovs
	row upcalls_hit ovs none netsonde ovs upcalls --json --interval 1d
	ovs-vsctl set Open_vSwitch . other_config:max-revalidator=3600000
	ovs-ofctl add-flow br-int "priority=5,udp,in_port=LOCAL,tp_src=40000,actions=move:NXM_OF_UDP_DST[]->NXM_NX_REG0[0..15],set_field:20000->udp_dst,output:vp0"
	base base_upcall miss
	row upcalls_miss miss none netsonde ovs upcalls --json --interval 1d
	row upcalls_match miss miss.upcalls=sent netsonde ovs upcalls --json --interval 1d --protocol udp
	row upcalls_other miss miss.upcalls=0 netsonde ovs upcalls --json --interval 1d --protocol tcp
}

# what goes through a ct action
ovs_conntrack() {
	ovs-ofctl add-flow br-int "priority=10,udp,tp_dst=7002,actions=ct(commit,zone=5),output:vp0"
	base base_ct ovs
	conntrack conntrack_other ovs events=0 --dst-ip 192.0.2.1
	conntrack conntrack_zone ovs events=0 --zone 9
	conntrack conntrack_invalid ovs events=0 --invalid
	conntrack conntrack_match ovs_events events=sent --dst-ip 10.0.0.2
	NETSONDE_ATTACH=kp,kr conntrack conntrack_other_kp ovs events=0 --dst-ip 192.0.2.1
	NETSONDE_ATTACH=kp,kr conntrack conntrack_match_kp ovs_events events=sent --dst-ip 10.0.0.2
}

conntrack() { # NAME TRAFFIC WHAT OPTIONS...
	row "$1" "$2" "$3" netsonde ovs conntrack --json "${@:4}"
}

starts() {
	start stacks netsonde drop stacks --json
	start stacks_filter netsonde drop stacks --json --dst-ip 10.77.0.2
	start packets netsonde drop packets --json
	start qdisc netsonde drop qdisc --json
	[ "$LAB_KERNEL" != 6.1 ] || start bpftrace bpftrace -B line -e 'BEGIN { printf("ready\n") }
		tracepoint:skb:kfree_skb { @[kstack, args->reason] = count(); }'
}

# where QEMU counts there is no clock to count by
[ "${BENCH_PARTS-}" != cpus ] || { cpus; exit; }
for part in ${BENCH_PARTS:-floors drops filters others delivered starts}; do
	base base drop
	$part
done
base base drop
