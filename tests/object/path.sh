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
summary|--path host-tx --phy-interface lo --threshold 5ms|--threshold 5ms: single packets are what path details prints
summary|--path host-tx --phy-interface lo --sort-by size|--sort-by size
summary|--path vm-tx --phy-interface lo --vm-interface lo --internal-interface lo|--internal-interface lo: path vm-tx
summary|--path host-rx --phy-interface lo --internal-interface nosuchdevice|--internal-interface nosuchdevice: no such device
summary|--direction both --phy-interface lo --vm-interface lo|--direction both: of a guest one direction
summary|--path host-tx --phy-interface lo --vlan 5|--vlan 5: what this host sends gets its tag on the way
summary|--path host-rx --phy-interface lo --netns 1|--netns
summary|--path host-tx --phy-interface lo --protocol arp|--protocol arp: path host-tx begins with what this host's IP layer sends
summary|--path host-tx --phy-interface lo --type lldp|--type: path host-tx begins with what this host's IP layer sends
rtt|--phy-interface lo --protocol udp|--protocol, --port, --type: path host-rtt sees ICMP echo and nothing else
rtt|--phy-interface lo --dst-port 80|--protocol, --port, --type: path host-rtt sees ICMP echo and nothing else
rtt|--direction both --phy-interface lo|--direction both
rtt|--direction rx --phy-interface lo --vm-interface lo|--direction rx
rtt|--phy-interface lo --threshold 5ms --interval 5|--interval is for reports
rtt|--phy-interface lo --threshold 0|--threshold 0
metrics|--direction tx --phy-interface lo --threshold soon|--threshold soon
pair||needs --vm-interface
pair|--send-dev lo|needs --send-dev and --recv-dev
pair|--vm-interface lo --gap 0|--gap 0
pair|--pairs lo=1|--pairs lo=1
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

# Each as its own help has it. --dry-run attaches nothing; --verbose says what the words were taken for.
planned() { # WANTED COMMAND...
	local wanted=$1 status
	shift
	timeout -s KILL 60 "$netsonde" "$@" --dry-run --verbose > "$work/out" 2>&1 < /dev/null
	status=$?
	like "older: $*" "$status $(grep -E '^netsonde path [a-z]+: path [a-z-]+' "$work/out" || cat "$work/out")" \
		"^[03] netsonde path $wanted\$"
}

# Which programs a run would look for: those that this kernel cannot have are named with the reason.
looked_for() { # COMMAND...
	timeout -s KILL 60 "$netsonde" path summary "$@" --dry-run --verbose 2>&1 < /dev/null |
		grep -oE "\\b($hooks) by (fentry|kprobe)" | cut -d ' ' -f 1 | sort -u | xargs
}

if [ ! -r /sys/kernel/btf/vmlinux ] || [ "$(id -u)" != 0 ]; then
	skip "older command lines" "needs root and a kernel with BTF"
	finish
fi

a='--src-ip 10.0.0.1 --dst-ip 10.0.0.2'
# a NIC and a tap: any two devices
dev=
for name in /sys/class/net/*; do
	[ "${name##*/}" = lo ] || dev=${name##*/}
done
if [ -z "$dev" ]; then
	skip "older command lines" "there is but one network device"
	finish
fi

