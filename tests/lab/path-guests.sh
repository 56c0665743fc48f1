#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path-guests.sh: from guest to guest by path pair, a guest's ping by path rtt, what it sends by path metrics; a tap renamed and deleted; through a tunnel; TCP through conntrack.
# kernels: 6.1 6.12 7
# check: 7
# topology: vm
# seconds: 150

. /share/lib.sh

# How many packets came to each stage
expect_reached() { # NAME TITLE N STAGE...
	is "$2: $3 at each stage" "$(jq -rs '
		map(select(.type == "stage" and .scope == "total")) as $stages |
		[$ARGS.positional[] | . as $to | "\(.) \([$stages[] | select(.to == $to) | .count] | add // 0)"] |
		join(" ")' "$work/$1.json" --args "${@:4}")" "$(printf "%s $3 " "${@:4}" | sed 's/ $//')"
}

meter() { # NAME STAGE: "PACKETS BYTES" of the whole run
	jq -r --arg stage "$2" 'select(.type == "meter" and .scope == "total" and .stage == $stage) |
		"\(.packets) \(.bytes)"' "$work/$1.json"
}

# ---- from guest to guest: two bursts of 40 packets of one flow, 600 ms apart ----

pair_case() {
	guest_sinks g2 7501
	pair_in=$(device tap-g1 rx_packets) pair_out=$(device tap-g2 tx_packets)
	pair_us=$(wall_us)
	guest_run g1 'labgen udp --dst 10.0.0.11 --dport 7501 --sport 24000 --count 40 --rate 100 --stamps
		usleep 600000
		labgen udp --dst 10.0.0.11 --dport 7501 --sport 24000 --count 40 --rate 100 --stamps' > "$work/pair.sent"
	pair_us=$(($(wall_us) - pair_us))
	wait_for 20 pair_is_through
	nap 0.3
	pair_received=$(guest_received g2 7501)
	is "path pair: 80 sent, nearly all received" \
		"$(jq -r '.sent // empty' "$work/pair.sent" | xargs) $((pair_received >= 70 && pair_received <= 80))" "40 40 1" \
		"$pair_received"
}

pair_is_through() {
	[ "$(device tap-g2 tx_packets)" -ge $((pair_out + $(device tap-g1 rx_packets) - pair_in)) ]
}

# What a guest loses by itself, when it has no time, is no packet of this host's.
pair_verdict() {
	expect_all pair "path pair" "$pair_received"
	expect_reached pair "path pair" "$pair_received" tap_in ovs actions qdisc tap_out vhost used
	is "path pair: the gaps between them, to the last packet no longer than it all took" \
		"$(jq -r --argjson us "$pair_us" '
		select(.scope == "total" and .way == "gap_in") |
		"\(.count) \(.sum_ns <= $us * 1000)"' "$work/pair.json")" "$((pair_received - 1)) true"
	# the guest's stamps say when it sent; from there a packet takes as long as the stages before the tap, at most
	is "path pair: gaps are those of the sender, but for the time to the tap" "$(jq -rs --slurpfile stamps "$work/pair.sent" '
		($stamps | map(select(.from_ns))) as $sent | ($sent | length) as $n |
		map(select(.scope == "total")) |
		([.[] | select(.to == "worker" or .to == "tun" or .to == "tap_in") | .max_ns] | add) as $way |
		([$sent[] | .until_ns - .from_ns] | max) as $call |
		([range(1; $n) | $sent[.].from_ns - $sent[. - 1].from_ns] | max) as $longest |
		($sent[-1].from_ns - $sent[0].from_ns) as $whole |
		(map(select(.way == "gap_in"))[0]) as $in |
		def off(a; b): ((a - b) | fabs) <= $way + $call + a / 100;
		if $n == 80 and off($whole; $in.sum_ns) and off($longest; $in.max_ns) then "right"
		else "\($in.sum_ns) of \($whole), \($in.max_ns) of \($longest), off \($way + $call), \($n) sent" end' \
		"$work/pair.json")" right
	is "path pair --gap: as many as the sender made, of 300 ms or more" "$(jq -r '
		select(.scope == "total" and .way == "gap_in") | .longer' "$work/pair.json")" "$(jq -rs '
		map(select(.from_ns).from_ns) | [range(1; length) as $i | .[$i] - .[$i - 1] | select(. >= 300000000)] | length' \
		"$work/pair.sent")"
	is "path pair: what comes out has the same gaps, but for the time on the way" "$(jq -rs '
		map(select(.scope == "total")) |
		(map(select(.way == "gap_in"))[0]) as $in | (map(select(.way == "gap_out"))[0]) as $out |
		([.[] | select(.way == "direct" or .way == "upcall") | .max_ns] | max) as $most |
		$in.count == $out.count and $out.sum_ns - $in.sum_ns <= $most and $in.sum_ns - $out.sum_ns <= $most' \
		"$work/pair.json")" true "$(jq -c 'select(.scope == "total" and .way)' "$work/pair.json")"
}

