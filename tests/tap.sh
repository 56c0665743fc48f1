# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# tap.sh: lines of the Test Anything Protocol for shell tests; tests/run adds them up.

tap_count=0 tap_failed=0

ok() { # TITLE
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

not_ok() { # TITLE [DIAGNOSIS]: the diagnosis may have several lines
	tap_count=$((tap_count + 1)) tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
	[ $# -lt 2 ] || note "$2"
}

skip() { # TITLE REASON
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

note() { # TEXT: shown with the failure above it, the first of its lines
	local line lines=0
	while IFS= read -r line; do
		[ $((lines++)) -ge 40 ] || echo "#   $line"
	done <<< "$1"
	[ $lines -le 40 ] || echo "#   and $((lines - 40)) more lines"
}

is() { # TITLE SEEN WANTED [DIAGNOSIS]
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted: $3"$'\n'"seen:   $2${4:+$'\n'$4}"
	fi
}

like() { # TITLE SEEN REGEX [DIAGNOSIS]
	if [[ $2 =~ $3 ]]; then
		ok "$1"
	else
		not_ok "$1" "wanted: /$3/"$'\n'"seen:   $2${4:+$'\n'$4}"
	fi
}

# What lines of JSON have that the schema they belong to does not declare, or that is of another type: one line each.
# FILE begins with the schemas, each on a line of its own; a line belongs to the schema that names its tool.
schema_faults() { # FILE
	jq -rn '
	def fits($s): . as $v | ($v | type) as $type |
		if $s | has("const") then $v == $s.const
		elif $s | has("enum") then any($s.enum[]; . == $v)
		elif $s.type == null then true
		else any([$s.type] | flatten[]; . == $type or (. == "integer" and $type == "number" and ($v | floor) == $v)) end;
	def faults($s; $at): . as $v |
		if fits($s) | not then "\($at) is \(tojson[:60])"
		elif type == "object" and $s.properties then to_entries[] | .key as $k |
			if $s.properties | has($k) then .value | faults($s.properties[$k]; "\($at).\($k)")
			else "\($at).\($k) is not declared" end
		elif type == "array" and $s.items then .[] | faults($s.items; "\($at)[]")
		else empty end;
	[foreach inputs as $line ({};
		if $line["$schema"] then .schemas[$line.title] = $line | .line = null else .line = $line end;
		if .line == null then empty
		elif .schemas[.line.tool // ""] then .schemas[.line.tool] as $s | .line | faults($s; "\(.tool) \(.type)")
		else "\(.line.tool): no schema" end)] | unique[]' "$1"
}

# The last call of a test: the plan, and the exit status. A test that never gets here has failed.
# Where one failed, what it worked with is kept beside the log.
finish() {
	[ "$tap_failed" -eq 0 ] || [ ! -d /share/out ] || cp -r "$work" /share/out/
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
}
