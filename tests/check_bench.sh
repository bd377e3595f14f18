#!/bin/sh
# check_bench.sh: stoa-bench measures, and its table, its JSON and its picture come out; what is wrong is told; ^C and an
# end leave nothing behind. How fast anything was is not looked at.
set -eu
bench=$builddir/bench/stoa-bench
program=$bench
if [ ! -x "$bench" ]; then
	echo "no bench/stoa-bench here: make bench builds it"
	exit 77
fi
dir=$(mktemp -d)
pid=

clean_up() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
	echo "$@"
	tail -n 40 "$dir"/out* 2>/dev/null
	exit 1
}

# its directory has its number in the name
is_there() {
	ls -d /dev/shm/stoa-bench."$pid".* /tmp/stoa-bench."$pid".* 2>/dev/null | grep -q .
}

# run STATUS ARGUMENT...: what it prints goes to out and err
run() {
	expected=$1
	shift
	timeout 120 "$program" "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	status=0
	wait $pid || status=$?
	[ $status = "$expected" ] || fail "$program $*: status $status, $(cat "$dir/err")"
}

has() {
	grep -q -e "$1" "$dir/$2" || fail "$2 lacks: $1"
}

parses() {
	! command -v python3 >/dev/null || python3 -c "$2" <"$1" || fail "$1 is wrong"
}

# An operation is found by its name.
run 0 --list
twice=$(awk '/^[^ ]/ { peer = $1; next } { sub(/^ *[A-Za-z]+ +/, ""); print peer ": " $0 }' "$dir/out" | sort | uniq -d)
has '^redis ' out
[ -z "$twice" ] || fail "two operations of one name: $twice"

# ---- a short run of what needs nothing installed ----

run 0 --quick --rounds=1 --slice=1 --peers=mutex,robust,mq,socket --json="$dir/json" --plot="$dir/plot.svg"
has '^floor .*cache line ping-pong' out
has '^stoa .* cast ' out
has '^stoa .* call .* parked' out
has '^mutex ' out
has '^socket ' out
has '^Targets' out
if grep -v '^mq' "$dir/out" | grep 'failed:'; then # a container may have no message queues
	fail "a contender failed"
fi
parses "$dir/json" '
import json, sys
all = json.load(sys.stdin)
cells = [c for c in all["cells"] if "failed" not in c]
assert len({(c["peer"], c["op"], c["clients"], c["pinned"], c["pace"]) for c in all["cells"]}) == len(all["cells"])
assert {c["kind"] for c in cells} == {"floor", "W", "R", "S", "C", "RW", "N"}
for c in cells:
    assert len(c["cost"]) == all["rounds"] == 1 and c["cost"][0] > 0
    assert c["n"] == sum(n for _, n in c["histogram"])
    assert c["min"] <= c["p50"] <= c["p99"] <= c["p999"] <= c["max"]
assert all["targets"]'
has '<polyline' plot.svg
has '</svg>' plot.svg
parses "$dir/plot.svg" '
import sys, xml.dom.minidom
assert xml.dom.minidom.parse(sys.stdin.buffer).documentElement.tagName == "svg"'

# ---- other ways ----

run 0 --quick --rounds=1 --slice=1 --peers=mutex --clients=1 --ops=R --json
parses "$dir/out" 'import json, sys; assert {c["kind"] for c in json.load(sys.stdin)["cells"]} == {"floor", "R"}'
run 0 --quick --rounds=1 --slice=1 --peers=mutex --clients=2 --ops=C --rate=5000 --no-pin
has '^stoa .* call .* rate' out
has ' 5000 operations a second' out
run 0 --quick --rounds=1 --slice=1 --peers=mutex --clients=2 --ops=C --all
for way in '2 ' '2 pin' '2 parked ' '2 parked, pin'; do
	has "^stoa .* call .* $way" out
done
run 0 --quick --rounds=1 --slice=1 --scaling
has '^namespaces ' out
has '^Cache line ping-pong, by round: [1-9]' out
if grep -q '^failed' "$dir/out"; then
	fail "scaling failed"
fi
run 0 --help
has '--scaling' out

# Its processes of its own program.
clients() {
	for child in $(cat "/proc/$pid/task/$pid/children"); do
		! grep -q 'stoa-bench$' "/proc/$child/comm" || echo "$child"
	done
}

# ---- clients are killed: their contenders fail, the others go on, and the status tells ----

"$bench" --quick --rounds=40 --peers=robust --clients=1 --ops=R >"$dir/out" 2>"$dir/err" &
pid=$!
(
	until grep -q 'has died' "$dir/err" || ! kill -0 $pid; do
		sleep 0.5
		for child in $(clients); do
			kill -KILL "$child" || :
		done
	done
) 2>/dev/null &
status=0
wait $pid || status=$?
[ $status = 1 ] || fail "with clients killed: status $status, $(cat "$dir/err")"
has 'has died' err
has 'failed: ' out
has '^Targets' out