# ---- a guest's ping ----

guest_pings() { # DST N: all answered; what ping says is added to $work/pinged, in ms
	guest_run g1 "ping -c $2 -i 0.1 -W 20 $1" > "$work/ping"
	grep -q " $2 packets received" "$work/ping" || not_ok "$2 pings to $1" "$(< "$work/ping")"
	sed -n 's/.* time=\([0-9.]*\) ms/\1/p' "$work/ping" >> "$work/pinged"
}

rtt_case() {
	: > "$work/pinged"
	guest_pings 10.0.0.3 6
	guest_pings fd00::3 7
	guest_pings 10.0.0.2 8
	ip netns exec nicpeer tc qdisc add dev nic1 root handle 78: netem delay 160ms
	guest_pings 10.0.0.3 9
	ip netns exec nicpeer tc qdisc del dev nic1 root
	tc qdisc replace dev nic0 root handle 77: netem delay 150ms
	guest_pings fd00::3 10
	tc qdisc del dev nic0 root
}

# Of an edge of a part: were there so many, and took they as long in all?
edge() { # NAME PART FROM TO LEAST NS
	jq -rs --arg part "$2" --arg from "$3" --arg to "$4" --argjson least "$5" --argjson ns "$6" '
		map(select(.type == "stage" and .scope == "total" and .part == $part and .from == $from and .to == $to)) |
		(map(.count) | add) >= $least and (map(.sum_ns) | add) >= $ns' "$work/$1.json"
}

stages_sum() { # NAME JQ-CONDITION
	jq -s "[.[] | select(.type == \"stage\" and .scope == \"total\" and ($2)) | .sum_ns] | add // 0" \
		"$work/$1.json"
}

rtt_verdict() {
	local n=$((6 + 7 + 8 + 9 + 10)) others
	expect_all rtt "path rtt of a guest's $n pings" $n
	is "path rtt: the other host's 160 ms are away" \
		"$(edge rtt away driver nic $((n - 8)) $((9 * 160000000)))" true
	is "path rtt: by the veth there is no NIC that hands it in" \
		"$(edge rtt away driver receive 8 0)" true
	is "path rtt: this host's 150 ms are its qdisc's" \
		"$(edge rtt request qdisc dequeue 10 $((10 * 150000000)))" true
	# how long the others should take nothing says but the guest's ping, which counts all of it
	others=$(($(stages_sum rtt true) - 9 * 160000000 - 10 * 150000000))
	is "path rtt: and in no other stage more than the guest leaves for it" "$(awk -v others="$others" '
		{ ms += $1 + 0.001 }
		END { left = ms * 1e6 - 9 * 160000000 - 10 * 150000000
		print others <= left ? "within" : others " of " left }' "$work/pinged")" within
	is "path rtt: all the way is the sum of request, time away and reply" "$(stages_sum rtt true)" \
		"$(jq -s '[.[] | select(.scope == "total" and (.way == "direct" or .way == "upcall")) |
		.sum_ns] | add' "$work/rtt.json")"
	# the guest's ping begins before its kick and ends after the interrupt; it has three decimals
	is "path rtt: no longer than the guest says" "$(awk -v sum="$(stages_sum rtt true)" '
		{ ms += $1 + 0.001; n++ }
		END { print n, sum <= ms * 1e6 ? "within" : sum " of " ms * 1e6 }' "$work/pinged")" "$n within"
}

