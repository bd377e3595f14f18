#!/bin/sh
# check_classes.sh: each built-in class from the shell: created, called, read, and what it refuses; and that it is where
# it was after the daemon was ended and started again.
set -u
export LC_ALL=C
unset STOA_NAMESPACE
dir=$(mktemp -d /dev/shm/stoa-classes.XXXXXX 2>/dev/null || mktemp -d)
mkdir -m 700 "$dir/stoa"
export STOA_DIR="$dir/stoa"
bad=0 daemon=

clean_up() {
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

stoa() {
	"$builddir/stoa" -t 20 "$@" </dev/null 2>&1
}

# expect TEXT VERB…: it prints what this shell pattern says, and is done. refuses: it prints that, and is refused.
expect() {
	expect_status 0 "$@"
}
refuses() {
	expect_status 1 "$@"
}
expect_status() {
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

start() {
	"$builddir/stoad" --verify "$@" >>"$dir/log" 2>&1 </dev/null &
	daemon=$!
}
end() {
	kill "$daemon"
	wait "$daemon" || { echo "stoad: exit status $?"; bad=1; }
	daemon=
}

start

# ---- counter ----

expect '' create hits counter 40
expect 42 call hits add 2
refuses 'stoa: * is out of range' call hits add 9223372036854775807

# ---- gauge ----

expect '' create load gauge 1
expect 2 call load mul 2
expect 1.5 call load add -0.5
expect 'done: true
value: 9' call load cas 1.5 9
expect 'done: false
value: 9' call load cas 1.5 7
expect '1.5
9
3' get load.min load.max load.n
refuses 'stoa: 9 \* 1e+308 is not a finite number' call load mul 1e308

# ---- timer ----

expect '' create t timer
refuses 'stoa: nothing was recorded*' call t percentile 50
for ms in 1 2 3; do
	expect '' call t record $ms
done
expect '3
6
2' get t.n t.total t.mean
for ms in 4 5; do
	expect '' cast t record $ms
done
expect 1.5811388300841898 get t.stdev
expect 4.8 call t percentile 95
expect 'p50: 3
p90: 4.6
p95: 4.8
p99: 4.96' call t percentiles
refuses 'stoa: ms is -1: not from 0 to 1e+15' call t record -1

# ---- histogram ----

expect '' create latency histogram
expect '' create all histogram
refuses 'stoa: nothing was recorded*' call latency percentile 50
for value in 1 2 300 4000; do
	expect '' call latency record $value
done
expect '4
1
4000
1075.75' get latency.n latency.min latency.max latency.mean
expect 301 call latency percentile 75
expect '' call all merge "$(stoa call latency image)"
expect '' call all merge "$(stoa call latency image)"
expect 4000 call all percentile 100
expect 8 get all.n
refuses 'stoa: the 1 bytes are no image of a histogram' call all merge 0x01
refuses 'stoa: * "-1" is out of range*' call latency record -1
expect '' call all reset
expect 0 get all.n

# ---- text and blob ----

expect '' create motd text
expect true call motd cas '' hello
expect false call motd cas '' mine
expect 12 call motd append ', world'
expect 'hello, world' get motd.value
expect 3 call motd set tea
expect '' set motd.value=milk
expect milk get motd.value
expect '' create key blob 0x00ff
expect 3 call key append 0x01
expect true call key cas 0x00ff01 0x
expect 0x get key.value
refuses 'stoa: *is not bytes*' call key set hello

# ---- breaker ----

expect '' create db breaker after=2 sleep=1 factor=2 cap=3
expect 'broken: false
wait_ns: 0' call db short
expect 'broken: true
wait_ns: 1000000000' call db short
expect 'true
2
1' get db.broken db.times db.total_trips
expect 'broken: true
wait_ns: *' call db check
for sleep in 2 3 3; do
	expect $sleep call db reset
done
expect 1 call db reset_backoff
expect 'false
0' get db.broken db.until
expect '' set db.sleep=60
expect 'broken: true
wait_ns: 60000000000' call db trip

# ---- bucket ----

expect '' create limit bucket burst=20
expect 'granted: true
wait_ns: 0' call limit take 20
expect 'granted: false
wait_ns: 9223372036854775807' call limit take 1
expect '' set limit.rate=1000 limit.burst=1
expect 'granted: *' call limit take 1
refuses 'stoa: n is 1.5: not above 0 and up to the burst, which is 1' call limit take 1.5

# ---- another daemon ----

show_all() {
	for object in $(stoa list | sed 's/ .*//'); do
		stoa show --json "$object"
	done
}

show_all >"$dir/before"
end
start --volatile
expect 4.8 call t percentile 95 # a call waits until it is served
expect 301 call latency percentile 75
expect 'broken: true
wait_ns: *' call db check
show_all >"$dir/after"
diff "$dir/before" "$dir/after" || bad=1

# ---- the end ----

end
[ -z "$(ls -A "$STOA_DIR")" ] || { ls -AR "$STOA_DIR"; bad=1; }
[ $bad = 0 ] || cat "$dir/log"
exit $bad
