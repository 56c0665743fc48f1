#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# cli.sh: the command line: what it refuses and how, what its help says, its JSON; needs no drop and no lab.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. tests/tap.sh
netsonde=$PWD/build/netsonde
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools=(packets stacks qdisc)

# A refusal is one sentence on stderr that names the tool, nothing on stdout, and that status.
refused() { # STATUS REGEX COMMAND...
	local want=$1 regex=$2 status
	shift 2
	timeout -s KILL 20 "$@" > "$work/out" 2> "$work/err" < /dev/null
	status=$?
	like "refused: ${*/#"$netsonde"/netsonde}" \
		"$status, $(wc -l < "$work/err") line, $(wc -c < "$work/out") bytes: $(cat "$work/err")" \
		"^$want, 1 line, 0 bytes: netsonde[^:]*: .*($regex)"
}

# Words that no tool takes.  options | what the sentence must say
bad_words='
--bogus|--bogus
-x|-x
extra|extra
--src-ip|--src-ip needs a value
--duration|--duration needs a value
--src-ip 300.1.1.1|--src-ip 300.1.1.1
--src-ip 10.0.0|--src-ip 10.0.0
--src-ip example.org|--src-ip example.org
--dst-ip fd00::1::2|--dst-ip fd00::1::2
--dst-ip fd00::zz|--dst-ip fd00::zz
--host 10.0.0.0/33|--host 10.0.0.0/33
--host fd00::/129|--host fd00::/129
--host 10.0.0.0/|--host 10.0.0.0/
--src-port 70000|--src-port 70000
--dst-port -1|--dst-port -1
--port http|--port http
--port 80,|--port 80,
--port 90-80|--port 90-80
--protocol xyz|--protocol xyz
--protocol 256|--protocol 256
--type xyz|--type xyz
--vlan 4095|--vlan 4095
--vlan x|--vlan x
--vni 16777216|--vni 16777216
--dev nosuchdevice|--dev nosuchdevice: no such device
--dev a-name-that-is-too-long|--dev a-name-that-is-too-long
--netns nowhere|--netns nowhere
--interval 0|--interval 0
--interval 5x|--interval 5x
--duration -5|--duration -5
--duration ten|--duration ten
--count 0|--count 0
--count x|--count x
--btf /nowhere/btf|/nowhere/btf
--btf /etc/passwd|--btf /etc/passwd: [^0-9]*$
--src-ip 10.0.0.1 --dst-ip fd00::1|IPv4 and IPv6
--host 10.0.0.1 --src-ip fd00::1|IPv4 and IPv6
--protocol icmp --port 80|port
--protocol arp --src-ip fd00::1|arp
--protocol icmpv6 --src-ip 10.0.0.1|icmpv6
--src-ip 10.0.0.1 --src-ip 10.0.0.2|--src-ip
'
while IFS='|' read -r words says; do
	[ -n "$words" ] || continue
	# one tool for each line, in turn: they share the code that reads options
	# shellcheck disable=SC2086
	refused 2 "$says" "$netsonde" drop "${tools[tap_count % 3]}" $words
done <<< "$bad_words"

refused 2 'nope' "$netsonde" nope
refused 2 'nope' "$netsonde" drop nope
refused 2 'drop' "$netsonde" drop
refused 2 '--bogus' "$netsonde" --bogus
refused 2 'colour' "$netsonde" drop stacks --group-by colour
refused 2 '--top 0' "$netsonde" drop stacks --top 0
refused 2 '--each' "$netsonde" drop qdisc --sample 5
refused 2 'NO_SUCH_REASON' "$netsonde" drop packets --reason NO_SUCH_REASON
refused 2 '--reason' "$netsonde" drop packets --reason ''
refused 2 '--type xyz' "$netsonde" eth_drop --type xyz
refused 1 '/nowhere/x: No such file' "$netsonde" drop packets --output /nowhere/x --duration 1
refused 1 '/: Is a directory' "$netsonde" drop packets --output / --duration 1
# a kernel whose types know no tracepoint kfree_skb
if printf "struct sk_buff { int len; } skb;" | clang -g -target bpf -x c -c -o "$work/none.o" - 2> "$work/clang.err"; then
	refused 3 "this kernel" "$netsonde" drop packets --btf "$work/none.o"