# ---- bytes of what a guest sends ----

metrics_case() {
	local tap=tap-g1
	sent_bytes="$(device $tap rx_packets) $(device $tap rx_bytes)"
	sent_bytes+=" $(device vp0 tx_packets) $(device vp0 tx_bytes)"
	guest_send g1 10.0.0.2 7502 31 200 --size 333
	guest_send g1 fd00::2 7502 32 200 --size 777
	wait_for 20 sent_all $((${sent_bytes%% *} + 63))
	nap 0.5
	read -r -a before <<< "$sent_bytes"
	sent_tap="$(($(device $tap rx_packets) - before[0])) $(($(device $tap rx_bytes) - before[1]))"
	sent_veth="$(($(device vp0 tx_packets) - before[2])) $(($(device vp0 tx_bytes) - before[3]))"
}

sent_all() { # N in all
	[ "$(device tap-g1 rx_packets)" -ge "$1" ]
}

metrics_verdict() {
	expect_all metrics "path metrics of vm-tx" 63
	# on receive, a packet's Ethernet header is behind it
	is "path metrics: packets and bytes from the tap are the tap's" \
		"$(meter metrics tap_in)" "63 $((${sent_tap#* } - 63 * 14))" "$sent_tap"
	is "path metrics: packets and bytes at the driver are the device's" \
		"$(meter metrics driver)" "$sent_veth"
}

# ---- a tap renamed, then deleted, under a guest that lives ----

gone_case() {
	guest_sinks g2 7503
	guest_send g1 10.0.0.11 7503 25 200
	# whether Open vSwitch still sends there is its own affair
	ip link set tap-g2 down
	ip link set tap-g2 name tap-gx
	ip link set tap-gx up
	nap 0.5
	guest_send g1 10.0.0.11 7503 9 200
	nap 0.5
	gone_received=$(guest_received g2 7503)
	ip link del tap-gx
	wait_for 10 grep -q "is gone" "$work/gone.err"
	guest_send g1 10.0.0.11 7503 12 200
	nap 1
}

gone_verdict() {
	is "a tap renamed and deleted: all until then were received" \
		"$((gone_received >= 25))" 1 "$gone_received"
	is "a tap renamed and deleted: 46 began, those ended that the guest has" \
		"$(total gone '"\(.begun) \(.ended) \(.in_flight) \(.lost_by_us)"')" "46 $gone_received 0 0" "$(ledger gone)"
	is "a tap renamed and deleted: that it is gone is said, once, by its last name" \
		"$(sed -n 's/^netsonde path summary: \(.*\) is gone: .*/\1/p' "$work/gone.err")" tap-gx "$(< "$work/gone.err")"
	is "a tap renamed and deleted: the others were dropped or went elsewhere" \
		"$(total gone '.not_ended | (.dropped // 0) + (.consumed // 0)')" $((46 - gone_received)) "$(ledger gone)"
}

# ---- through a VXLAN port of the guest's bridge, to a namespace behind a veth pair that is no port ----

tunnel_make() {
	ip netns add tunfar
	ip link add ul0 type veth peer name ul1 netns tunfar
	ip -batch - <<-'END'
		link set ul0 address 52:54:00:00:04:01 up
		addr add 192.168.77.1/24 dev ul0
		neigh replace 192.168.77.2 lladdr 52:54:00:00:04:02 nud permanent dev ul0
	END
	ip -n tunfar -batch - <<-'END'
		link set ul1 address 52:54:00:00:04:02 up
		addr add 192.168.77.2/24 dev ul1
		neigh replace 192.168.77.1 lladdr 52:54:00:00:04:01 nud permanent dev ul1
		link add vx0 address 52:54:00:00:04:03 type vxlan id 77 local 192.168.77.2 remote 192.168.77.1 dstport 4789
		link set vx0 mtu 1400 up
		addr add 10.0.0.77/24 dev vx0
	END
	ovs-vsctl add-port br-int tun0 -- set interface tun0 type=vxlan options:remote_ip=192.168.77.2 options:key=77
	# both sides and the bridge learn who is where
	ip netns exec tunfar ping -q -c 3 -W 5 10.0.0.10 > "$work/ping" 2>&1
}

