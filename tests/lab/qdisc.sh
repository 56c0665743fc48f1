#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# qdisc.sh: queues that overflow; the tools count what tc counts, and name the queue.
# kernels: 5.10 6.1 6.12 7
# topology: none
# seconds: 60

. /share/lib.sh

# One overflow a row. The qdisc to expect is the one at the root of the packet's transmit queue, also
# where a child refused the packet: the root is what __dev_queue_xmit asks, and what frees the packet
# (and the tracepoint qdisc_drop since 7.2) knows no other. tc adds a child's drops to the root's.
#
#   title | port | device to send by | device | kind | handle | limit | return code | full | VLAN tags | labgen options
#
# limit is that of the kernel's struct Qdisc, which tbf does not use ("*"). A packet dropped while
# it was queued has no return code (null); before 5.18 enqueueing is no function of its own, and
# no code can be seen. full is the transmit queue, and the packets and bytes that wait in it when it
# refuses one of 1,000 bytes; "*": not known, since CoDel or a driver takes some out.
queues='
tbf|7101|q0|q0|tbf|10:|*|NET_XMIT_DROP|0 3 3000|-|--count 50
tbf, tag in the frame|7102|q0|q0|tbf|10:|*|NET_XMIT_DROP|0 2 2008|100:frame|--count 60 --vlan 100
tbf, tag in the skb|7103|q0.100|q0|tbf|10:|*|NET_XMIT_DROP|0 3 3000|100:tag|--count 70
pfifo below tbf|7104|q1|q1|tbf|20:|*|NET_XMIT_DROP|0 5 5000|-|--count 80
fq_codel below tbf|7105|q2|q2|tbf|30:|*|NET_XMIT_CN|*|-|--count 90 --rate 0
netem of transmit queue 2|7106|q3|q3|netem|43:|5|NET_XMIT_DROP|2 5 5000|-|--count 100
fq_codel that drops at dequeue|7109|q4|q4|tbf|70:|*|null|*|-|--count 60
pfifo of a NIC|7107|nic0|nic0|pfifo|50:|10|NET_XMIT_DROP|*|-|--count 3000 --rate 0
fq_codel of a NIC|7108|nic1|nic1|fq_codel|60:|10|NET_XMIT_CN|*|-|--count 3000 --rate 0
'

# What freed a packet that the queue refused, and one that CoDel dropped at dequeue, by kernel.
codel_place=__fq_codel_dequeue,fq_codel_dequeue
case $LAB_KERNEL in
5.10) reason=- place=kfree_skb_list codel_reason=- ;;
6.1) reason=QDISC_DROP place=kfree_skb_list_reason codel_reason=NOT_SPECIFIED ;;
6.12) reason=QDISC_DROP place=__dev_queue_xmit codel_reason=NOT_SPECIFIED ;;
7) reason=QDISC_DROP place=__tcf_kfree_skb_list codel_reason=QDISC_DROP_CONGESTED ;;
esac

