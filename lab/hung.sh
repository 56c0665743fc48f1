# What a VM was doing that did not end in time: functions of lab/vm.
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash

# hung_ask RUN_DIR QEMU_PID: has QEMU interrupt the kernel, which then writes what its CPUs and tasks do to the console
# and dies (unknown_nmi_panic, panic_print). If the CPUs do not even take an interrupt, their registers tell.
hung_ask() {
	local thread name reader wait
	for thread in "/proc/$2/task"/*; do
		# name, state, ticks of CPU time
		name=$(< "$thread/comm")
		awk -v name="$name" '{ sub(/.*\) /, ""); print name ": " $1 ", " $12 + $13 " ticks" }' "$thread/stat"
	done > "$1/threads"
	{
		echo "info registers -a"
		echo "nmi"
	} 1<> "$1/mon.in"
	cat <> "$1/mon.out" > "$1/registers" &
	reader=$!
	for ((wait = 0; wait < 50; wait++)); do
		kill -0 "$2" 2> /dev/null || break
		sleep 0.2
	done
	kill "$reader"
	wait "$reader" || true
}

# hung_answered RUN_DIR: true if the kernel took the interrupt
hung_answered() {
	grep -q NMI "$1/console.log"
}

# hung_report RUN_DIR: a line for each of QEMU's threads, each CPU and each task that is not the kernel's own
hung_report() {
	sed 's/^/QEMU thread /' "$1/threads"
	sed -n 's/.*\(CPU#[0-9]*\).*/\1/p; s/.*\(RIP=[0-9a-f]*\).*/  \1/p' "$1/registers"
	awk '
	function tell() {
		if (who != "" && (who ~ /^CPU/ || frames ~ /do_syscall|entry_SYSCALL|asm_/))
			print who ": " frames
		who = frames = ""
		n = 0
	}
	{ sub(/\r$/, ""); sub(/^\[[^]]*\] */, "") }
	/^task:/ { tell(); match($0, /pid:[0-9]+/); who = $1 " " $2 " " substr($0, RSTART, RLENGTH); next }
	/^[^ ]+ +[RSDTtZI] / && !/^task:/ { tell(); who = "task:" $1 " state:" $2; next }
	/^CPU: [0-9]+ PID:/ { tell(); who = "CPU " $2 " " $5 " " $6 " " $7; next }
	/^NMI backtrace for cpu/ { tell(); who = "CPU " $5; next }
	/^RIP: / { frames = frames $2 " " }
	/^ ? *(\? )?[A-Za-z0-9_.]+\+0x[0-9a-f]+\/0x/ && who != "" && $1 != "?" {
		sub(/\+.*/, "", $1)
		if (n++ < 12 || $1 ~ /do_syscall/)
			frames = frames "< " $1 " "
	}
	END { tell() }' "$1/console.log"
}
