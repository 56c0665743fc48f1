#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# drops.sh: real drops on this machine's own kernel, by tracepoint, and their capture file as tshark reads it.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. tests/tap.sh
netsonde=$PWD/build/netsonde
labgen=$PWD/build/lab-bin/labgen
work=$(mktemp -d)
trap 'ip netns del "sonde$$" 2> "$work/del.err"; rm -rf "$work"' EXIT

if [ "$(id -u)" != 0 ] || ! ip netns add "sonde$$" 2> "$work/err" ||
	! ip link add "s$$" type veth peer name s1 netns "sonde$$" 2>> "$work/err"; then
	skip "drops on this machine" "no namespace, or no veth: $(head -n 1 "$work/err")"
	finish
fi
if ! timeout 20 "$netsonde" drop packets --dry-run > "$work/out" 2>&1; then
	skip "drops on this machine" "$(head -n 1 "$work/out")"
	finish
fi
ip link set "s$$" netns "sonde$$" name s0
ip -n "sonde$$" link set s0 addrgenmode none
ip -n "sonde$$" link set s1 addrgenmode none
ip -n "sonde$$" addr add 10.66.0.1/24 dev s0
ip -n "sonde$$" link set s0 up
ip -n "sonde$$" link set s1 up
ip -n "sonde$$" link set lo up
mac=$(ip netns exec "sonde$$" cat /sys/class/net/s0/address)

"$netsonde" drop packets --json --netns "sonde$$" --output "$work/drops.pcapng" > "$work/json" 2> "$work/err" &
pid=$!
for _ in {1..200}; do
	[ ! -s "$work/json" ] || break
	sleep 0.05
done
frames() {
	"$labgen" frames --netns "sonde$$" --dev s1 --src 10.66.0.2 --dst 10.66.0.1 "$@" > "$work/sent"
}
frames --dst-mac 02:00:00:00:00:99 --dport 7001 --count 25
frames --dst-mac "$mac" --dport 7002 --count 31 --size 400
frames --dst-mac "$mac" --dport 7003 --count 12 --bad-ip-checksum
frames --dst-mac "$mac" --dport 7004 --count 14 --vlan 77
sleep 0.5
kill -INT $pid
wait $pid
is "ends in order" "$?" 0 "$(cat "$work/err")"

seen() { # PORT
	jq -r "select(.packet.udp.dst_port == $1) | \"\(.reason) \(.dev)\"" "$work/json" | sort | uniq -c | xargs
}
is "frames for another host" "$(seen 7001)" "25 OTHERHOST s0"
is "UDP to a closed port" "$(seen 7002)" "31 NO_SOCKET s0"
is "bad IP checksum" "$(seen 7003)" "12 IP_CSUM s0"
like "a VLAN that is not configured" "$(seen 7004)" '^14 [A-Z_]+ s0$'
is "nothing else" "$(grep -c '"type":"event"' "$work/json")" $((25 + 31 + 12 + 14))

# The answers to closed ports wait for a neighbour that is not there and are dropped when it has
# been given up: let that be over before the next tools count.
for _ in {1..200}; do
	[[ $(ip -n "sonde$$" neigh show 10.66.0.2) == *INCOMPLETE* ]] || break
	sleep 0.05
done

# ---- filters ----

# Frames for another host's MAC, all dropped: so many of each kind.
#   11 UDP to 8001, 12 TCP to 8002, 13 ICMP, 14 UDP to 8001 by IPv6, 16 SCTP, 17 ICMPv6,
#   4 UDP to 8004 in 3 fragments each, 18 UDP to 8001 from another address
strangers() {
	local v6=(--src fd66::2 --dst fd66::1)
	frames --dport 8001 --count 11
	frames --dport 8002 --count 12 --protocol tcp
	frames --count 13 --protocol icmp
	frames "${v6[@]}" --dport 8001 --count 14
	frames --count 16 --protocol 132
	frames "${v6[@]}" --count 17 --protocol icmp
	frames --dport 8004 --count 4 --size 1000 --fragments 3
	frames --src 10.66.0.130 --dport 8001 --count 18
}

#   how many | options
filters='
113|
113|--dev s0
0|--dev s1
43|--dst-port 8001
11|--src-ip 10.66.0.2 --dst-ip 10.66.0.1 --protocol udp --dst-port 8001
29|--src-ip 10.66.0.0/24 --protocol udp --port 8001
11|--src-ip 10.66.0.0/25 --protocol udp --port 8001
14|--host fd66::1 --port 8001
31|--host fd66::/64
0|--dst-ip fd66::2
55|--port 8001-8002,9000
12|--protocol tcp
13|--protocol icmp
17|--protocol icmp --src-ip fd66::2
17|--protocol icmpv6
16|--protocol sctp
16|--protocol 132
31|--type ipv6
'
waiting() { # until the files hold the tools' start lines
	local file
	for file; do
		for _ in {1..2400}; do
			[ ! -s "$file" ] || break
			sleep 0.05
		done
	done
}
pids=() files=()
while IFS='|' read -r n options; do
	[ -n "$n" ] || continue
	files+=("$work/filter.${#pids[@]}")
	# shellcheck disable=SC2086
	"$netsonde" drop packets --json --no-stack --netns "sonde$$" $options > "${files[-1]}" 2> "$work/err.${#pids[@]}" &
	pids+=($!)
