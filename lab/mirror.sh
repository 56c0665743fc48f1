# Finds the Debian mirror that this machine uses and opens other suites of it (sourced by build-*).
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash

# Prints "main URI" and "security URI". Which hosts serve Debian is the machine's business: take
# them from its apt configuration, whatever form that has, and only substitute the suite.
mirror_uris() {
	local code
	code=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
	apt-get update --print-uris 2>/dev/null | awk -v c="$code" '
		{ gsub(/\047/, "", $1) }
		match($1, /\/dists\/[^\/]+\/InRelease$/) {
			uri = substr($1, 1, RSTART - 1)
			suite = substr($1, RSTART + 7, RLENGTH - 17)
			if (suite == c "-security")
				sec = uri
			else if (suite == c "-updates")
				main = uri
			else if (suite == c && first == "")
				first = uri
		}
		END {
			if (main == "")
				main = first
			if (main == "")
				exit 1
			print "main", main
			print "security", sec
		}' || {
		echo "lab: apt configuration names no Debian mirror for '$code'" >&2
		return 1
	}
}

# mirror_sources SUITE...: one-line apt sources for these suites
mirror_sources() {
	local uris main sec s u key=/usr/share/keyrings/debian-archive-keyring.gpg
	uris=$(mirror_uris) || return 1
	main=$(awk '$1 == "main" { print $2 }' <<<"$uris")
	sec=$(awk '$1 == "security" { print $2 }' <<<"$uris")
	for s; do
		u=$main
		[[ $s == *-security ]] && u=$sec
		[ -n "$u" ] && echo "deb [signed-by=$key] $u $s main"
	done
}

# mirror_open DIR SUITE...: a private apt state in DIR that knows these suites; sets $apt_opts.
# The machine's own apt state stays as it is.
mirror_open() {
	local dir=$1
	shift
	mkdir -p "$dir"/{state/lists/partial,cache/archives/partial}
	mirror_sources "$@" > "$dir/sources.list" || return 1
	: > "$dir/status"
	apt_opts=(
		-o Dir::State="$dir/state" -o Dir::State::status="$dir/status"
		-o Dir::Cache="$dir/cache"
		-o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o Acquire::Languages=none -o APT::Sandbox::User=root
	)
	apt-get "${apt_opts[@]}" -q update > "$dir/update.log" 2>&1 || {
		tail -5 "$dir/update.log" >&2
		echo "lab: apt-get update for $* failed" >&2
		return 1
	}
}
