# daemon.sh: for the scripts that start a daemon, one after the other: a directory, $dir, with that for namespaces in it,
# and the daemon that runs, $daemon; both go at the end. Sourced, with srcdir and builddir set.
export LC_ALL=C
unset STOA_NAMESPACE
dir=$(mktemp -d /dev/shm/stoa-check.XXXXXX 2>/dev/null || mktemp -d)
mkdir -m 700 "$dir/stoa"
export STOA_DIR="$dir/stoa"
daemon=

clean_up() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || :
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# start OPTION…: what it says goes to $dir/log.
start() {
	"$builddir/stoad" "$@" >>"$dir/log" 2>&1 </dev/null &
	daemon=$!
}

# False: it did not end well.
end() {
	ended=$daemon daemon=
	kill "$ended"
	wait "$ended" || { echo "stoad: exit status $?"; return 1; }
}

stoa() {
	"$builddir/stoa" -t 20 "$@" </dev/null 2>&1
}

# expect STATUS PATTERN VERB…: it ends with that, and prints what this shell pattern says; else $bad is 1.
expect() {
	want=$1 pattern=$2
	shift 2
	said=$(stoa "$@")
	got=$?
	case $got:$said in
	$want:$pattern) ;;
	*) bad=1 && printf 'stoa %s: exit status %s, not %s, printed:\n%s\nand not:\n%s\n' \
		"$*" $got "$want" "$said" "$pattern" ;;
	esac
}
