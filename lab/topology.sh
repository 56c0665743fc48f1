# The lab's networks, piece by piece: bash functions for scripts in the host VM.
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
#   host VM ── br-int ──┬─ (internal port)      10.0.0.1   fd00::1
#                       ├─ vp0 ═ vp1            10.0.0.2   fd00::2    netns peer
#                       ├─ nic0 ═ nic1 (e1000e) 10.0.0.3   fd00::3    netns nicpeer
#                       └─ tap-NAME ═ guest     10.0.0.N   fd00::N    nested guest, vhost-net

# Every address there is: NAME DEVICE IPV4 IPV6 MAC; NAME is "host", a netns or a guest.
lab_nodes=()
lab_guests=()

# lab_wait SECONDS COMMAND...: until COMMAND succeeds. By the clock of the VM.
lab_wait() {
	local end up
	read -r up _ < /proc/uptime
	end=$((${up%.*} + $1))
	shift
	until "$@"; do
		read -r up _ < /proc/uptime
		if [ "${up%.*}" -gt "$end" ]; then
			echo "lab: waited in vain for: $*" >&2
			return 1
		fi
		busybox usleep 50000
	done
}

# Tests count packets, so nothing may be sent that nobody asked for: no router solicitations, no
# duplicate address checks, no link-local addresses, multicast reports once and at once. New
# network namespaces inherit it.
lab_quiet() {
	local c=/proc/sys/net/ipv6/conf d
	echo 1 > /proc/sys/net/core/devconf_inherit_init_net
	echo 1 > /proc/sys/net/ipv6/mld_qrv
	for d in $c/*; do
		echo 0 > "$d/accept_dad"
		echo 0 > "$d/accept_ra"
		echo 0 > "$d/router_solicitations"
		echo 1 > "$d/mldv2_unsolicited_report_interval"
		echo 1 > "$d/mldv1_unsolicited_report_interval"
		[ "${d##*/}" = all ] || echo 1 > "$d/addr_gen_mode"
	done
}

# in_ns NAME COMMAND...: in a network namespace, or on the host for "host"
in_ns() {
	local ns=$1
	shift
	if [ "$ns" = host ]; then
		"$@"
	else
		ip netns exec "$ns" "$@"
	fi
}

ns_add() {
	[ -e "/run/netns/$1" ] || ip netns add "$1"
	ip -n "$1" link set lo up
}

