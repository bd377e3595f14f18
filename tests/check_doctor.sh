#!/bin/sh
# check_doctor.sh: stoa doctor: what it finds fine here, and what it says of a machine that is not.
set -u
. "$srcdir/tests/cli.sh"

# finding CHECK [PROGRAM…]: what doctor says of it, found with the advice; run by that program.
finding() {
	check=$1
	shift
	"$@" "$builddir/stoa" doctor --json 2>&1 </dev/null | sed -n "s/^{\"check\":\"$check\",\"finding\":\"\([a-z]*\)\",\(.*\)}/\1 \2/p"
}

# says PATTERN CHECK [PROGRAM…]
says() {
	pattern=$1
	shift
	said=$(finding "$@")
	case $said in
	$pattern) ;;
	*) fail "doctor: $*: $said, which is not like $pattern" ;;
	esac
}

limited() {
	(ulimit "$1" "$2" && shift 2 && "$@")
}

expect_like 0 "directory  *fine *$STOA_DIR
*trial *fine *a namespace was started, used and stopped
leftovers *fine *none; 0 live" doctor
[ -z "$(ls "$STOA_DIR")" ] || fail "left: $(ls "$STOA_DIR")"
says 'fine *' 'file system'
says 'fine "found":*pidfd_open*' kernel
says 'wrong *unlimited*' 'file size' limited -f 1000
says 'wrong *unlimited*' 'address space' limited -v 1000000
says 'advice "found":"100: *' 'open files' limited -n 100
says 'advice *"one: *' processors taskset 1
says 'wrong *begins with /*' directory env STOA_DIR=relative
says 'wrong *No such file*' directory env STOA_DIR=/nix/nix/nix
says 'wrong *failed: *' trial env STOA_DIR=/nix/nix/nix
says 'advice *leaves 50 bytes*' directory env STOA_DIR="$(printf '/dev/shm/%040d' 0)"
STOA_DIR=/nix/nix expect_like 1 '*wrong*' doctor
STOA_DIR=/proc expect_like 1 '*wrong*' doctor

# ---- a file system of 2 MiB, where we may mount one ----

mkdir "$tmp/small"
if mount -t tmpfs -o size=2m tmpfs "$tmp/small" 2>/dev/null; then
	says 'wrong *only 2.0 MiB of 2.0 MiB are free*' room env STOA_DIR="$tmp/small"
	umount "$tmp/small"
fi

# ---- namespaces that are not well ----

serve web
says 'fine "found":"none; 1 live"*' leftovers
kill -STOP "$(field guardian web)" "$(field coordinator web)"
sleep 2.5
says 'wrong "found":"web is not well: *stoa -n web health"' namespace
end web
serve hub
stoa -n hub create hits counter
end hub
says 'advice "found":"hub crashed, and has 1 object","advice":"stoad -n hub goes on with its state; stoa clean hub destroys it"' namespace
says 'advice "found":"1 dead and 0 damaged *' leftovers
mkdir "$STOA_DIR/web.damaged-1-2"
: >"$STOA_DIR/web.damaged-1-2/state"
says 'advice "found":"1 dead and 1 damaged namespaces take *clean --kept"' leftovers
exit $bad