queues_make() {
	local i
	for i in 0 1 2 3 4; do
		ip link add q$i numtxqueues $((i == 3 ? 4 : 1)) type dummy
		ip link set q$i up
	done
	ip link add link q0 name q0.100 type vlan id 100
	ip link set q0.100 up
	tc qdisc add dev q0 root handle 10: tbf rate 80kbit burst 1600 limit 3000
	tc qdisc add dev q1 root handle 20: tbf rate 80kbit burst 1600 limit 99000
	tc qdisc add dev q1 parent 20:1 handle 21: pfifo limit 5
	tc qdisc add dev q2 root handle 30: tbf rate 80kbit burst 1600 limit 99000
	tc qdisc add dev q2 parent 30:1 handle 31: fq_codel limit 5 target 10s
	# all CPUs send by transmit queue 2
	echo 3 > /sys/class/net/q3/queues/tx-2/xps_cpus
	tc qdisc add dev q3 root handle 40: mq
	tc qdisc add dev q3 parent 40:3 handle 43: netem delay 1s limit 5
	tc qdisc add dev q4 root handle 70: tbf rate 160kbit burst 1600 limit 99000
	tc qdisc add dev q4 parent 70:1 handle 71: fq_codel limit 1000 target 1ms interval 10ms

	# a real driver, told to take long to clean a short ring, stops its queue
	modprobe e1000e
	wait_for 10 nic_by_mac 52:54:00:00:01:02 > "$work/nic"
	for i in 0 1; do
		ip link set "$(nic_by_mac 52:54:00:00:01:0$((i + 1)))" name nic$i
		ip link set nic$i up
		ethtool -G nic$i tx 80
		ethtool -C nic$i rx-usecs 10000
	done
	# what got through is taken in at the far end of the cable, and is no drop there
	for i in 0 1; do
		tc qdisc add dev nic$i clsact
		tc filter add dev nic$i ingress matchall action trap
	done
	tc qdisc add dev nic0 root handle 50: pfifo limit 10
	tc qdisc add dev nic1 root handle 60: fq_codel limit 10 target 10s
	wait_for 20 grep -q 1 /sys/class/net/nic0/carrier && wait_for 20 grep -q 1 /sys/class/net/nic1/carrier
}

tc_drops() { # DEVICE HANDLE
	tc -s -j qdisc show dev "$1" | jq ".[] | select(.handle == \"$2\") | .drops"
}

tc_is_empty() { # DEVICE
	! tc -s -j qdisc show dev "$1" | jq -e 'any(.backlog > 0)' > "$work/backlog"
}

# Sends each row's packets and writes what tc says was dropped of them: the expectations of
# "drop packets" into packets, those of "drop qdisc" into rows.
queues_flood() {
	local title port by dev kind handle limit code full vlans options before drops
	while IFS='|' read -r title port by dev kind handle limit code full vlans options; do
		[ -n "$title" ] || continue
		before=$(tc_drops "$dev" "$handle")
		# shellcheck disable=SC2086
		labgen frames --dev "$by" --src 10.1.0.1 --dst 10.1.0.2 --dst-mac 02:00:00:00:00:01 \
			--size 958 --dport "$port" $options > "$work/sent"
		wait_for 10 tc_is_empty "$dev"
		drops=$(($(tc_drops "$dev" "$handle") - before))
		[ "$drops" -gt 0 ] || not_ok "$title: the queue overflows" "tc counts $drops drops"
		if [ "$code" = null ]; then
			echo "$port|$drops|$codel_reason|$codel_place|$dev|$vlans|$title: $drops as tc says"
		else
			echo "$port|$drops|$reason|$place|$dev|$vlans|$title: $drops as tc says"
		fi >> "$work/packets"
		[ "$LAB_KERNEL" != 5.10 ] || code=null
		echo "$dev|$drops|$kind|$handle|$limit|$code|$title" >> "$work/rows"
		[ "$full" = '*' ] || echo "$port $dev $full" >> "$work/full"
	done <<< "$queues"
}