done <<< "$filters"
waiting "${files[@]}"
frames() {
	"$labgen" frames --netns "sonde$$" --dev s1 --src 10.66.0.2 --dst 10.66.0.1 --dst-mac 02:00:00:00:00:99 \
		"$@" > "$work/sent"
}
strangers
sleep 0.5
kill -INT "${pids[@]}"
wait "${pids[@]}"
i=0
while IFS='|' read -r n options; do
	[ -n "$n" ] || continue
	is "filter: $n of 113: $options" "$(grep -c '"type":"event"' "$work/filter.$i")" "$n" "$(cat "$work/err.$i")"
	i=$((i + 1))
done <<< "$filters"

# --duration and --interval are kept
"$netsonde" drop stacks --json --netns "sonde$$" --interval 500ms --duration 2 > "$work/timed" 2> "$work/err"
is "--duration 2: exit status" "$?" 0
# never shorter; how much longer is the machine's matter
is "--duration 2 lasts two seconds" "$(jq -s 'map(select(.type == "start" or .type == "end").time_ns) |
	(.[1] - .[0]) / 1e9 | . >= 2 and . < 10' "$work/timed")" true
# the timers of the last interval and of the end race; what counts is that nothing is left out
like "--interval 500ms: up to four of them and the rest" "$(grep -c '"type":"interval"' "$work/timed")" '^[2-5]$'

if ! command -v tshark > "$work/which"; then
	skip "the capture file" "no tshark"
	finish
fi
fields() { # FIELD...
	tshark -r "$work/drops.pcapng" -T fields "${@/#/-e}" 2> "$work/tshark.err"
}
is "capture file: tshark reads every packet" "$(fields frame.number | wc -l)" $((25 + 31 + 12 + 14)) \
	"$(cat "$work/tshark.err")"
is "capture file: each packet's comment has its reason" "$(fields udp.dstport frame.comment |
	awk '{ print $1, $2 }' | sort | uniq -c | grep -v ' 7004 ' | xargs)" \
	"25 7001 OTHERHOST 31 7002 NO_SOCKET 12 7003 IP_CSUM"
like "capture file: and its place and stack" "$(fields frame.comment | head -n 1)" \
	' at ip_rcv_core\+0x[0-9a-f]+.*stack: .*__netif_receive_skb'
is "capture file: whole headers, right addresses" "$(fields udp.dstport eth.dst ip.src ip.dst |
	sort -u | grep 7001 | xargs)" "7001 02:00:00:00:00:99 10.66.0.2 10.66.0.1"
is "capture file: the length on the wire" "$(fields udp.dstport frame.len | grep 7002 | sort -u | xargs)" \
	"7002 442"
is "capture file: the device's name" "$(fields frame.interface_name | sort -u)" s0
is "capture file: nothing malformed" "$(tshark -r "$work/drops.pcapng" -Y _ws.malformed \
	2> "$work/tshark.err" | wc -l)" 0
# hostile frames: the capture file stays readable to the last packet
"$netsonde" drop packets --json --netns "sonde$$" --output "$work/hostile.pcapng" > "$work/hostile" 2> "$work/err" &
pid=$!
for _ in {1..200}; do
	[ ! -s "$work/hostile" ] || break
	sleep 0.05
done
if ! ip netns exec "sonde$$" "$labgen" hostile --tap evil --count 5000 --rate 5000 > "$work/sent" 2>&1; then
	skip "hostile frames" "$(cat "$work/sent")"
fi
sleep 0.5
kill -INT $pid
wait $pid
is "hostile frames: ends in order" "$?" 0 "$(cat "$work/err")"
events=$(grep -c '"type":"event"' "$work/hostile")
like "hostile frames: some were dropped, or this proves nothing" "$events" '^[0-9]{3,}'
is "hostile frames: each line is JSON" "$(jq -s 'map(select(.type == "event")) | length' "$work/hostile")" "$events"
is "hostile frames: tshark reads every packet of the file" \
	"$(tshark -r "$work/hostile.pcapng" -T fields -e frame.number 2> "$work/tshark.err" | wc -l)" "$events" \
	"$(cat "$work/tshark.err")"
finish
