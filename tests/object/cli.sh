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
--netns 5|--netns 5: no such network namespace
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
refused 2 '--top .*--each' "$netsonde" drop qdisc --each --top 3
refused 2 '--summary .*--each' "$netsonde" drop qdisc --summary --each
refused 2 '--no-stack .*stack' "$netsonde" drop stacks --no-stack --group-by reason,stack
refused 2 '--no-stack .*stack' "$netsonde" drop stacks --group-by stack --no-stack
refused 2 '--max-entries 3' "$netsonde" drop stacks --max-entries 3
refused 2 '/nowhere' "$netsonde" doctor --btf /nowhere
refused 2 '/etc/passwd' "$netsonde" doctor --btf /etc/passwd
refused 2 'NO_SUCH_REASON' "$netsonde" drop packets --reason NO_SUCH_REASON
refused 2 '--reason' "$netsonde" drop packets --reason ''
refused 2 '--type xyz' "$netsonde" eth_drop --type xyz
refused 1 '/nowhere/x: No such file' "$netsonde" drop packets --output /nowhere/x --duration 1
refused 1 '/: Is a directory' "$netsonde" drop packets --output / --duration 1
if printf "struct sk_buff { int len; } skb;" | clang -g -target bpf -x c -c -o "$work/none.o" - 2> "$work/clang.err"; then
	refused 2 "none.o: not the types of a kernel" "$netsonde" drop packets --btf "$work/none.o"
else
	skip "types of something else than a kernel" "no clang"
fi
# a kernel without types of its own
cp /sys/kernel/btf/vmlinux "$work/own.btf"
is "doctor on a kernel without types, with --btf" "$(unshare -m sh -c "mount -t tmpfs none /sys/kernel/btf &&
	'$netsonde' doctor --btf '$work/own.btf' > '$work/without' 2>&1; echo \$?"; grep -c "drop stacks" "$work/without")" "0
1" "$(tail -n 3 "$work/without")"
not_root=(setpriv --reuid 65534 --regid 65534 --clear-groups)
namespace_root=(unshare --user --map-root-user)
refused 1 'must be run as root' "${not_root[@]}" "$netsonde" drop stacks --duration 1
for who in not_root namespace_root no_capabilities; do
	case $who in
	not_root) as=("${not_root[@]}") ;;
	namespace_root) as=("${namespace_root[@]}") ;;
	no_capabilities) as=(setpriv --bounding-set -all --inh-caps -all) ;;
	esac
	if ! "${as[@]}" true 2> "$work/err"; then
		skip "$who: no tool works" "$(cat "$work/err")"
		continue
	fi
	[ $who = not_root ] || refused 1 'lacks the capabilities' "${as[@]}" "$netsonde" drop stacks --duration 1
	is "$who: doctor says that no tool works" "$("${as[@]}" "$netsonde" doctor --json |
		jq -rs 'map(select(.type == "tool")) | length > 10, all(.works == false and (.why | length) > 10)' | xargs)" \
		"true true"
done

# ---- what a terminal would obey ----

csi=$'\x9b31m\x1b[31m'
for words in "$csi" "drop $csi" "drop stacks $csi" "drop stacks --dev $csi" "drop packets --reason $csi" "doctor --$csi"; do
	# shellcheck disable=SC2086
	LC_ALL=C.UTF-8 timeout 20 "$netsonde" $words > "$work/out" 2> "$work/err" < /dev/null
	is "no control character: $(tr '\233\033' '??' <<< "$words")" \
		"$(LC_ALL=C tr -d '\n' < "$work/err" | LC_ALL=C grep -c $'[\x01-\x1f\x7f-\x9f]')/$(wc -l < "$work/err")" "0/1" \
		"$(cat -v "$work/err")"
done

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

# ---- older command lines ----

# What --dry-run says of them: the probes, and what an option means today.
#   tool that it is | what is said beside | words
while IFS='|' read -r tool says words; do
	# shellcheck disable=SC2086
	timeout 20 "$netsonde" $words --dry-run > "$work/out" 2> "$work/err" < /dev/null
	like "older words: $words" "$?: $(tr '\n' ' ' < "$work/err")" "^0: netsonde drop $tool on .*would be attached.*$says"
done <<'END'
stacks||kernel_drop_stack_stats_summary_all -i 5 -d 60 -t 10 -n lo --l4-protocol udp --max-entries 10240
stacks||kernel_drop_stack_stats_summary_all --interval 5 --duration 60 --top 10 --name lo --group-by all --expt-ip 10.0.0.1
stacks||kernel_drop_stack_stats_summary_all.py -i5 -t3 --group-by fivetuple
stacks||kernel_drop_stack_stats_summary -t 10 -n lo --src-ip 192.168.1.10 --dst-port 80 --group-by stack
stacks||kernel_drop_stack_stats --l4-protocol all
packets||eth_drop --type other --interface lo
packets||eth_drop --type arp --no-stack-trace --disable-normal-filter
packets||eth_drop --type 0x8847 --vlan-id 5
packets||eth_drop --type flow_control
packets||eth_drop --type all --l4-protocol tcp --src-ip 10.0.0.1 --src-port 80
qdisc|--drops-only: nothing but drops|qdisc_drop_trace --interface lo --drops-only
qdisc|--summary: counts are|qdisc_drop_trace --interface lo --summary --interval 5
END
refused 2 '-i needs a value|--interval needs a value' "$netsonde" drop stacks -i
refused 2 '--interval is given twice' "$netsonde" drop stacks -i 5 --interval 6
refused 2 "unexpected word '-i'" "$netsonde" drop packets -i 5
is "older words: what a note says, stands in JSON too" \
	"$("$netsonde" qdisc_drop_trace --drops-only --dry-run --json | jq -c '.notes | length')" 1

# ---- size ----

is "the binary has less than 4 MB" "$(($(stat -c %s "$netsonde") < 4000000))" 1
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
