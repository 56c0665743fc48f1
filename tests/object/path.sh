#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# path.sh: the command line of the path tools: what it refuses and how, what older command lines mean; attaches nothing.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. tests/tap.sh
netsonde=$PWD/build/netsonde
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One sentence on stderr that names the tool, nothing on stdout, status 2, at once: --dry-run is
# not given, so what is not refused would attach and run on.
refused() { # TOOL WORDS SAYS
	local status
	# shellcheck disable=SC2086
	timeout -s KILL 20 "$netsonde" path "$1" $2 > "$work/out" 2> "$work/err" < /dev/null
	status=$?
	like "refused: path $1 $2" \
		"$status, $(wc -l < "$work/err") line, $(wc -c < "$work/out") bytes: $(cat "$work/err")" \
		"^2, 1 line, 0 bytes: netsonde path $1: .*($3)"
}

# tool | words | what the sentence must say
while IFS='|' read -r tool words says; do
	refused "$tool" "$words" "$says"
done <<'END'
summary||needs --path
details||needs --path
summary|--path nope --phy-interface lo|--path nope
summary|--path host-tx|needs --phy-interface
summary|--path host-rx --phy-interface nosuchdevice|nosuchdevice: no such device
summary|--path host-rx --phy-interface lo,nosuchdevice|nosuchdevice: no such device
summary|--path host-rx --phy-interface lo,,lo|--phy-interface
summary|--path host-tx --phy-interface|--phy-interface needs a value
summary|--path host-tx --phy-interface lo --vm-interface lo|--vm-interface lo: no guest
summary|--path forward --phy-interface lo --vm-interface lo|--vm-interface lo: no guest
summary|--path vm-tx --phy-interface lo|needs --vm-interface
summary|--path vm-tx --vm-interface lo|needs --phy-interface
summary|--path vm-vm --vm-interface lo --phy-interface lo|--phy-interface lo: no NIC
summary|--path vm-tx --phy-interface lo --vm-interface lo|lo: cannot be
summary|--path vm-tx --phy-interface lo --vm-interface pid:999999999|pid:999999999: no such process
summary|--path host-tx --direction tx --phy-interface lo|--direction tx
summary|--direction up --phy-interface lo|--direction up
summary|--direction tx|needs --phy-interface
summary|--path host-tx --phy-interface lo --socket|--socket: path host-tx
summary|--path host-tx --phy-interface lo --in-flight 5|--in-flight 5
summary|--path host-tx --phy-interface lo --in-flight x|--in-flight x
summary|--path host-tx --phy-interface lo --in-flight 2000000|--in-flight 2000000
summary|--path host-tx --phy-interface lo --timeout 1x|--timeout 1x
summary|--path host-tx --phy-interface lo --timeout 0|--timeout 0
summary|--path host-tx --phy-interface lo --timeout 1ms|--timeout 1ms
summary|--path host-tx --phy-interface lo --timeout 1h|--timeout 1h
summary|--path host-tx --phy-interface lo --threshold 5ms|--threshold
summary|--path host-tx --phy-interface lo --lost|--lost
details|--path host-tx --phy-interface lo --threshold 0|--threshold 0
details|--path host-tx --phy-interface lo --threshold soon|--threshold soon
details|--path host-tx --phy-interface lo --threshold 5ms,soon|--threshold 5ms,soon
details|--path host-tx --phy-interface lo --threshold nosuchstage=1ms|no stage is called nosuchstage
details|--path host-tx --phy-interface lo --threshold upcall=|--threshold upcall=
details|--path host-tx --phy-interface lo --threshold =5ms|--threshold =5ms
details|--path host-tx --phy-interface lo --threshold read=1ms|path host-tx has no such stage
details|--path host-rx --phy-interface lo --threshold socket=1ms|socket
details|--path host-tx --phy-interface lo --rate 0|--rate 0
END

# ---- older command lines ----

# --dry-run says what would be attached; where this machine's kernel shows too little of the path,
# the sentence that says so names the path. Both show what the words were taken for.
planned() { # TITLE TOOL PATH COMMAND...
	local title=$1 tool=$2 path=$3 status
	shift 3
	timeout -s KILL 60 "$netsonde" "$@" --dry-run > "$work/out" 2>&1 < /dev/null
	status=$?
	like "$title" "$status: $(tr '\n' ' ' < "$work/out")" \
		"^(0: netsonde path $tool on .* would be attached|3: netsonde path $tool: .* path $path (begins|ends))"
}

if [ ! -r /sys/kernel/btf/vmlinux ] || [ "$(id -u)" != 0 ]; then
	skip "older command lines" "needs root and a kernel with BTF"
else
	planned "older spelling: what the host receives" summary host-rx \
		system_network_latency_summary --phy-interface lo --src-ip 10.0.0.1 \
		--dst-ip 10.0.0.2 --direction rx --protocol icmp --interval 60
	planned "older spelling: what the host sends" summary host-tx \
		system_network_latency_summary --phy-interface lo --direction tx
	planned "older spelling: a threshold in microseconds" details host-tx \
		system_network_latency_details --phy-interface lo --direction tx \
		--latency-threshold 100000
	planned "older spelling: a threshold with a unit" details host-rx \
		system_network_latency_details --phy-interface lo --direction rx --threshold 100ms
	# a NIC and a tap: any two devices
	devices=(/sys/class/net/*)
	devices=("${devices[@]##*/}")
	if [ ${#devices[@]} -lt 2 ]; then
		skip "older spelling: guests" "there is but one network device"
	else
		planned "older spelling: what a guest receives" summary vm-rx \
			vm_network_latency_summary --vm-interface "${devices[0]}" \
			--phy-interface "${devices[1]}" --direction rx
		planned "older spelling: slow packets that a guest sends" details vm-tx \
			vm_network_latency_details --vm-interface "${devices[0]}" \
			--phy-interface "${devices[1]}" --direction tx --latency-threshold 5000
	fi
fi
finish