tunnel_case() {
	guest_sinks g1 7505
	labgen sink --netns tunfar --port 7504 > "$work/tunnel.sink" &
	local sink=$!
	wait_for 20 test -s "$work/tunnel.sink"
	guest_send g1 10.0.0.77 7504 33 200
	labgen udp --netns tunfar --dst 10.0.0.10 --dport 7505 --count 34 --rate 200 > "$work/tunnel"
	guest_run g1 "ping -c 9 -i 0.1 -W 20 10.0.0.77" > "$work/ping"
	nap 0.5
	kill $sink
	wait $sink
	is "a tunnel: all are received and answered" \
		"$(jq -r '.received // empty' "$work/tunnel.sink") $(guest_received g1 7505) $(grep -c '9 packets received' "$work/ping")" "33 34 1"
}

tunnel_verdict() {
	expect_all tun_tx "vm-tx into a tunnel" 33
	expect_reached tun_tx "vm-tx into a tunnel" 33 ovs actions encap qdisc driver
	expect_sums tun_tx "vm-tx into a tunnel"
	expect_all tun_rx "vm-rx out of a tunnel" 34
	expect_reached tun_rx "vm-rx out of a tunnel" 34 ip tunnel backlog ovs actions qdisc tap_out vhost used
	expect_sums tun_rx "vm-rx out of a tunnel"
	expect_all tun_rtt "path rtt of a guest through a tunnel" 9
	expect_reached tun_rtt "path rtt of a guest through a tunnel" 9 encap tunnel tap_out vhost
}

# ---- TCP, larger than the MTU on its way, each packet through connection tracking and back into the tables ----

tcp_make() {
	ovs-ofctl add-flows br-int - <<-'END'
		priority=200,tcp,tp_dst=7506,actions=ct(commit,zone=5,table=5)
		priority=200,tcp,tp_src=7506,actions=ct(zone=5,table=5)
		table=5,priority=1,actions=NORMAL
	END
}

tcp_case() {
	labgen tcp-echo --netns peer --port 7506 > "$work/tcp.sink" &
	local echo=$!
	wait_for 20 test -s "$work/tcp.sink"
	tcp_segments=$(guest_segments)
	tcp_answered=$(guest_run g1 'labgen tcp --dst 10.0.0.2 --dport 7506 --count 20 --size 20000 --rate 100' | jq -r .answered)
	# the last ACK comes late
	wait_for 20 eval '[ -z "$(ip netns exec peer ss -Htn state connected exclude time-wait)" ]'
	nap 0.5
	tcp_segments=$(($(guest_segments) - tcp_segments))
	ovs-appctl revalidator/wait
	tcp_out=$(tcp_counted tp_dst) tcp_in=$(tcp_counted tp_src)
	kill $echo
	wait $echo
}

tcp_counted() { # MATCH: packets, by Open vSwitch's own count
	ovs-ofctl dump-flows br-int "table=0,tcp,$1=7506" | sed -n 's/.*n_packets=\([0-9]*\).*/\1/p'
}

guest_segments() { # of TCP, that the guest has sent
	guest_run g1 'cat /proc/net/snmp' | awk '$1 == "Tcp:" { n = $12 } END { print n }'
}

tcp_verdict() {
	is "TCP: all answered, in fewer packets than segments" "$tcp_answered $((tcp_out < tcp_segments))" "20 1" \
		"$tcp_out packets, $tcp_segments segments"
	expect_all tcp_tx "TCP from the guest" "$tcp_out"
	expect_reached tcp_tx "TCP from the guest" "$tcp_out" tap_in ovs actions conntrack again qdisc driver
	expect_sums tcp_tx "TCP from the guest"
	expect_all tcp_rx "TCP to the guest" "$tcp_in"
	expect_reached tcp_rx "TCP to the guest" "$tcp_in" ovs actions conntrack again qdisc tap_out vhost used
	expect_sums tcp_rx "TCP to the guest"
}

