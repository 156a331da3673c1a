# SPDX-License-Identifier: MIT
# apt.sh - packages of another release of Debian, beside this machine's apt
#
# Source it.  They come from the archive that this machine's apt uses already,
# checked by apt as ever.  apt gets lists and a cache of its own, in $new/apt, and
# none of this machine's hooks; nothing is installed.  Who sources it has skip().

# Where this machine gets its own Debian packages from.
archive() {
	local VERSION_CODENAME=
	. /etc/os-release
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		"Release: $VERSION_CODENAME" 'Component: main' | head -1
}

# write_apt_configuration deb|deb-src SUITE
write_apt_configuration() {
	local uri keys=/usr/share/keyrings/debian-archive-keyring.gpg
	uri=$(archive)
	[ -n "$uri" ] || skip "apt here knows no archive of Debian"
	mkdir -p "$new"/apt/{lists,cache/archives}/partial
	echo "$1 [signed-by=$keys] $uri $2 main" >"$new/apt/sources.list"
	cat >"$new/apt/conf" <<-END
		Dir::Etc::sourcelist "$new/apt/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State::lists "$new/apt/lists";
		Dir::Cache "$new/apt/cache";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
		APT::Sandbox::User "";
		APT::Update::Error-Mode "any";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
}

# apt get|cache ARGUMENT...
apt() {
	local program=$1
	shift
	"apt-$program" -c "$new/apt/conf" -q "$@"
}

# Addresses may hold passwords.
without_addresses() {
	sed -E 's|[a-z]+://[^ ]*|(address)|g'
}

# or_skip WORDS COMMAND...: what it says goes to $new/log; skip when it fails.
or_skip() {
	local words=$1
	shift
	"$@" >"$new/log" 2>&1 && return
	without_addresses <"$new/log" | tail -5 >&2
	skip "$words"
}
