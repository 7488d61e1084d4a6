# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# For the scripts beside this file: fetch a release's backports by apt, with package lists of its own, so that the system does
# not change.  The caller has a function fail MESSAGE.

# Print the mirror that this system uses.
debian_archive() {
	local old='s/^deb (\[[^]]*\] )?(\S+\/debian)\/? bookworm .*/\2/p' new='s/^URIs: *(\S+\/debian)\/? *$/\1/p'

	# sed's exit code is not 0 if some of the files do not exist.
	{ sed -nE "$new; $old" /etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list} 2>/dev/null || true; } | head -n 1
}

# own_apt PROGRAM ARGS...: apt-get or apt-cache, with the lists and caches in the folder $apt
own_apt() {
	local program=$1
	shift
	"$program" -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/parts" \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root \
		-o Debug::NoLocking=true -o Acquire::Languages=none "$@" </dev/null
}

# backports_begin FOLDER [RELEASE]: sets apt, fetches the lists of RELEASE (bookworm) and of its backports; what apt says goes
# to $apt/log
backports_begin() {
	local uri release=${2:-bookworm} key="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
	uri=$(debian_archive)
	[ -n "$uri" ] || fail "no source of Debian 12 in /etc/apt"
	apt=$1
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
	printf 'deb %s %s %s main\n' "$key" "$uri" "$release" >"$apt/sources.list"
	# Nothing follows the newest version.
	[ "$release" = sid ] || printf 'deb %s %s %s main\n' "$key" "$uri" "$release-backports" >>"$apt/sources.list"
	own_apt apt-get update >"$apt/log" 2>&1 || { cat "$apt/log"; fail "$release of $uri cannot be read"; }
}