# A guest's queues are one tap's, and each has a vhost thread of its own.
declare -A queues=([6.1]=1 [6.12]=4 [7]=2)

# Two taps of one QEMU, the second of which nothing uses
second_up() {
	ip tuntap add dev tap-g2b mode tap vnet_hdr
	ip link set tap-g2b addrgenmode none up
	guest_up g2 10.0.0.11/24 "${queues[$LAB_KERNEL]}" \
		-netdev tap,id=n1,ifname=tap-g2b,script=no,downscript=no,vhost=on -device virtio-net-pci,netdev=n1,romfile=
}

# Under emulation a guest may die of an instruction that KVM cannot emulate: once more then.
second_guest() {
	second_up 2> "$work/guest" && return
	kill -KILL "$(< /run/guest/g2/qemu.pid)"
	ovs-vsctl --if-exists del-port tap-g2
	ip link del tap-g2
	ip link del tap-g2b
	rm -rf /run/guest/g2
	second_up
}

ovs-vsctl set Open_vSwitch . other_config:max-idle=3600000
sysctl -qw net.core.rmem_max=16000000
if ! second_guest || ! neigh_settle --static; then
	not_ok "a second guest" "$(< "$work/guest")"
	finish
fi
is "all taps of a QEMU are found by its pid" "$(netsonde path summary --path vm-vm \
	--vm-interface "tap-g1,pid:$(< /run/guest/g2/qemu.pid)" --dry-run --verbose 2>&1 |
	sed -n 's/^netsonde path summary: path vm-vm, //p' | sed 's/, /\n/g' | sort | xargs)" "guest tap-g1 guest tap-g2 guest tap-g2b"
guest_run g2 'echo 16000000 > /proc/sys/net/core/rmem_max'
labgen sink --hold --rcvbuf 1000000 --netns peer --port 7502 > "$work/sink" &
labgen_pid=$!
wait_for 20 test -s "$work/sink"

tool_begin pair path pair --send-dev tap-g1 --recv-dev tap-g2 --dst-port 7501 --gap 300ms --timeout 60s
tool_begin rtt path rtt --phy-interface vp0,nic0 --vm-interface tap-g1 --timeout 60s
tool_begin metrics path metrics --path vm-tx \
	--phy-interface vp0,nic0 --vm-interface tap-g1 --dst-port 7502 --timeout 60s
tool_begin gone path summary --path vm-vm --vm-interface tap-g1,tap-g2 --dst-port 7503 --timeout 60s
tools_ready
pair_case
rtt_case
metrics_case
gone_case
tools_stop
kill $labgen_pid
wait $labgen_pid
pair_verdict
rtt_verdict
metrics_verdict
gone_verdict

# one guest is enough for what follows, and fewer tools at a time: the machine is slow
kill -KILL "$(< /run/guest/g2/qemu.pid)"
tunnel_make || not_ok "a tunnel" "$(cat "$work/ping")"
tcp_make
tool_begin tun_tx path summary --path vm-tx --phy-interface ul0 --vm-interface tap-g1 --dst-port 7504 --timeout 60s
tool_begin tun_rx path summary --path vm-rx --phy-interface ul0 --vm-interface tap-g1 --inner --vni 77 --dst-port 7505 --timeout 60s
tool_begin tun_rtt path rtt --phy-interface ul0 --vm-interface tap-g1 --dst-ip 10.0.0.77 --timeout 60s
tool_begin tcp_tx path summary --path vm-tx --phy-interface vp0,nic0 --vm-interface tap-g1 --protocol tcp --timeout 60s
tool_begin tcp_rx path summary --path vm-rx --phy-interface vp0,nic0 --vm-interface tap-g1 --protocol tcp --timeout 60s
tools_ready
tunnel_case
tcp_case
tools_stop
tunnel_verdict
tcp_verdict
finish
