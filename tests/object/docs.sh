#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# docs.sh: the docs say what the binary does, the READMEs name two commands, packages are named once,
# and the worked example of CONTRIBUTING.md builds and counts.

cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

files() { # the repository's files, also where there is no git
	if [ -d .git ]; then
		git -c safe.directory='*' ls-files -co --exclude-standard
	else
		find . -path ./build -prune -o -type f -printf '%P\n'
	fi | while IFS= read -r file; do [ ! -f "$file" ] || echo "$file"; done
}
files > "$work/files"

# ---- tables ----

is "the tables in docs/ are current" "$(docs/generate --check 2>&1)" ""
cp -r docs "$work/docs"
sed -i 's/^| `--count N` | end after/| `--count N` | ends after/' "$work/docs/drop-qdisc.md"
sed -i '/^| `--json` /d' "$work/docs/doctor.md"
is "a table that is not current is seen" "$(NETSONDE=$PWD/build/netsonde "$work/docs/generate" --check |
	sort)" "docs/generate: doctor.md is not current
docs/generate: drop-qdisc.md is not current"

# ---- a page a tool ----

build/netsonde --help | awk '/^  [a-z]/ { print $1, ($2 ~ /^[a-z]+$/ && $3 ~ /^[SD]$/ ? $2 : "") }' |
	sed 's/ *$//' > "$work/tools"
is "the tools are found" "$(grep -cxE 'doctor|drop (packets|qdisc|stacks)' "$work/tools")" 4
while IFS= read -r tool; do
	page=docs/${tool// /-}.md
	missing=
	for heading in "# netsonde $tool" "## What it prints" "## How to read it" \
		"## What it cannot see" "## Cost" "## Options"; do
		grep -qxF "$heading" "$page" || missing+="$heading; "
	done
	is "$page has its parts" "$missing" ""
	for readme in README.md README.zh-CN.md; do
		grep -qF "($page)" $readme || missing+="$readme; "
	done
	is "the READMEs name $tool" "$missing" ""
done < "$work/tools"

# ---- READMEs ----

for readme in README.md README.zh-CN.md; do
	is "$readme names exactly the two commands" \
		"$(grep -oE '\bmake [a-z][a-z-]*' $readme | sort -u | paste -sd,)" "make check,make demo"
	is "$readme installs nothing by hand" "$(grep -nE '\b(apt|apt-get|dpkg|pip|curl|wget)\b' $readme)" ""
done
is "both READMEs show the same commands and output" \
	"$(sed -n '/^```/,/^```/p' README.md)" "$(sed -n '/^```/,/^```/p' README.zh-CN.md)"

# ---- links ----

# FILE: LINK for each relative link that leads nowhere
broken_links() {
	local file link
	grep '\.md$' "$work/files" | while IFS= read -r file; do
		sed '/^```/,/^```/d' "$file" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//' |
			while IFS= read -r link; do
				[[ $link != *://* && $link != '#'* ]] || continue
				[ -e "$(dirname "$file")/${link%%#*}" ] || echo "$file: $link"
			done
	done
}
is "no link leads nowhere" "$(broken_links)" ""

# ---- packages ----

# Names that are nothing but a package's: no program is called so. Others (jq, strace) are words
# that scripts must say.
awk '!/^#/ && NF == 2 { print $2 }' packages.txt | sort -u |
	grep -E -- '-|^lib' | while IFS= read -r name; do
	command -v "$name" > "$work/which" || echo "$name"
done > "$work/packages"
like "packages.txt has names to look for" "$(paste -sd" " "$work/packages")" "-dev .*-dev"
# a name, a slash and a number are a task
is "no package is named twice" "$(grep -vxF packages.txt "$work/files" |
	xargs -d '\n' grep -nIwFf "$work/packages" -- | grep -v 'x86/[0-9]')" ""
is "nothing installs packages but packaging/packages" "$(grep -vxE 'packaging/packages|tests/object/docs\.sh' \
	"$work/files" | xargs -d '\n' grep -nIE '\bapt(-get)? (-[^ ]+ )*install\b|\bdpkg -i\b' --)" ""
# put together, that no file need be left out
registry=debian folder=work
is "no registry and no folder of one machine is named" "$(xargs -d '\n' grep -nIE \
	"(deb|security|snapshot)\.$registry\.org|(^|[^a-z_./\$}])/$folder/" -- < "$work/files")" ""

# ---- the example of CONTRIBUTING.md, as it stands there ----

mkdir "$work/tree"
cp -a src Makefile tests "$work/tree/"
mkdir "$work/tree/build"
# what is built already, with its times, so that only the example is compiled
cp -a build/obj build/bpf build/skel "$work/tree/build/"
awk -v dir="$work/tree" '
/^<!-- file: [^ ]+ -->$/ { file = dir "/" $3; next }
file != "" && /^```/ {
	if (open) {
		close(file)
		file = ""
	} else {
		folder = file
		sub(/\/[^\/]*$/, "", folder)
		system("mkdir -p \"" folder "\"")
	}
	open = !open
	next
}
open { print > file }' CONTRIBUTING.md
example=$(cd "$work/tree" && find src tests -name 'sent*' | sort | paste -sd' ')
is "CONTRIBUTING.md has the files of its example" "$example" \
	"src/tools/stack/sent.bpf.c src/tools/stack/sent.c tests/lab/sent.sh"
if env -u MAKEFLAGS -u MAKELEVEL make -s -C "$work/tree" build/netsonde > "$work/make" 2>&1; then
	ok "the example builds"
else
	not_ok "the example builds" "$(tail -n 20 "$work/make")"
fi
is "the example's test is a script" "$(bash -n "$work/tree/tests/lab/sent.sh" 2>&1)" ""

# Three datagrams to this machine itself, which must be three events.
example_counts() {
	local netsonde=$work/tree/build/netsonde pid
	"$netsonde" stack sent --json --protocol udp --dst-ip 127.0.0.77 --dst-port 9 > "$work/events" \
		2> "$work/errors" &
	pid=$!
	for _ in {1..100}; do
		[ ! -s "$work/events" ] || break
		sleep 0.1
	done
	for _ in 1 2 3; do
		echo hello > /dev/udp/127.0.0.77/9
	done
	kill -INT $pid
	wait $pid || cat "$work/errors"
	jq -r 'select(.type == "event") | "\(.dev) \(.packet.udp.dst_port)"' "$work/events"
	jq -c 'select(.type == "end") | .lost' "$work/events"
}
if ! build/netsonde doctor --json | jq -es 'any(.[]; .feature == "bpf" and .has)' > "$work/bpf"; then
	skip "the example sees each packet" "this machine loads no BPF programs"
else
	is "the example sees each packet" "$(example_counts 2>&1)" "lo 9
lo 9
lo 9
{}"
fi
finish