else
	skip "a kernel without the hook" "no clang"
fi
refused 1 'root|CAP_|permi' setpriv --reuid 65534 --regid 65534 --clear-groups "$netsonde" drop stacks --duration 1

# ---- help, schema, version, doctor ----

expect_words() { # TITLE STATUS REGEX COMMAND...
	local title=$1 want=$2 regex=$3
	shift 3
	timeout 20 "$@" > "$work/out" 2> "$work/err" < /dev/null
	like "$title" "$?: $(cat "$work/out" "$work/err")" "^$want: .*$regex"
}

expect_words "netsonde alone says how it is used" 0 'usage: netsonde' "$netsonde"
expect_words "netsonde --help" 0 'usage: netsonde' "$netsonde" --help
expect_words "netsonde ovs --help" 0 'usage: netsonde ovs TOOL' "$netsonde" ovs --help
expect_words "netsonde --version" 0 '[0-9]+\.[0-9]+' "$netsonde" --version
for tool in "${tools[@]}"; do
	expect_words "drop $tool --help" 0 "netsonde drop $tool" "$netsonde" drop "$tool" --help
	help=$(cat "$work/out")
	# each option that the help names is taken: with a value that suits none, or with none, the
	# complaint is about the value or the next word, never "no such option"
	unknown=
	for option in $(grep -o '^  --[a-z-]*' <<< "$help"); do
		timeout 20 "$netsonde" drop "$tool" "$option" '?' "extra" > "$work/out" 2> "$work/err" < /dev/null
		! grep -q 'no such option' "$work/err" || unknown+=" $option"
	done
	is "drop $tool takes each option of its help" "$unknown" ""
	is "drop $tool --schema is one JSON schema" \
		"$("$netsonde" drop "$tool" --schema | jq -rs 'length, (.[0] | type, has("$schema"))' | xargs)" \
		"1 object true"
	expect_words "drop $tool --dry-run says what it would attach" 0 'kfree_skb|qdisc_drop' \
		"$netsonde" drop "$tool" --dry-run
done
expect_words "doctor" 0 'BTF' "$netsonde" doctor
is "doctor --json is JSON" "$("$netsonde" doctor --json | jq -s 'length > 0')" true

# ---- older names with their options ----

older='
ovs upcalls|ovs_upcall_latency_summary --src-ip 10.0.0.1 --dst-ip 10.0.0.2 --src-port 5 --dst-port 22 --proto tcp --interval 60
ovs upcalls|ovs_upcall_latency_summary.py --protocol all
ovs upcalls|queue_userspace_packet_retval --src-ip 10.0.0.1 --dst-ip 10.0.0.2 --protocol icmp --filter-error
ovs upcalls|queue_userspace_packet_retval.py
ovs megaflows|ovs_userspace_megaflow --ip-src 10.0.0.1 --ip-dst 10.0.0.2 --ip-proto 1
ovs drops|ovs-kernel-module-drop-monitor --src-ip 10.0.0.1 --dst-ip 10.0.0.2 --protocol tcp
ovs actions|ovs_mcast_action_trace --dst-ip ff05::1 --debug
ovs conntrack|trace-ovs-ct-invalid.bt
'
while IFS='|' read -r tool words; do
	[ -n "$words" ] || continue
	# shellcheck disable=SC2086
	is "older: $words" "$("$netsonde" $words --schema 2>&1 | jq -c .properties.tool.const)" "\"$tool\""
done <<< "$older"

# ---- output that cannot be written ----

"$netsonde" --help > /dev/full 2> "$work/err"
is "a full disk is not taken for success" "$?" 1 "$(cat "$work/err")"
"$netsonde" drop packets --schema > /dev/full 2> "$work/err"
is "a full disk is not taken for success: --schema" "$?" 1 "$(cat "$work/err")"
"$netsonde" doctor --json 2> "$work/err" | true
is "a reader that has gone is told as such" "$(grep -c "its reader closed it$" "$work/err")" 1 "$(cat "$work/err")"
for form in "" --json; do
	timeout 60 "$netsonde" drop stacks --interval 1 $form > /dev/full 2> "$work/err"
	is "a full disk ends a run $form" "$? $(grep -c "standard output, stopped: No space left" "$work/err")" "1 1" \
		"$(cat "$work/err")"
done

finish
