# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# lib.sh: what the lab tests share: running netsonde beside a fault and holding it to the number sent.
#
# Sourced inside the lab's host VM, where $LAB_KERNEL is the running kernel as the lab names it.

. "${BASH_SOURCE[0]%/*}/tap.sh"

work=/tmp/test
mkdir -p "$work"
declare -A tool_pids tool_args text_pids
tool_status=

# Sleeping without starting a program, which costs 50 ms under emulation.
exec {nap_fd}<> <(:)
nap() { # SECONDS
	read -rt "$1" -u "$nap_fd" || true
}

wait_for() { # SECONDS COMMAND...: until the command succeeds; false if it does not
	local end=$((SECONDS + $1)) turn=0
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		# looking costs those who are waited for the CPU
		nap "0.$((turn++ < 10 ? 1 : 3))"
	done
}

# busybox is static: a dynamic program takes four times as long to start under emulation. Its awk has no %d for what does
# not fit into 32 bits: %.0f.
for applet in awk cat cut grep head mkdir paste rm sed sort tail tr uniq wc; do
	eval "$applet() { busybox $applet \"\$@\"; }"
done
# jq 1.6 compiles all definitions of its own at each start, which takes 0.2 s under emulation; the threads and the
# collector of gojq take as long as its work
jq() { GOMAXPROCS=1 GOGC=off gojq "$@"; }

# ---- netsonde in the background ----

# Starts "netsonde ARGS --json" with its output in $work/NAME.json and .err.
tool_begin() { # NAME ARGS...
	local name=$1
	shift
	tool_args[$name]="${NETSONDE_ATTACH:+NETSONDE_ATTACH=$NETSONDE_ATTACH }${NETSONDE_BUFFER:+NETSONDE_BUFFER=$NETSONDE_BUFFER }$*"
	rm -f "$work/$name".*
	netsonde "$@" --json > "$work/$name.json" 2> "$work/$name.err" &
	tool_pids[$name]=$!
}

# Waits until all that were begun say that they are attached. What a tool writes before that is
# its start line and nothing else.
tools_ready() {
	local name
	for name in "${!tool_pids[@]}"; do
		if ! wait_for 240 tool_is_ready "$name" || ! [ -s "$work/$name.json" ]; then
			not_ok "starts: ${tool_args[$name]}" "$(tail -n 5 "$work/$name.err")"
		fi
	done
}

tool_start() { # NAME ARGS...
	tool_begin "$@"
	tools_ready
}

tool_begin_kprobes() { # NAME ARGS...: by kprobes on one kernel where types would do
	[ "$LAB_KERNEL" != 6.12 ] || local -x NETSONDE_ATTACH=kp,kr
	tool_begin "$@"
}

tool_is_ready() { # NAME: attached, or dead
	[ -s "$work/$1.json" ] || ! kill -0 "${tool_pids[$1]}" 2> "$work/kill.err"
}

# Ends it in order and leaves its exit status in $tool_status.
tool_stop() { # NAME [SIGNAL]
	kill -"${2:-INT}" "${tool_pids[$1]}"
	tool_wait "$1"
}

tool_wait() { # NAME
	wait "${tool_pids[$1]}"
	tool_status=$?
	unset "tool_pids[$1]"
	# some lines of each type: gojq takes its time under emulation
	[[ ! $LAB_KERNEL =~ ^(5.10|7)$ || ! -s $work/$1.json ]] ||
		{ head -n 100 "$work/$1.json"; tail -n 4 "$work/$1.json"; } | awk -F, 'n[$1]++ < 2' >> "$work/schema.lines"
}

# At the end of a test the lines that its tools printed are held to their schemas, all at once.
schemas_judge() {
	local tool
	# the oldest and the newest kernel differ most in what they give
	[[ $LAB_KERNEL =~ ^(5.10|7)$ && -s $work/schema.lines ]] || return 0
	grep -o '"tool":"[^"]*"' "$work/schema.lines" | sort -u | cut -d'"' -f4 > "$work/schema.tools"
	while read -ra tool; do
		netsonde "${tool[@]}" --schema
	done < "$work/schema.tools" > "$work/schema.input"
	cat "$work/schema.lines" >> "$work/schema.input"
	is "JSON lines as the schemas have them: $(paste -sd, "$work/schema.tools")" \
		"$(schema_faults "$work/schema.input" 2>&1)" ""
}

