#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# schema.sh: each line of JSON that the tools print here has the members and types that their --schema declares, and no
# others; and each member is said in words. The lab holds the drop tools on its kernels to it (lib.sh).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. tests/tap.sh
netsonde=$PWD/build/netsonde
labgen=$PWD/build/lab-bin/labgen
work=$(mktemp -d)
trap 'ip netns del "schema$$" 2> "$work/del.err"; rm -rf "$work"' EXIT

"$netsonde" --help | awk '/^  [a-z]/ { print $1, ($2 ~ /^[a-z]+$/ && $3 ~ /^[SD]$/ ? $2 : "") }' |
	sed 's/ *$//' > "$work/tools"
while read -ra tool; do
	"$netsonde" "${tool[@]}" --schema | jq -c . || echo "${tool[*]}" >> "$work/broken"
done < "$work/tools" > "$work/schemas"
is "each tool has a schema" "$(jq -r .title "$work/schemas" | sort)" "$(sort "$work/tools")"
is "each member is said in words" "$(jq -r '.title as $tool | .properties | to_entries[] |
	select(.value.description == null) | "\($tool): \(.key)"' "$work/schemas")" ""

checked() { # TITLE FILE...: the lines in these files
	local title=$1
	shift
	cat "$work/schemas" "$@" > "$work/lines"
	is "$title: as the schema has it" "$(schema_faults "$work/lines" 2>&1)" ""
}

# the check itself
sed -n 's/^{.*"title":"doctor".*/&/p' "$work/schemas" > "$work/doctored"
echo '{"type":"feature","tool":"doctor","feature":5,"more":1}
{"type":"none","tool":"doctor","has":null}
{"type":"tool","tool":"doctor","works":true,"probes":[]}
{"type":"start","tool":"drop all"}' >> "$work/doctored"
is "faults are seen" "$(schema_faults "$work/doctored" | paste -sd';')" \
	'doctor feature.feature is 5;doctor feature.more is not declared;doctor none.has is null;doctor none.type is "none";drop all: no schema'

"$netsonde" doctor --json > "$work/doctor" 2> "$work/err"
checked "doctor" "$work/doctor"
while read -ra tool; do
	"$netsonde" "${tool[@]}" --dry-run --json > "$work/dry.${tool[*]}" 2> "$work/err"
done < <(grep ' ' "$work/tools")
checked "--dry-run" "$work"/dry.*

# ---- real drops ----

if [ "$(id -u)" != 0 ] || ! ip netns add "schema$$" 2> "$work/err" ||
	! ip link add "c$$" type veth peer name c1 netns "schema$$" 2>> "$work/err"; then
	skip "lines of real runs" "no namespace, or no veth: $(head -n 1 "$work/err")"
	finish
fi
ip link set "c$$" netns "schema$$" name c0
ip -n "schema$$" addr add 10.67.0.1/24 dev c0
ip -n "schema$$" link set c0 up
ip -n "schema$$" link set c1 up
# a queue to overflow, where this kernel has one
ip netns exec "schema$$" tc qdisc add dev c1 root pfifo limit 1 2> "$work/tc.err"

runs='
packets
packets --no-stack --all --cost --rate 5
stacks
stacks --group-by reason --interval 200ms --cost
stacks --group-by netns,place --all --sizes
stacks --group-by all --src-ip 10.67.0.2 --sizes
stacks --no-stack --dst-ip 10.67.0.99
qdisc
qdisc --each --sample 2
'
pids=()
while read -ra words; do
	[ ${#words[@]} -gt 0 ] || continue
	"$netsonde" drop "${words[@]}" --json --netns "schema$$" > "$work/run.${#pids[@]}" 2> "$work/err.${#pids[@]}" &
	pids+=($!)
done <<< "$runs"
for i in "${!pids[@]}"; do
	for _ in {1..600}; do
		[ ! -s "$work/run.$i" ] && kill -0 "${pids[i]}" 2> "$work/kill.err" || break
		sleep 0.05
	done
done
if ! grep -q '"type":"start"' "$work/run.0"; then
	skip "lines of real runs" "$(head -n 1 "$work/err.0")"
	finish
fi
is "none takes 20 MB" "$(for pid in "${pids[@]}"; do
	awk -v run="$(tr '\0' ' ' < /proc/$pid/cmdline)" '$1 == "VmHWM:" && $2 >= 20480 { print run ": " $2 " KiB" }' /proc/$pid/status
done)" ""
for words in "--dport 7001" "--dport 7002 --bad-ip-checksum" "--dport 7003 --vlan 5" "--protocol icmp" "--protocol 132" \
	"--protocol tcp --dport 7004" "--dport 7005 --size 3000 --fragments 3"; do
	# shellcheck disable=SC2086
	"$labgen" frames --netns "schema$$" --dev c1 --src 10.67.0.2 --dst 10.67.0.1 --dst-mac 02:00:00:00:00:99 \
		--count 20 $words > "$work/sent"
done
sleep 0.5
kill -INT "${pids[@]}"
for i in "${!pids[@]}"; do
	wait "${pids[i]}"
done
checked "drop packets, stacks, qdisc" "$work"/run.*
is "stacks of the whole run stand in its total only" "$(jq -r 'select(.stacks) | .type' "$work"/run.* | sort -u)" total
is "there were drops, or this proves nothing" "$(cat "$work"/run.* | jq -r 'select(.type == "event" or .type == "row") |
	.tool' | sort -u | grep -c -e packets -e stacks)" 2
finish
