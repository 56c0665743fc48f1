#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# includes.sh: who may include whom: each layer of src/ sees only the layers below it.

cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh

# LAYER: the layers that it may include. skel: a skeleton, which the build makes of an object.
rules='
abi:      abi
kernel:   kernel abi
bpf:      bpf kernel abi
core:     core abi skel
core-bpf: bpf kernel abi
odp:      odp core abi
path:     path core abi skel bpf kernel
path-bpf: path bpf kernel abi
tool:     tool odp path core abi skel
tool-bpf: tool bpf kernel abi
main:     core/tool.h core/version.h
'

# violations SRC LAYER: "FILE includes INCLUDED (LAYER of it)", one a line, for all files of a layer
violations() {
	find "$1" -name '*.[ch]' -printf '%P\n' | sort | awk -v src="$1" -v layer="$2" -v rules="$rules" '
	function layer_of_file(file) {
		if (file == "main.c")
			return "main"
		if (file ~ /^(tools|path|core)\/.*\.bpf\.[ch]$/)
			return (file ~ /^tools/ ? "tool" : substr(file, 1, 4)) "-bpf"
		sub(/\/.*/, "", file)
		return file == "tools" ? "tool" : file
	}
	function layer_of_include(name) {
		if (name ~ /^[a-z0-9_]*\.skel\.h$/)
			return "skel"
		# BPF programs name the headers of src/bpf without the folder
		if (name ~ /^[a-z0-9_]*\.bpf\.h$/ && (getline ignored < (src "/bpf/" name)) >= 0)
			return "bpf"
		if ((getline ignored < (src "/" name)) < 0)
			return "no such file"
		sub(/\/.*/, "", name)
		return name == "tools" ? "tool" : name
	}
	BEGIN {
		count = split(rules, line, "\n")
		for (i = 1; i <= count; i++) {
			words = split(line[i], word, /:? +/)
			for (j = 2; j <= words; j++)
				allowed[word[1], word[j]] = 1
		}
	}
	{
		file = $0
		mine = layer_of_file(file)
		if (mine != layer)
			next
		while ((getline text < (src "/" file)) > 0) {
			if (text !~ /^[ \t]*#[ \t]*include[ \t]*"/)
				continue
			split(text, part, "\"")
			theirs = layer_of_include(part[2])
			if (!((mine, theirs) in allowed) && !((mine, part[2]) in allowed))
				print file " includes " part[2] " (" theirs ")"
		}
	}'
}

# Every file must have a layer, else it would escape the rules.
is "each file of src/ has a layer" "$(find src -name '*.[ch]' -printf '%P\n' |
	grep -vE '^(main\.c|(abi|kernel|bpf|core|odp|path|tools)/.*)$')" ""
for layer in $(awk -F: 'NF == 2 { print $1 }' <<< "$rules"); do
	case $layer in
	main) [ -f src/main.c ] || continue ;;
	tool | tool-bpf | core-bpf) ;;
	path-bpf) [ -d src/path ] || continue ;;
	*) [ -d "src/$layer" ] || continue ;;
	esac
	is "$layer includes what it may" "$(violations src "$layer")" ""
done

# The check itself: a tree in which each layer does one forbidden thing.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
while read -r file included; do
	mkdir -p "$work/$(dirname "$file")"
	echo "#include \"$included\"" > "$work/$file"
done <<'END'
abi/types.h kernel/skb.h
kernel/skb.h bpf/sonde.bpf.h
bpf/sonde.bpf.h core/tool.h
core/tool.h tools/drop/meaning.h
core/run.c path/engine.h
odp/flow.c path/engine.h
path/engine.h tools/drop/meaning.h
path/path.bpf.c core/tool.h
tools/drop/meaning.h sonde.bpf.h
tools/drop/stacks.bpf.c core/tool.h
tools/drop/stacks.c core/absent.h
main.c core/run.h
END
echo > "$work/core/run.h"
is "a forbidden include is seen in each layer" "$(
	for layer in $(awk -F: 'NF == 2 { print $1 }' <<< "$rules"); do
		violations "$work" "$layer"
	done | wc -l)" 12
finish