eval "tap_$(declare -f finish)"
finish() {
	schemas_judge
	tap_finish
}

# The same as an operator sees it: "netsonde ARGS" with its output in $work/NAME.text and .err, attached.
text_start() { # NAME ARGS...
	netsonde "${@:2}" > "$work/$1.text" 2> "$work/$1.err" &
	text_pids[$1]=$!
	wait_for 240 grep -q Ctrl-C "$work/$1.err" || not_ok "starts: ${*:2}" "$(tail -n 5 "$work/$1.err")"
}

text_end() { # NAME
	kill -INT "${text_pids[$1]}"
	wait "${text_pids[$1]}"
	is "as text: $1 ends in order" $? 0 "$(< "$work/$1.err")"
}

# Ends all that run; each must end in order, and have lost no event.
tools_stop() {
	local name
	for name in "${!tool_pids[@]}"; do
		tool_stop "$name"
		is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
		is "lost nothing: ${tool_args[$name]}" "$(lost_by "$name")" '{}'
		tool_lines "$name"
	done
}

# Ends these, or all that run, at once, since each takes seconds to detach; each must end in order.
tools_end() { # [NAME...]
	local name names=("$@")
	[ $# -gt 0 ] || names=("${!tool_pids[@]}")
	for name in "${names[@]}"; do
		kill -INT "${tool_pids[$name]}"
	done
	for name in "${names[@]}"; do
		tool_wait "$name"
		is "ends in order: ${tool_args[$name]}" "$tool_status" 0 "$(tail -n 3 "$work/$name.err")"
	done
}

# ---- its output ----

# Each event of "drop packets", or each row of the total of "drop stacks", as one line
#   COUNT|MARK|REASON|FUNCTION|DEV|VLANS|STACK|MEANING
# MARK is the destination port of the packet (ICMP: the id; in a flow, which has none, the
# protocol), by which a test knows its own packets: each fault has a port of its own. A VLAN is
# ID:tag or ID:frame. The stack's frames have a blank between them.
tool_lines() { # NAME
	jq -r '
	def vlans: [.packet.vlan[]? | "\(.id):\(.in)"] | join(",");
	def mark:
		if .flow then .flow | .dst_port // .protocol // "-"
		else .packet | .udp.dst_port // .tcp.dst_port // .icmp.id // .arp.op end // "-";
	select(.type == "event" or (.type == "row" and .scope == "total")) |
	[.count // 1, mark, .reason // "-", .place.function // "-", .dev // "-",
	 (vlans | if . == "" then "-" else . end),
	 ([.stack[]? | split("+")[0]] | join(" ")), .meaning // "-"] | map(tostring) | join("|")' \
		"$work/$1.json" > "$work/$1.lines"
}

# A number from the tool's last lines: end (events, lost) or total (drops, shown...).
tool_number() { # NAME JQ-EXPRESSION
	grep -E "^[{]\"type\":\"(end|total)\"" "$work/$1.json" | jq -rs "add | ($2) // 0"
}

# What a tool says that it lost, but for hits that the kernel skipped (missed): it does not run a program that interrupts
# itself, and of those a busy machine has a few. Where one tells in a count, that count is not what was sent.
lost_by() { # NAME
	tool_number "$1" '.lost | del(.missed) | tojson'
}

# How many hits the kernel skipped, as the tool says. A program is not run for a packet that interrupts it, nor, where the
# kernel preempts, while a task was taken off the CPU within it.
missed_by() { # NAME
	tool_number "$1" '.lost.missed // 0'
}

# Numbers as seen, or as wanted where none is further off than hits were skipped, and than 5 % of the largest: for tools
# that go by kprobes, which the kernel skips on a CPU where another is running.
near() { # NAME SEEN WANTED
	awk -v seen="$2" -v wanted="$3" -v missed="$(missed_by "$1")" 'BEGIN {
		right = split(seen, s, " ") == (n = split(wanted, w, " "))
		for (i = 1; i <= n; i++)
			most = w[i] ~ /^[0-9]+$/ && w[i] + 0 > most ? w[i] + 0 : most
		most = int((most + 19) / 20)
		if (missed > most)
			missed = most
		for (i = 1; i <= n; i++)
			if (s[i] != w[i] && (s[i] w[i] !~ /^[0-9]+$/ || s[i] > w[i] + missed || s[i] + missed < w[i]))
				right = 0
		print right ? wanted : seen
	}'
}

# Adds up the counts of the lines whose fields match: awk's condition on
# $1 count, $2 mark, $3 reason, $4 function, $5 device, $6 VLANs, $7 stack, $8 meaning.
lines_sum() { # NAME AWK-CONDITION
	awk -F'|' "$2 { n += \$1 } END { print n + 0 }" "$work/$1.lines"
}

# What a failed count is shown with: the lines seen, equal ones added up.
lines_seen() { # NAME AWK-CONDITION
	awk -F'|' "$2"' { k = ""; for (i = 2; i <= 7; i++) k = k "|" $i; n[k] += $1 }
		END { for (k in n) print n[k] k }' "$work/$1.lines" | sort -rn | head -n 8
}

expect_count() { # NAME AWK-CONDITION N TITLE
	local seen
	seen=$(lines_sum "$1" "$2")
	if [ "$seen" = "$3" ]; then
		ok "$4"
	else
		not_ok "$4" "wanted $3, seen $seen; count|port|reason|function|dev|vlan|stack:
$(lines_seen "$1" "$2")"
	fi
}

# Holds a tool's lines to a list of faults, one a line:
#   MARK|N|REASON|FUNCTION|DEV|VLANS|TITLE
# All packets with the mark must be N and have that reason, place, device and tags, and nothing
# else may have been reported. FUNCTION and DEV may name several, with commas; VLANS "*" is any. Prints a
# verdict a fault: "ok|TITLE", or "not ok|TITLE|what was seen instead".
verdicts() { # NAME EXPECTATIONS
	awk -F'|' '
	NR == FNR {
		faults++
		at[$1] = faults; mark[faults] = $1; n[faults] = $2; reason[faults] = $3
		gsub(",", "|", $4)
		place[faults] = "^(" $4 ")([.]|$)"; dev[faults] = $5; vlans[faults] = $6
		title[faults] = $7
		next
	}
	{
		fault = $2 in at ? at[$2] : 0
		all[fault] += $1
		if (fault && $3 == reason[fault] && $4 ~ place[fault] && index("," dev[fault] ",", "," $5 ",") &&
		    (vlans[fault] == "*" || $6 == vlans[fault]))
			right[fault] += $1
		else
			wrong[fault, $2 "," $3 "," $4 "," $5 "," $6 "," $7] += $1
	}
	function seen(fault,    key, part, text, shown) {
		text = "seen " all[fault] + 0 ", right " right[fault] + 0
		for (key in wrong) {
			split(key, part, SUBSEP)
			if (part[1] == fault && shown++ < 6)
				text = text "; " wrong[key] " x " part[2]
		}
		return text
	}
	END {
		for (i = 1; i <= faults; i++)
			if (all[i] == n[i] && right[i] == n[i])
				print "ok|" title[i]
			else
				print "not ok|" title[i] "|" seen(i)
		if (all[0])
			print "not ok|nothing else|" seen(0)
		else
			print "ok|nothing else"
	}' "$2" "$work/$1.lines"
}

judge() { # NAME EXPECTATIONS: one test line a fault
	local verdict title seen
	while IFS='|' read -r verdict title seen; do
		if [ "$verdict" = ok ]; then
			ok "$title: ${tool_args[$1]}"
		else
			not_ok "$title: ${tool_args[$1]}" "${seen//; /$'\n'}"
		fi
	done < <(verdicts "$1" "$2")
}

judge_briefly() { # NAME EXPECTATIONS: one test line for all
	is "all of it: ${tool_args[$1]}" "$(verdicts "$1" "$2" | grep -v '^ok')" ""
}

# Holds the sentences of a tool's lines to a list MARK|REGEX, and says which lines have another, or none.
judge_meanings() { # NAME LIST
	is "each line says in words what happened: ${tool_args[$1]}" "$(awk -F'|' '
		NR == FNR { words[$1] = substr($0, length($1) + 2); next }
		$8 !~ ($2 in words ? words[$2] : "[a-z]") { print $2 "|" $3 "|" $4 "|" $8 }' \
		<(grep . <<< "$2") "$work/$1.lines" | sort -u | head -n 8)" ""
}

# ---- what the path tools said ----

total() { # NAME JQ-EXPRESSION over the last totals of "path summary"
	grep "^{\"type\":\"total\"" "$work/$1.json" | jq -r "$2"
}

balanced() { # NAME TITLE: begun = ended + what became of the others, and nothing is lost by us
	is "$2: begun = ended + accounted for" "$(total "$1" '
		"\(.begun - .ended - ([.not_ended[]] | add // 0) - .in_flight) \(.lost_by_us)"')" "0 0" \
		"$(total "$1" '"begun \(.begun) ended \(.ended) \(.not_ended) in flight \(.in_flight)"')"
}

ledger() { # NAME: begun, and what became of them
	total "$1" '"begun \(.begun) ended \(.ended) \(.not_ended | tojson) " +
		"in flight \(.in_flight) lost \(.lost_by_us)"'
}

expect_all() { # NAME TITLE N: all began and ended; by kprobes, but for hits that the kernel skipped
	local seen wanted="begun $3 ended $3 {} in flight 0 lost 0"
	seen=$(ledger "$1")
	[[ ${tool_args[$1]} != NETSONDE_ATTACH=kp* ]] || seen=$(near "$1" "$seen" "$wanted")
	is "$2: $3 began and ended" "$seen" "$wanted" \
		"$(total "$1" '.drops | tojson') skipped: $(missed_by "$1")"
}

# How many packets came to each stage, as "STAGE N" lines.
reached() { # NAME
	jq -r 'select(.type == "stage" and .scope == "total") | "\(.to) \(.count)"' "$work/$1.json" |
		awk '{ n[$1] += $2 } END { for (s in n) print s, n[s] }'
}

expect_reached() { # NAME TITLE N STAGE...: that many at each of the stages
	local name=$1 title=$2 n=$3 stage seen= wanted
	shift 3
	reached "$name" > "$work/reached"
	for stage; do
		seen+="$stage $(awk -v s="$stage" \
			'$1 == s { print $2; f = 1 } END { if (!f) print 0 }' "$work/reached") "
	done
	wanted=$(printf "%s $n " "$@")
	is "$title: $n at each stage" "$(near "$name" "$seen" "$wanted")" "$wanted" "skipped: $(missed_by "$name")"
}

# A packet that did not end, as one whose end the kernel skipped, has stages and no whole.
expect_sums() { # NAME TITLE
	is "$2: the stages' times add up to the path's" "$(jq -rs '
		(map(select(.type == "total")) | last) as $total |
		map(select(.scope == "total")) |
		(map(select(.type == "stage" or .way == "other") | .sum_ns) | add) as $stages |
		(map(select(.way == "direct" or .way == "upcall") | .sum_ns) | add) as $path |
		if $stages == $path or ($total.ended < $total.begun and $stages > $path) then "equal" else "\($stages) and \($path)" end' "$work/$1.json")" equal
}

# ---- what others count ----

device() { # NAME COUNTER
	echo "$(< "/sys/class/net/$1/statistics/$2")"
}

since() { # COUNTER: how far it went from before_ to after_
	local a=after_$1 b=before_$1
	echo $((${!a} - ${!b}))
}

received() { # PORT
	jq -r '.received // empty' "$work/sink.$1"
}

wall_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# What a clock that runs since the machine was started lacks to the wall's at most, in us.
clocks_compare() {
	local after line since
	lacks_most=
	for _ in 1 2 3 4 5; do
		exec {list}< /proc/timer_list
		while read -r line <&"$list"; do
			[[ $line != now\ at* ]] || break
		done
		after=$(wall_us)
		exec {list}<&-
		since=${line#now at }
		since=$((${since% nsecs} / 1000))
		[ -n "$lacks_most" ] && [ $((after - since)) -ge "$lacks_most" ] || lacks_most=$((after - since))
	done
}

# ---- the kernel's own tracer, as a witness of when a packet was where ----

tracing=/sys/kernel/tracing

# A probe is "SYSTEM/EVENT FILTER", or "FUNCTION N" for a function's entry with its Nth argument; N is 0 for none.
witness_begin() { # PROBE...
	local probe what of
	clocks_compare
	[ -e $tracing/trace ] || mount -t tracefs tracefs $tracing
	echo mono > $tracing/trace_clock
	# since 5.11 pointers in events are hashed only if that is asked for; before, only events agree with each other
	[ ! -e $tracing/options/hash-ptr ] || echo 0 > $tracing/options/hash-ptr
	for probe; do
		read -r what of <<< "$probe"
		if [[ $what == */* ]]; then
			echo "$of" > "$tracing/events/$what/filter"
		else
			[ "$of" = 0 ] && of= || of="skbaddr=\$arg$of"
			echo "p:witness/$what $what $of" >> $tracing/kprobe_events
			what=witness/$what
		fi
		echo 1 > "$tracing/events/$what/enable"
	done
}

witness_end() {
	echo 0 > $tracing/events/enable
	cat $tracing/trace > "$work/witness"
	is "the kernel's tracer has it all" "$(cat $tracing/per_cpu/cpu*/stats | awk '/^overrun|^dropped/ { n += $2 } END { print n + 0 }')" 0
}

# How long the skbs took from a line that matches to one that matches: "FROM-US TOOK-NS" in the order of the first, FROM by
# the tracer's clock. What enters twice counts from the second time on, or with "first" from the first.
witness_waits() { # ENTERS LEAVES [first]
	awk -v enters="$1" -v leaves="$2" -v first="${3-}" '
		# the eight last digits are enough to know it again, and more than a number can hold here
		function key(hex,    n, i) {
			for (i = length(hex) > 8 ? length(hex) - 7 : 1; i <= length(hex); i++)
				n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
			return n
		}
		match($0, / [0-9]+[.][0-9]+: /) {
			at = substr($0, RSTART + 1, RLENGTH - 3)
			line = substr($0, RSTART + RLENGTH)
			sub(/[.]/, "", at) # us; a number that began with 0 would be taken for octal
			skb = ""
			if (match(line, /skbaddr=(0x)?[0-9a-f]+/)) {
				skb = substr(line, RSTART + 8, RLENGTH - 8)
				sub(/^0x/, "", skb)
				# struct vhost_poll: the work follows the entry of the wait queue, of 40 bytes
				skb = key(skb) + (line ~ /^vhost_poll_wakeup:/ ? 40 : 0)
			}
			if (line ~ leaves && skb in from) {
				printf "%.0f %.0f\n", from[skb], (at - from[skb]) * 1000
				delete from[skb]
			}
			if (line ~ enters && !(first && skb in from))
				from[skb] = at
		}' "$work/witness" | sort -n
}

# What a tool says of N packets that were LEAST-NS or longer at a stage, or at these together, is within 1 % or 20 us of what
# the witness saw of one that came there at that time. What lies between the clocks is known from above, and is up to 250 ms
# less. Of ten packets, or of less but two, one may be off: the machine under the emulation may stop between both, and takes
# time for what it has not run before.
expect_witnessed() { # NAME TITLE N "STAGE..." LEAST-NS JQ-CONDITION-ON-EVENTS ENTERS LEAVES [first]
	jq -r --arg stages "$4" --argjson least "$5" "select(.type == \"event\" and ($6)) |
		[.stages[] | select(.stage | IN(\$stages | split(\" \")[]))] | select((map(.to_next_ns // 0) | add) >= \$least and length > 0) |
		\"\(.[0].at_ns) \(map(.to_next_ns // 0) | add)\"" "$work/$1.json" | sort -n > "$work/told"
	witness_waits "${@:7}" | awk -v least="$5" '$2 >= least * 0.9' > "$work/seen"
	is "$2: the time at $4 is what the kernel's own tracer saw, to 1 % or 20 us" "$(awk -v lacks="$lacks_most" '
		FILENAME == ARGV[1] { at[++n] = $1 + lacks; seen[n] = $2; next }
		FNR == 1 { early = 1 }
		{
			told++
			while (early <= n && at[early] < $1 / 1000 - 5000)
				early++
			for (i = early; i <= n && at[i] < $1 / 1000 + 250000; i++) {
				off = $2 > seen[i] ? $2 - seen[i] : seen[i] - $2
				if (!(i in used) && (off <= 20000 || off <= seen[i] / 100)) {
					used[i]
					right++
					break
				}
			}
		}
		END { print told + 0, (right >= told - (told > 2 ? int((told + 9) / 10) : 0) ? "right" : right + 0) }' "$work/seen" "$work/told")" "$3 right" \
		"told: $(head -n 40 "$work/told" | xargs)
seen, which lacks $lacks_most us: $(head -n 60 "$work/seen" | xargs)"
}

# ---- Open vSwitch, where a test sets $vswitchd ----

ovs_stop() { # all threads of it
	kill -STOP "$vswitchd"
	wait_for 10 ovs_stands
}

ovs_stands() {
	! cat "/proc/$vswitchd/task/"*/status | grep ^State: |
		grep -v 'T (stopped)' > "$work/stands"
}

ovs_go() {
	kill -CONT "$vswitchd"
}

ovs_begin() { # once more, in the lab's way (topology.sh)
	unshare --time --monotonic 100 --fork ovs-vswitchd -vconsole:off unix:/run/openvswitch/db.sock \
		--pidfile --detach --log-file --no-chdir
}

ovs_ends() { # [SIGNAL]
	kill -"${1:-TERM}" "$vswitchd"
	wait_for 20 eval "! kill -0 $vswitchd 2> $work/kill.err"
}

ovs_restart() { # its OpenFlow flows are gone then
	ovs_ends
	ovs_begin
	vswitchd=$(< /run/openvswitch/ovs-vswitchd.pid)
}

lookups_lost() { # DATAPATH: upcalls that it lost, by its own count; no ovs-vswitchd need run
	ovs-dpctl show "$1" | sed -n 's/.*lookups: .* lost:\([0-9]*\).*/\1/p'
}

of() { ovs-ofctl -O OpenFlow13,OpenFlow15 "$@"; }

flows_gone() {
	[ -z "$(ovs-appctl dpctl/dump-flows system@ovs-system)" ]
}

# Nothing of what was before is there, nor in ovs-vswitchd's mind
flows_delete() {
	ovs-appctl revalidator/purge
	ovs-appctl dpctl/del-flows system@ovs-system
	wait_for 10 flows_gone
}

# ---- traffic ----

# Bytes as they are, from the peer
raw() { # HEX
	local i bytes=
	for ((i = 0; i < ${#1}; i += 2)); do
		bytes+="\\x${1:i:2}"
	done
	# shellcheck disable=SC2059
	printf "$bytes" | ip netns exec peer socat -u - INTERFACE:vp1
}

# The number of packets that labgen says it sent.
sent() { # COMMAND...
	"$@" | sed -n "s/.*\"sent\":\([0-9]*\).*/\1/p"
}

# Have the applications of a namespace read all that came? The queue's length is in hex behind a colon.
# shellcheck disable=SC2016
udp_is_read='split($5, q, ":") == 2 && q[2] !~ /^0*$/ { left = 1 } END { exit left }'
is_read() { # NETNS
	ip netns exec "$1" cat /proc/net/udp /proc/net/udp6 | awk "$udp_is_read"
}

# UDP sinks in a guest
guest_sinks() { # GUEST PORT...
	guest_run "$1" "for p in ${*:2}; do
			labgen sink --rcvbuf 16000000 --port \$p > /tmp/sink.\$p 2>&1 &
			echo \$! > /tmp/pid.\$p
		done
		for p in ${*:2}; do while [ ! -s /tmp/sink.\$p ]; do usleep 20000; done; done"
}

guest_received() { # GUEST PORT...: ends those sinks
	guest_run "$1" "while ! awk '$udp_is_read' /proc/net/udp /proc/net/udp6; do usleep 50000; done
		for p in ${*:2}; do
			kill \$(cat /tmp/pid.\$p)
			while ! grep received /tmp/sink.\$p; do usleep 20000; done
		done" | jq -r .received | xargs
}

guest_send() { # GUEST DST DPORT N RATE [LABGEN OPTION...]
	local n
	n=$(guest_run "$1" "labgen udp --dst $2 --dport $3 --count $4 --rate $5 ${*:6}" | jq -r .sent)
	[ "$n" = "$4" ] || not_ok "$1 sends $4 datagrams to port $3" "labgen says '$n'"
}
