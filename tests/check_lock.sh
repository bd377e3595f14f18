#!/bin/sh
# check_lock.sh: stoa lock: one command at a time, its exit status, and whoever waits goes on at once, however the one
# before ended: well, by a signal, or killed together with the coordinator.
set -u
. "$srcdir/tests/cli.sh"

# within SECONDS COMMAND…: it comes true
within() {
	for i in $(seq $(($1 * 20))); do
		! eval "$2" || return 0
		sleep 0.05
	done
	fail "not within $1 s: $2"
}

# hold NAME: in the background, its pid in $holder; there when $tmp/NAME is, with the command's pid; its parent's is in
# NAME.keeper.
hold() {
	rm -f "$tmp/$1"
	"$builddir/stoa" lock nightly -- sh -c "echo \$PPID >'$tmp/$1.keeper'; echo \$\$ >'$tmp/$1'; exec sleep 1000" \
		</dev/null >"$tmp/$1.out" 2>&1 &
	holder=$!
	within 10 "[ -s '$tmp/$1' ]"
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

serve default

# ---- status, and what the command is given ----

expect 0 'hello' lock nightly -- echo hello
expect 7 '' lock nightly -- sh -c 'exit 7'
expect 143 '' lock nightly -- sh -c 'kill $$'
expect_like 0 '[1-9]*' lock nightly -- sh -c 'echo $STOA_LEASE_TOKEN'
expect 127 'stoa: cannot run /no/such/command: No such file or directory' lock nightly -- /no/such/command
expect 126 'stoa: cannot run /: Permission denied' lock nightly -- /
expect 0 'next -w' lock nightly -w 0 -- echo next -w
expect 0 0 get nightly.number

# ---- who starts it does not want to hear of its own children ----

PATH=$builddir:$PATH timeout -s KILL 20 env --ignore-signal=CHLD stoa lock nightly -- true || fail "with SIGCHLD ignored: exit status $?"

# ---- what is ignored stays so ----

ignored=$(env --ignore-signal=INT,QUIT sed -n '/^SigIgn/p' /proc/self/status)
said=$(env --ignore-signal=INT,QUIT "$builddir/stoa" lock nightly -- sed -n '/^SigIgn/p' /proc/self/status)
[ "$said" = "$ignored" ] || fail "the command has $said, not $ignored"

# ---- wrong ----

expect_like 2 'stoa: lock takes LEASE -- COMMAND...; there is 1 operand*' lock nightly
expect_like 2 'stoa: *-w*x*' lock -w x nightly -- true
expect 0 '' create hits counter
expect_like 1 'stoa: object hits is there already, of class counter' lock hits -- true

# ---- another has it ----

hold first
keeper=$(cat "$tmp/first.keeper")
expect_like 1 "stoa: lease nightly is held by \"sh -c echo *\", pid $keeper" lock -w 0 nightly -- echo never
expect_like 9 'stoa: lease nightly is held by*' lock -w 0.1 -E 9 nightly -- echo never
"$builddir/stoa" lock nightly -- echo next </dev/null >"$tmp/next" &
waiter=$!
kill -KILL $holder
wait $waiter || fail "who waited exited with $?"
[ "$(cat "$tmp/next")" = next ] || fail "who waited said $(cat "$tmp/next")"
is_gone "$(cat "$tmp/first")" || fail "who waited went on before the command had ended"

# ---- who waits ends by a signal, or with the one that was started ----

who_waits() {
	stoa clients --json | sed -n 's/.*"pid":\([0-9]*\),.*"waits_for":"nightly".*/\1/p'
}

# wait_too: in the background, its pid in $waiter, its child's in $keeper.
wait_too() {
	env --default-signal=INT,QUIT "$builddir/stoa" lock nightly -- sh -c "echo ran >'$tmp/never'" </dev/null &
	waiter=$!
	within 10 'keeper=$(who_waits) && [ "$keeper" ]'
}

hold other
for signal in 1:HUP 2:INT 9:KILL 15:TERM; do
	wait_too
	kill -${signal#*:} $waiter
	wait $waiter
	got=$?
	[ $got = $((128 + ${signal%:*})) ] || fail "who waited, ended by SIG${signal#*:}: exit status $got"
	within 10 "is_gone $keeper"
done
kill -TERM $holder
wait $holder
[ ! -e "$tmp/never" ] || fail "a command ran whose lock had ended"

# ---- signals reach the command; the lease is free when it has ended ----

hold second
kill -TERM $holder
wait $holder
[ $? = 143 ] || fail "a command that SIGTERM ended: exit status $?"
expect 0 '' lock -w 0 nightly -- true

# ---- and all that it has started, in another session too ----

# hold_two NAME: the command has a child of its own, which goes on until $tmp/go is there, or it is killed.
cat >"$tmp/child" <<'END'
trap 'echo >"$1.term"' TERM
echo $$ >"$1.child"
until [ -e "$2" ]; do sleep 0.05; done
END
hold_two() {
	rm -f "$tmp/go" "$tmp/$1".*
	"$builddir/stoa" lock nightly -- sh -c "echo \$PPID >'$tmp/$1.parent'
		setsid sh '$tmp/child' '$tmp/$1' '$tmp/go' & exec sleep 1000" \
		</dev/null >"$tmp/$1.out" 2>&1 &
	holder=$!
	within 10 "[ -s '$tmp/$1.child' ]"
}

hold_two term
kill -TERM $holder
within 10 "[ -e '$tmp/term.term' ]"
expect_like 1 "stoa: lease nightly is held by *" lock -w 0 nightly -- echo never
: >"$tmp/go"
wait $holder
[ $? = 143 ] || fail "a command with a child, that SIGTERM ended: exit status $?"
is_gone "$(cat "$tmp/term.child")" || fail "the child has not ended"

# ---- killed: the lease is free when all have ended, and not before ----

hold_two kill
keeper=$(cat "$tmp/kill.parent")
kill -STOP "$keeper"
kill -KILL $holder
wait $holder
expect_like 1 "stoa: lease nightly is held by *" lock -w 0 nightly -- echo never
kill -CONT "$keeper"
expect 0 next lock -w 10 nightly -- sh -c "kill -0 $(cat "$tmp/kill.child") 2>/dev/null || echo next"
within 10 "is_gone $keeper"

# ---- the keeper alone is killed: who is left ends the rest ----

hold_two keeper
kill -KILL "$(cat "$tmp/keeper.parent")"
wait $holder
got=$?
[ $got = 137 ] || fail "a keeper that SIGKILL ended: exit status $got"
is_gone "$(cat "$tmp/keeper.child")" || fail "a child outlived keeper and front"
expect 0 next lock -w 10 nightly -- echo next
expect 0 '' lock nightly -- sh -c "exec >&- 2>&-; sh '$tmp/child' '$tmp/left' '$tmp/go2' &"
within 10 "[ -s '$tmp/left.child' ]"
! is_gone "$(cat "$tmp/left.child")" || fail "what a command leaves running was ended"
: >"$tmp/go2"

# ---- coordinators die ----

hold third
kill -KILL "$(field coordinator)"
expect_like 1 'stoa: lease nightly is held by*' lock -w 0 nightly -- echo never
kill -STOP "$(field guardian)"
coordinator=$(field coordinator)
kill -STOP "$coordinator"
kill -KILL $holder
kill -KILL "$coordinator"
kill -CONT "$(field guardian)"
expect 0 next lock -w 10 nightly -- echo next
exit $bad
