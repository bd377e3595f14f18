# cli.sh: for the scripts that test stoa: a directory for namespaces, which goes with all that serves there; a daemon with
# the classes of module_cli.c; what a verb must print. Sourced, with srcdir and builddir set; exit with $bad.
export LC_ALL=C
unset STOA_NAMESPACE
module="$builddir/tests/.libs/module_cli.so"
[ -f "$module" ] || { echo "no shared modules in this build"; exit 77; }
STOA_DIR=$(mktemp -d /dev/shm/stoa-cli.XXXXXX) || exit 77
export STOA_DIR
tmp=$(mktemp -d)
bad=0 daemon=

# end NAMESPACE: guardian and coordinator replace each other: kill both until none is left.
end() {
	for i in $(seq 100); do
		pids="$(field guardian "$1") $(field coordinator "$1")"
		case $pids in
		*[1-9]*) ;;
		*) return ;;
		esac
		for pid in $pids; do
			[ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
		done
		sleep 0.1
	done
}

# Only those of this directory.
end_all() {
	for dir in "$STOA_DIR"/*; do
		[ ! -d "$dir" ] || end "${dir##*/}"
	done
}

cleanup() {
	end_all
	[ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null
	rm -rf "$tmp" "$STOA_DIR"
}
trap cleanup EXIT
trap 'exit 1' HUP INT PIPE TERM

stoa() {
	"$builddir/stoa" "$@" </dev/null
}

fail() {
	echo "FAIL: $*"
	bad=1
}

# expect STATUS TEXT VERB…: exactly this on standard output, or on standard error if the status is not 0.
expect() {
	want=$1 text=$2
	shift 2
	stoa "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	if [ "$want" = 0 ]; then said=$(cat "$tmp/out"); else said=$(cat "$tmp/err"); fi
	[ "$got" = "$want" ] || fail "stoa $*: exit status $got, not $want: $(cat "$tmp/out" "$tmp/err")"
	[ "$said" = "$text" ] || fail "stoa $*: printed
$said
and not
$text"
}

# expect_like STATUS PATTERN VERB…: the same, but a shell pattern, and of both outputs.
expect_like() {
	want=$1 pattern=$2
	shift 2
	said=$(stoa "$@" 2>&1)
	got=$?
	[ "$got" = "$want" ] || fail "stoa $*: exit status $got, not $want: $said"
	case $said in
	$pattern) ;;
	*) fail "stoa $*: printed
$said
which is not like
$pattern" ;;
	esac
}

# field NAME [NAMESPACE]: a number of its health.
field() {
	stoa -n "${2-default}" -t 0.5 health --json 2>/dev/null | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

# serve NAMESPACE [OPTION…]: start a daemon, its pid in $daemon, and wait until it serves.
serve() {
	"$builddir/stoad" -n "$@" "$module" >>"$tmp/log" 2>&1 </dev/null &
	daemon=$!
	stoa -n "$1" -t 10 list >/dev/null 2>&1 || fail "stoad -n $*: does not serve"
}

# until_health STATUS PATTERN: within 10 s.
until_health() {
	for i in $(seq 100); do
		said=$(stoa health 2>&1)
		got=$?
		case $got:$said in
		$1:$2) return ;;
		esac
		sleep 0.1
	done
	fail "stoa health: $got: $said; not $1: $2"
}