# what they were taken for | command line; DEV is the second device
while IFS='|' read -r wanted words; do
	# shellcheck disable=SC2086
	planned "${wanted//DEV/$dev}" ${words//DEV/$dev}
done <<END
summary: path host-rx, NIC lo|system_network_latency_summary --phy-interface lo $a --direction rx --protocol icmp --interval 60
summary: path host-tx, NIC lo|system_network_latency_summary.py --phy-interface lo --direction tx --protocol tcp --src-ip 10.0.0.1 --stage-latency
summary: path host-tx, NIC lo|system_network_latency_summary --phy-interface lo --direction tx --protocol all --interval 10 --sort-by p90 --top 20
summary: path vm-tx, NIC lo, guest DEV|vm_network_latency_summary --vm-interface DEV --phy-interface lo --direction tx --src-ip 10.0.0.1
summary: path vm-rx, NIC lo, guest DEV|vm_network_latency_summary --vm-interface DEV --phy-interface lo --protocol tcp --dst-port 22 --direction rx --interval 10
summary: path vm-rx, NIC lo, guest DEV|vm_network_latency_summary --vm-interface DEV --phy-interface lo --vm-ip 10.0.0.100 --protocol tcp --direction rx --enable-ct
summary: path host-rx, NIC lo|system_network_rx_internal_port_latency_details --phy-interface lo $a --dst-port 80 --protocol tcp --interval 5
summary: path host-rx, NIC lo, port DEV|system_network_rx_internal_port_latency_details.py --phy-interface lo --internal-interface DEV
summary: path port-rx, NIC lo|enqueue_to_iprec_latency_summary --interface lo $a --dst-port 2181 --protocol tcp --interval 1
summary: path port-rx, NIC lo|enqueue_to_iprec_latency_summary.py --interface lo --dst-ip 10.0.0.1 --protocol tcp --interval 1 --debug
summary: path port-rx, each packet, NIC lo, at nic 100us or more, at port_in 100us or more|enqueue_to_iprec_latency_summary --interface lo --threshold 100
details: path port-rx, each packet, NIC lo, at nic 5.00ms or more, at port_in 5.00ms or more|enqueue_to_iprec_latency_threshold --interface lo --dst-ip 10.0.0.1 --protocol tcp --threshold-us 5000
details: path port-rx, each packet, NIC lo, at nic 1.00ms or more, at port_in 1.00ms or more|enqueue_to_iprec_latency_threshold --interface lo
details: path host-tx, each packet, NIC lo, of 100ms or more|system_network_latency_details --phy-interface lo --direction tx --latency-threshold 100000
details: path host-rx, each packet, NIC lo, of 100ms or more|system_network_latency_details --phy-interface lo --direction rx --threshold 100ms
details: path host-tx, each packet, NIC lo, of 100us or more|system_network_latency_details $a --protocol tcp --direction tx --phy-interface lo --latency-us 100
details: path host-rx, each packet, NIC lo|system_network_latency_details --src-ip 10.0.0.1 --dst-port 53 --protocol udp --direction rx --phy-interface lo
details: path vm-tx, each packet, NIC lo, guest DEV, of 5.00ms or more|vm_network_latency_details --vm-interface DEV --phy-interface lo --direction tx --latency-threshold 5000
details: path vm-rx, each packet, NIC lo, guest DEV, of 100us or more|vm_network_latency_details $a --protocol tcp --direction rx --vm-interface DEV --phy-interface lo --latency-us 100
metrics: path host-both, NIC lo, port DEV|system_network_perfomance_metrics --internal-interface DEV --phy-interface lo --src-ip 10.0.0.1
metrics: path host-tx, NIC lo, port DEV|system_network_performance_metrics --internal-interface DEV --phy-interface lo --direction tx --src-ip 10.0.0.1 --enable-ct
metrics: path host-both, each packet, NIC lo, port DEV, of 100us or more|system_network_perfomance_metrics --internal-interface DEV --phy-interface lo --src-ip 10.0.0.1 --latency-us 100
metrics: path vm-rx, NIC lo, guest DEV|vm_network_performance_metrics --vm-interface DEV --phy-interface lo --direction rx --dst-ip 10.0.0.2
metrics: path vm-tx, each packet, NIC lo, guest DEV, of 100us or more|vm_network_performance_metrics --vm-interface DEV --phy-interface lo --direction tx --src-ip 10.0.0.1 --latency-us 100
rtt: path host-rtt, each packet, NIC lo, NIC DEV|system_network_icmp_rtt $a --phy-iface1 lo --phy-iface2 DEV --direction tx
rtt: path host-rtt-rx, each packet, NIC lo|system_network_icmp_rtt $a --phy-iface1 lo --direction rx --disable-kernel-stacks
rtt: path host-rtt, each packet, NIC lo, NIC DEV, of 10.0ms or more|system_network_icmp_rtt.py $a --phy-interface lo,DEV --latency-ms 10
rtt: path host-rtt, each packet, NIC lo|kernel_icmp_rtt $a --interface lo --direction tx
rtt: path host-rtt-rx, each packet, NIC lo|kernel_icmp_rtt $a --interface lo --direction rx
rtt: path host-rtt, each packet, NIC lo, NIC DEV, of 10.0ms or more|kernel_icmp_rtt $a --interface lo,DEV --latency-ms 10
pair: path vm-vm, sender lo, receiver DEV|vm_pair_latency --src lo --dst DEV --port 62109 --histogram --interval 1
pair: path vm-vm, sender lo, receiver DEV|vm_pair_latency --send-dev lo --recv-dev DEV
pair: path vm-vm, sender lo, receiver DEV|multi_vm_pair_latency --send-dev lo --recv-dev DEV --ports 62109 61968
pair: path vm-vm, sender lo, receiver DEV|multi_vm_pair_latency_pairid --pairs lo,DEV=100 --ports 62109 61968 61969
pair: path vm-vm, guest lo, guest DEV|multi_vm_pair_latency_pairid --pairs lo,DEV=100;DEV,lo=101
pair: path vm-vm, sender lo, receiver DEV|vm_pair_gap --send-dev lo --recv-dev DEV
pair: path vm-vm, sender lo, receiver DEV|multi_vm_pair_gap --send-dev lo --recv-dev DEV
pair: path vm-vm, sender lo, receiver DEV|multi_port_gap --send-dev lo --recv-dev DEV --threshold 100
pair: path vm-vm, sender lo, receiver DEV|multi_vm_pair_multi_port_gap --send-dev lo --recv-dev DEV --ports 62109 61968 61970 --threshold 100
END
is "older: a list in one word, with blanks" "$(timeout 60 "$netsonde" multi_vm_pair_latency --send-dev "lo, $dev" --recv-dev "$dev lo" \
	--dry-run --verbose 2>&1 | grep -oE 'path vm-vm, .*')" "path vm-vm, guest lo, guest $dev"

# ---- programs that the filter makes needless ----

hooks='out4|out6|out6_late|ip4|ip6|l4_4|l4_6|forward4|forward6|socket_udp|socket_tcp|read_udp|coalesced'
while IFS='|' read -r words wanted; do
	# shellcheck disable=SC2086
	is "needed: $words" "$(looked_for $words --phy-interface lo)" "$wanted"
done <<'END'
--path host-tx|out4 out6 out6_late
--path host-tx --dst-ip 10.0.0.2|out4
--path host-tx --dst-ip fd00::2|out6 out6_late
--path host-tx --dst-ip fd00::2 --protocol udp|out6
--path host-tx --protocol icmp|out4
--path host-tx --protocol icmpv6|out6
--path host-tx --type ipv6|out6 out6_late
--path host-tx --vni 5 --inner --dst-ip 10.0.0.2|out4 out6 out6_late
--path host-rx --socket|coalesced ip4 ip6 l4_4 l4_6 read_udp socket_tcp socket_udp
--path host-rx --socket --src-ip 10.0.0.2 --protocol tcp|coalesced ip4 l4_4 socket_tcp
--path host-rx --socket --src-ip fd00::2 --protocol udp|ip6 l4_6 read_udp socket_udp
--path forward --src-ip 10.0.0.2|forward4 ip4
--path host-rtt|ip4 ip6 l4_4 l4_6 out4 out6
END
finish