# lab_node NAME DEVICE IPV4/LEN IPV6/LEN: gives the device its addresses and notes them
lab_node() {
	local ns=() mac
	[ "$1" = host ] || ns=(-n "$1")
	mac=$(ip "${ns[@]}" -o -batch - <<< "link set $2 up
		addr add $3 dev $2
		addr add $4 dev $2 nodad
		link show $2") || return
	mac=${mac##*link/ether }
	mac=${mac%% *}
	lab_nodes+=("$1 $2 ${3%/*} ${4%/*} $mac")
}

# Open vSwitch, kernel datapath, and br-int with its internal port
ovs_up() {
	local run=/run/openvswitch
	modprobe openvswitch || return
	mkdir -p $run /var/log/openvswitch
	ovsdb-server -vconsole:off /etc/openvswitch/conf.db --remote=punix:$run/db.sock \
		--pidfile --detach --log-file --no-chdir || return
	# Open vSwitch 3.1 counts CPUs only once its clock has passed 10 s; started in a younger
	# machine it runs no upcall handler and loses each packet that has no flow yet.
	unshare --time --monotonic 100 --fork ovs-vswitchd -vconsole:off unix:$run/db.sock \
		--pidfile --detach --log-file --no-chdir || return
	ovs-vsctl --no-wait init || return
	ovs-vsctl --may-exist add-br br-int -- set bridge br-int \
		other-config:hwaddr=52:54:00:00:00:01 \
		other-config:mac-aging-time=3600 || return
	lab_node host br-int 10.0.0.1/24 fd00::1/64
}

# A veth pair: vp0 in br-int, vp1 in the namespace "peer"
peer_veth() {
	ns_add peer
	ip link add vp0 type veth peer name vp1 address 52:54:00:00:00:02 netns peer || return
	ip link set vp0 up
	ovs-vsctl add-port br-int vp0 || return
	lab_node peer vp1 10.0.0.2/24 fd00::2/64
}

nic_by_mac() {
	local d a
	for d in /sys/class/net/*; do
		read -r a < "$d/address" && [ "$a" = "$1" ] && echo "${d##*/}" && return
	done
	return 1
}

nic_carrier() {
	[[ $(ip -n nicpeer -o link show nic1) == *LOWER_UP* ]] &&
		[ "$(< /sys/class/net/nic0/carrier)" = 1 ]
}

# Two e1000e on one cable: nic0 in br-int, nic1 in the namespace "nicpeer". The link takes two
# seconds to come up; with nic_up called first, other work can go on meanwhile.
nic_up() {
	local a b
	modprobe e1000e || return
	lab_wait 10 nic_by_mac 52:54:00:00:01:02 > /dev/null || return
	a=$(nic_by_mac 52:54:00:00:01:01) && b=$(nic_by_mac 52:54:00:00:01:02) || return
	ns_add nicpeer
	ip -batch - <<< "link set $a name nic0
		link set nic0 up
		link set $b name nic1
		link set nic1 netns nicpeer" || return
	lab_node nicpeer nic1 10.0.0.3/24 fd00::3/64
}

peer_nic() {
	[ -e /sys/class/net/nic0 ] || nic_up || return
	ovs-vsctl add-port br-int nic0 || return
	lab_wait 20 nic_carrier
}

# guest_up NAME IPV4/LEN QUEUES [QEMU ARGUMENTS]: a nested guest on tap-NAME in br-int, with
# vhost-net. Its IPv6 address is fd00::N for the IPv4 address x.y.z.N. $GUEST_MODULES: names of
# further kernel modules that it loads. $GUEST_MEM: MiB (320).
guest_up() {
	local n=$1 ip4=$2 q=$3 ip6 mac mq= nq= i m g boot extra ports=() qemu append queues=
	shift 3
	boot=/lib/modules/$(uname -r)/boot
	g=/run/guest/$n
	ip6=${ip4%/*}
	ip6=fd00::${ip6##*.}/64
	mac=52:54:00:00:02:$(printf %02x $((${#lab_guests[@]} + 1)))
	modprobe -a kvm_amd vhost_net tun || return
	mkdir -p "$g/root/usr/bin" "$g/root/mod"

	# what changes from run to run is one more part of the initramfs
	cp /share/lab/guest "$g/root/init"
	cp /run/bin/* "$g/root/usr/bin/" 2> /dev/null
	for m in ${GUEST_MODULES-}; do
		modprobe --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | while read -r extra; do
		cp "$extra" "$g/root/mod/"
		echo "${extra##*/}" >> "$g/root/mod/order.extra"
	done
	{
		cat /usr/lib/lab/guest.cpio "$boot/guest.cpio"
		(cd "$g/root" && find . | busybox cpio -o -H newc 2> /dev/null)
	} > "$g/initrd"

	if [ "$q" -gt 1 ]; then
		mq=,mq=on,vectors=$((2 * q + 2)) nq=,queues=$q
		ip tuntap add dev "tap-$n" mode tap multi_queue vnet_hdr || return
	else
		ip tuntap add dev "tap-$n" mode tap vnet_hdr || return
	fi
	ip link set "tap-$n" up
	ovs-vsctl add-port br-int "tap-$n" || return
	for i in 0 1 2 3 4 5; do
		mkfifo "$g/p$i.in" "$g/p$i.out"
		ports+=(-chardev "pipe,id=run$i,path=$g/p$i"
			-device "virtserialport,chardev=run$i,name=run$i")
	done
	append="console=ttyS0 quiet mitigations=off panic=-1 tsc=reliable no_timer_check nokaslr audit=0"
	append+=" rdinit=/init"
	# kvm64, since with the host's CPU model some kernels die under emulated nesting
	qemu=(qemu-system-x86_64 -M q35,i8042=off,usb=off -accel kvm -cpu kvm64 -smp "$q"
		-m "${GUEST_MEM:-320}" -nodefaults -no-user-config -display none -no-reboot
		-serial "file:$g/console" -kernel "$boot/vmlinux" -initrd "$g/initrd"
		-append "$append lab.name=$n lab.ip4=$ip4 lab.ip6=$ip6"
		-netdev "tap,id=n0,ifname=tap-$n,script=no,downscript=no,vhost=on$nq"
		-device "virtio-net-pci,netdev=n0,mac=$mac,romfile=$mq"
		-device virtio-serial-pci "${ports[@]}"
		-pidfile "$g/pid" "$@")
	for i in 1 2 3; do
		rm -f "$g/pid"
		"${qemu[@]}" < /dev/null > "$g/qemu.out" 2>&1 &
		echo $! > "$g/qemu.pid"
		guest_watch "$g" &
		if lab_wait 20 guest_started "$g" && guest_alive "$g" &&
		   queues=$(LAB_GUEST_TIMEOUT=$((30 + 30 * i)) guest_run "$n" 'cat /run/queues'); then
			break
		fi
		kill -9 "$(< "$g/qemu.pid")" 2> /dev/null
		echo "lab: guest $n did not start ($i); QEMU and its console say:" >&2
		tail -n 10 "$g/qemu.out" "$g/console" >&2
	done
	touch "$g/watched"
	if [ "$queues" != "$q" ]; then
		echo "lab: guest $n has ${queues:-no} queues, not $q" >&2
		return 1
	fi
	lab_guests+=("$n")
	lab_nodes+=("$n eth0 ${ip4%/*} ${ip6%/*} $mac")
}

# Nested under the emulator, KVM now and then cannot emulate an instruction of the guest's start: QEMU
# says so and stops the guest for ever. Ends such a QEMU, so that guest_up starts it once more.
guest_watch() { # DIR
	while [ ! -e "$1/watched" ] && guest_alive "$1"; do
		if grep -qs 'KVM internal error' "$1/qemu.out"; then
			kill -9 "$(< "$1/qemu.pid")"
			return
		fi
		busybox usleep 500000
	done
}

guest_alive() {
	kill -0 "$(< "$1/qemu.pid")" 2> /dev/null
}

# QEMU has opened its ports, or has ended
guest_started() {
	[ -s "$1/pid" ] || ! guest_alive "$1"
}

# guest_run NAME COMMAND...: runs a shell command in the guest (words joined by spaces, as ssh
# does); its output comes on stdout as it is written, what it writes to stderr at its end, and its
# exit status is returned (125: the guest died or never answered). Text only. Six can run at once.
# It goes over a serial port, so no packet is sent.
guest_run() {
	local n=$1
	shift
	if [ ! -e "/run/guest/$n/qemu.pid" ]; then
		echo "lab: no guest $n" >&2
		return 125
	fi
	( guest_talk "/run/guest/$n" "$*" )
}

# An answer is "ID>" at the end of a line, the output, "ID<STATUS" at the end of a line, what was
# written to stderr, "ID!" (init/guest). Before "ID>" may come what an earlier command left in the
# background has written since.
# shellcheck disable=SC2016
guest_answer='
	function ends(s) { return substr($0, length($0) - length(s) + 1) == s }
	state == 0 { if (ends(id ">")) state = 1; next }
	state == 1 {
		if (match($0, id "<[0-9]+$")) {
			printf "%s", substr($0, 1, RSTART - 1)
			rc = substr($0, RSTART + length(id) + 1) + 0
			state = 2
		} else
			print
		next
	}
	ends(id "!") {
		printf "%s", substr($0, 1, length($0) - length(id) - 1) > "/dev/stderr"
		done = 1
		exit rc
	}
	{ print > "/dev/stderr" }
	END { if (!done) exit 125 }'

guest_talk() {
	local g=$1 id port='' i reader=
	id=r$BASHPID-$RANDOM
	while [ -z "$port" ]; do
		for i in 0 1 2 3 4 5; do
			# an abandoned command may still be running behind this one
			[ ! -e "$g/p$i.left" ] || continue
			exec 7> "$g/p$i.lock"
			if flock -n 7; then
				port=$g/p$i
				break
			fi
		done
		[ -n "$port" ] || busybox usleep 100000
	done
	trap ': > "$port.left"; kill "$reader"; exit 143' TERM INT
	printf '%s %s\n' "$id" "$(printf '%s\n' "$2" | base64 -w 0)" 1<> "$port.in"
	# QEMU holds the other end open, so the reader sees an end of file when the guest dies
	${LAB_GUEST_TIMEOUT:+timeout "$LAB_GUEST_TIMEOUT"} \
		mawk -W interactive -v id="$id" "$guest_answer" < "$port.out" 7>&- &
	reader=$!
	wait "$reader"
	i=$?
	[ "$i" != 124 ] || : > "$port.left"
	return "$i"
}

# node_run NODE COMMAND: a shell command on the host, in a namespace or in a guest
node_run() {
	if [ -e "/run/guest/$1" ]; then
		guest_run "$1" "$2"
	else
		in_ns "$1" sh -c "$2"
	fi
}

# neigh_settle [--static]: every address has reached every other, so the switch knows where they
# are; with --static they also know each other for good, and no neighbour probe is ever sent.
neigh_settle() {
	local a b an ad bn b4 b6 bm cmd entries after
	for a in "${lab_nodes[@]}"; do
		read -r an ad _ <<< "$a"
		cmd='' entries='' after=
		for b in "${lab_nodes[@]}"; do
			if [ "$a" = "$b" ]; then
				after=y
				continue
			fi
			read -r bn _ b4 b6 bm <<< "$b"
			entries+="neigh replace $b4 lladdr $bm nud permanent dev $ad"$'\n'
			entries+="neigh replace $b6 lladdr $bm nud permanent dev $ad"$'\n'
			# the answer teaches the other direction
			[ -z "$after" ] ||
				cmd+="ping -q -c 1 -W 5 $b4 && ping -6 -q -c 1 -W 5 $b6 ||
					{ echo $bn; exit 1; };"
		done
		[ "${1-}" != --static ] || cmd+="printf '$entries' | ip -batch -"
		if [ -n "$cmd" ] && ! b=$(node_run "$an" "$cmd" 2>&1); then
			echo "lab: $an cannot reach ${b##*$'\n'}" >&2
			return 1
		fi
	done
}

# offload_off DEVICE [NETNS]: what the driver sees is what is on the wire
offload_off() {
	local f
	for f in rx tx sg tso gso gro lro rxvlan txvlan; do
		in_ns "${2:-host}" ethtool -K "$1" "$f" off 2> /dev/null
	done
	:
}

topology_none() { :; }

topology_host() {
	nic_up && ovs_up && peer_veth && peer_nic && neigh_settle --static
}

topology_vm() {
	nic_up && ovs_up && peer_veth && peer_nic && guest_up g1 10.0.0.10/24 "${LAB_QUEUES:-1}" &&
		neigh_settle --static
}

lab_quiet