# Rows of "drop qdisc" by device: kind, handle, limit, return code and the sum of the counts.
judge_rows() { # NAME
	local rows
	rows=$(jq -r 'select(.type == "row" and .scope == "total") |
		[.dev, .count, .kind, .handle, .limit, .return_code] | map(tostring) | join("|")' \
		"$work/$1.json")
	while IFS='|' read -r dev n kind handle limit code title; do
		is "$title: $n as tc says, $kind $handle: ${tool_args[$1]}" "$(awk -F'|' \
			-v dev="$dev" -v any="$limit" '
			$1 == dev { n += $2; seen[$3 "|" $4 "|" (any == "*" ? any : $5) "|" $6] }
			END { printf "%d", n; for (k in seen) printf "|%s", k }' <<< "$rows")" \
			"$n|$kind|$handle|$limit|$code" "$rows"
	done < <(awk -F'|' -v OFS='|' '{ n[$1] += $2; if (!($1 in line)) order[++m] = $1; line[$1] = $0 }
		END { for (i = 1; i <= m; i++) { $0 = line[order[i]]; $2 = n[$1]; print } }' "$work/rows")
}

# What waited when a full queue refused a packet, as most of its drops say: before 7.2 a drop is seen when
# the packet is freed, and the queue may have given one to the device in between.
judge_full() { # of --each
	is "how full the queue was, in packets and bytes, and which transmit queue: ${tool_args[each]}" "$(sed -n \
		's/.*"queue":\([0-9]*\),"dev":"\(q[0-9]\)".*"qlen":\([0-9]*\),"backlog":\([0-9]*\).*"dst_port":\([0-9]*\).*/\5 \2 \1 \3 \4/p' \
		"$work/each.json" | sort | uniq -c | sort -rn | awk '
		NR == FNR { wanted[$1]; next }
		$2 in wanted && !seen[$2]++ { print $2, $3, $4, $5, $6 }' "$work/full" - | sort)" "$(sort "$work/full")"
}

# In a row it is the mean over the drops: that of a device with one kind of frames
judge_means() { # NAME
	is "how full the queues were in the mean: ${tool_args[$1]}" "$(jq -r 'select(.type == "row" and .scope == "total") |
		"\(.dev) \(.queue) \(.qlen) \(.backlog / 1000 | round)000"' "$work/$1.json" | grep '^q[13] ' | sort)" \
		"$(cut -d' ' -f2- "$work/full" | grep '^q[13] ' | sort)"
}

queues_make || exit 1
tool_begin qdisc drop qdisc
tool_begin each drop qdisc --each
tool_begin packets drop packets
tool_begin stacks drop stacks --group-by reason,place,dev,flow --top 100
tool_begin tagged drop packets --vlan 100
NETSONDE_ATTACH=rt tool_begin qdisc_rt drop qdisc
tool_begin port drop qdisc --dst-port 7104
tools_ready
queues_flood
nap 1
tools_stop
sed 's/|[^|]*|\([^|]*\)$/|*|\1/' "$work/packets" > "$work/packets.novlan"
all=$(awk -F'|' '{ n += $2 } END { print n }' "$work/packets")
judge packets "$work/packets"
judge stacks "$work/packets.novlan"
judge_meanings packets "
7101|queue discipline
7105|queue discipline
7109|keep delay low"
judge_full
for name in qdisc qdisc_rt; do
	judge_rows $name
	judge_means $name
	is "the total is the sum of all queues: ${tool_args[$name]}" "$(tool_number $name .drops)" "$all"
done
if [ "$LAB_KERNEL" = 5.10 ]; then
	like "that no return code is to be seen is said" "$(jq -c '.not_visible? // empty' "$work/qdisc.json")" 'enqueue'
fi
is "the filter counts one queue of all: ${tool_args[port]}" "$(tool_number port .drops)" \
	"$(awk -F'|' '$1 == 7104 { print $2 }' "$work/packets")"
expect_count each 1 "$all" "each drop of a queue is an event: ${tool_args[each]}"
is "each drop has the code that its enqueue() returned: ${tool_args[each]}" "$(sed -n \
	's/.*"dev":"\([^"]*\)".*"return_code":"*\([A-Za-z_]*\).*/\1 \2/p' "$work/each.json" | sort | uniq -c |
	awk '{ print $2, $3, $1 }' | sort)" \
	"$(awk -F'|' '{ n[$1 " " $6] += $2 } END { for (k in n) print k, n[k] }' "$work/rows" | sort)"
expect_count tagged 1 "$(awk -F'|' '$6 ~ /^100:/ { n += $2 } END { print n }' "$work/packets")" \
	"--vlan finds the tag in the skb and in the frame"
expect_count tagged '$6 !~ /^100:/' 0 "--vlan finds no packet without that tag"
finish