# ---- one that is killed itself: the next one clears away what it left ----

"$bench" --quick --rounds=40 --peers=robust --clients=1 --ops=R >"$dir/out" 2>&1 &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
	! is_there || break
	sleep 0.1
done
is_there || fail "it has no directory"
kill -KILL $pid
wait $pid || :
is_there || fail "one that is killed leaves nothing: then this shows nothing"
run 0 --quick --rounds=1 --slice=1 --peers=mutex --clients=1 --ops=R
if is_there; then
	fail "what one left that was killed is still there"
fi

# ---- clients and helpers that wake late: each is stopped for a while, once and again ----

# run_waking_late ARGUMENT...
run_waking_late() {
	"$bench" "$@" >"$dir/out" 2>"$dir/err" &
	pid=$!
	(
		while kill -0 $pid; do
			for child in $(clients); do
				if kill -STOP "$child"; then
					sleep 0.05
					kill -CONT "$child" || :
				fi
			done
		done
	) 2>/dev/null &
	status=0
	wait $pid || status=$?
	[ $status = 0 ] || fail "with clients that wake late: status $status, $(cat "$dir/err")"
}

run_waking_late --quick --rounds=2 --slice=1 --peers=robust --clients=1,6 --ops=R
if grep 'failed:' "$dir/out"; then
	fail "a client that wakes late takes part in what it should not"
fi

# A wake that comes 50 ms late is among those measured.
run_waking_late --peers=mutex --clients=1 --no-pin --ops=N --rounds=1 --slice=300 --json="$dir/json"
parses "$dir/json" '
import json, sys
assert [c["max"] for c in json.load(sys.stdin)["cells"] if c["op"] == "futex wake" and c["max"] > 40e6]'

# ---- stoa-profile: the coordinator's notes belong to the calls, and no cast is lost or counted twice ----

program=$builddir/bench/stoa-profile
run 0 --quick --clients=2
if [ "$(nproc)" -gt 1 ]; then
	has '^A call, ' out
	awk '
		/^  it is published/ { published = $4 }
		/^  it is run / { run = $4 }
		/^  its client has the answer/ { exit !(published > 0 && run > published && $6 > run) }' "$dir/out" ||
		fail "a call is run before it is published, or answered before it is run"
fi
awk '
	/^Casts by 2/ { casts = 1; next }
	casts && /^  all  *[1-9]/ { all = $2; longer = $9; exit }
	casts && !/<1 us/ { $0 = substr($0, 33); sum += $1; long_sum += $8 }
	END { exit !(all == 10000 && sum > 9999 && sum < 10001 && long_sum - longer < 1 && longer - long_sum < 1) }' "$dir/out" ||
	fail "the rows of the casts do not add up"
for wrong in --clients=0 --clients=257 --clients=4x --pause=0 --pause=10001 --cleints surplus; do
	run 2 $wrong
	has "$wrong\|unrecognized" err
done
program=$bench

# ---- what is wrong ----

run 2 --cleints=3
has 'cleints' err
run 2 --ops=W,,R
has "W, R" err
run 2 --ops=W,X
has "X" err
run 2 --peers=rabbit
has 'rabbit' err
run 2 --clients=0
has '--clients=0' err
run 2 --rounds=many
has '--rounds=many' err
run 2 --scaling --plot=x.svg
has '--scaling' err
run 2 surplus
has 'surplus' err
run 2 --scaling --clients=4
has '--scaling' err
run 2 --rounds=1.5
has 'whole' err
run 2 --plot="$dir/x.png"
has 'x.png' err
run 2 --rounds=10000 --plot=/nowhere/x.svg
has '/nowhere/x.svg' err
run 2 --rounds=10000 --json=/nowhere/x
has '/nowhere/x' err
if [ -w /dev/full ]; then
	"$bench" --quick --rounds=1 --slice=1 --peers=mutex --clients=1 --ops=R >/dev/full 2>"$dir/err" && fail "a table lost"
	has 'table' err
fi

# ---- the end, and ^C ----

# Before all peers are started, and then. It leads no session, but shares a process group with the shell that waits for it:
# a signal to the group ends that shell.
for delay in 0 0.1 0.3 1; do
	: >"$dir/pid"
	setsid sh -c '"$@" & echo $! >"$0"; wait $!' "$dir/pid" "$bench" --rounds=10000 --ops=C >"$dir/out" 2>"$dir/err" &
	end=$(($(date +%s) + 20))
	until pid=$(cat "$dir/pid") && [ -n "$pid" ] && is_there; do
		[ "$(date +%s)" -lt $end ] || fail "it makes no directory"
	done
	sleep $delay
	kill -INT "$pid"
	status=0
	wait $! || status=$?
	[ $status = 130 ] || fail "after ^C: status $status"
	if is_there; then
		fail "left behind after ^C:" /dev/shm/stoa-bench."$pid".* /tmp/stoa-bench."$pid".*
	fi
done
pid=
