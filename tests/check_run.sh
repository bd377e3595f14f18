#!/bin/sh
# check_run.sh: stoa run: a coordinator for the length of a command; its exit status; signals; and that nothing is left,
# whoever of them is killed.
set -u
. "$srcdir/tests/cli.sh"

# await COMMAND…: until it succeeds, within 10 s.
await() {
	for i in $(seq 100); do
		"$@" && return
		sleep 0.1
	done
	fail "in vain: $*"
}

# nothing_left WHEN: within 10 s.
nothing_left() {
	await is_empty
	[ -z "$(ls "$STOA_DIR")" ] || fail "$1: left: $(ls "$STOA_DIR")"
}

is_empty() {
	[ -z "$(ls "$STOA_DIR")" ]
}

# begin COMMAND…: in the background (where sh ignores INT and QUIT), until the command has said its pid in $tmp/pid. Its own is $runner.
begin() {
	rm -f "$tmp/pid"
	env --default-signal=INT,QUIT "$builddir/stoa" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
	runner=$!
	await test -s "$tmp/pid"
}

# ended WANT WHEN: how the runner ended.
ended() {
	wait "$runner"
	got=$?
	[ "$got" = "$1" ] || fail "$2: exit status $got, not $1: $(cat "$tmp/out" "$tmp/err")"
	nothing_left "$2"
}

PATH=$builddir:$PATH
export tmp PATH

# ---- the command, and its status ----

expect 0 7 run -- sh -c 'stoa create hits counter 3 && stoa call hits add 4'
nothing_left "after a command"
expect_like 0 'run-[0-9]*' run sh -c 'echo $STOA_NAMESPACE'
expect 0 mine -n mine run -- sh -c 'echo $STOA_NAMESPACE'
expect 0 '-v --help' run -- echo -v --help
STOA_NAMESPACE=other expect_like 0 'run-[0-9]*' run sh -c 'echo $STOA_NAMESPACE'
expect 0 'run-x' run sh -c 'stoa run sh -c "stoa create inner counter"; stoa list; echo run-x'
expect_like 7 '' run -- sh -c 'exit 7'
expect_like 137 '' run -- sh -c 'kill -KILL $$'
expect 127 'stoa: cannot run /nix: No such file or directory' run /nix
expect 126 "stoa: cannot run $tmp: Permission denied" run "$tmp"
expect_like 2 'stoa: run takes*' run
expect_like 125 'stoa: module /nix: *' run -m /nix true
expect_like 125 'stoa: *'\''/'\''*' -n a/b run true
expect 0 '0:none' run -m "$module:" sh -c 'stoa create one box && stoa get one.label'
expect 0 'seen' run sh -c 'echo seen; stoa stop'
nothing_left "after all of them"

# ---- a namespace that is there ----

serve served --volatile
expect_like 125 'stoa: namespace "served" is served already, by pid *; use that one, end it by "stoa -n served stop", or choose another name*' -n served run true
expect 0 '' -n served list
stoa -n served stop || fail "stop"
expect 0 '' -n kept run --keep -- stoa create hits counter 5
expect 0 '5' -n kept run -- stoa get hits.value
nothing_left "after one that was kept"

# ---- signals ----

for signal in HUP INT QUIT TERM USR1; do
	begin run -- sh -c "trap 'exit 9' $signal; echo \$\$ >\$tmp/pid; while :; do sleep 0.1; done"
	kill -"$signal" "$runner"
	ended 9 "$signal, passed on"
done
begin run -- sh -c 'echo $$ >$tmp/pid; exec sleep 60'
kill -TERM "$runner"
ended 143 "TERM, not caught"
begin run -- sh -c 'echo $$ >$tmp/pid; exec sleep 60'
kill -KILL "$(cat "$tmp/pid")"
ended 137 "the command killed"
begin run -- sh -c 'echo $$ >$tmp/pid; exec sleep 60'
kill -KILL "$runner"
ended 137 "the runner killed"
is_gone() {
	! kill -0 "$(cat "$tmp/pid")" 2>/dev/null
}
await is_gone

# ---- whatever becomes of the coordinator ----

begin -n gone run -- sh -c 'echo $$ >$tmp/pid; while kill -0 $$; do sleep 0.1; [ ! -e $tmp/go ] || exit 3; done'
end gone
[ -e "$STOA_DIR/gone" ] || fail "there is nothing to remove"
: >"$tmp/go"
ended 3 "guardian and coordinator killed"
exit $bad
