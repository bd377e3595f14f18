#!/bin/sh
# check_classes.sh: each built-in class from the shell: created, called, read, and what it refuses; and that it is where
# it was after the daemon was ended and started again.
set -u
. "$srcdir/tests/daemon.sh"
bad=0

start --verify

# ---- counter ----

expect 0 '' create hits counter 40
expect 0 42 call hits add 2
expect 1 'stoa: * is out of range' call hits add 9223372036854775807

# ---- gauge ----

expect 0 '' create load gauge 1
expect 0 2 call load mul 2
expect 0 1.5 call load add -0.5
expect 0 'done: true
value: 9' call load cas 1.5 9
expect 0 'done: false
value: 9' call load cas 1.5 7
expect 0 '1.5
9
3' get load.min load.max load.n
expect 1 'stoa: 9 \* 1e+308 is not a finite number' call load mul 1e308

# ---- timer ----

expect 0 '' create t timer
expect 1 'stoa: nothing was recorded*' call t percentile 50
for ms in 1 2 3; do
	expect 0 '' call t record $ms
done
expect 0 '3
6
2' get t.n t.total t.mean
for ms in 4 5; do
	expect 0 '' cast t record $ms
done
expect 0 1.5811388300841898 get t.stdev
expect 0 4.8 call t percentile 95
expect 0 'p50: 3
p90: 4.6
p95: 4.8
p99: 4.96' call t percentiles
expect 1 'stoa: ms is -1: not from 0 to 1e+15' call t record -1

# ---- what they are not given ----

expect 1 'stoa: n is 5; of a new one it can only be 0: it is what the methods make of it' create tt timer 5
expect 1 'stoa: token is 7; of a new one it can only be 0*' create no lease token=7
expect 1 'stoa: owner is "me"; of a new one it can only be 0*' create no lease owner=me
expect 1 'stoa: sleep is nan; it can be any finite number that is not below 0' create no breaker sleep=nan
expect 1 'stoa: rate is -1; it can be any finite number that is not below 0' create no bucket rate=-1
expect 0 '' create some bucket rate=1 burst=2
expect 1 'stoa: burst is inf; it can be any finite number that is not below 0' set some.rate=3 some.burst=inf
expect 0 '1
2' get some.rate some.burst

# ---- histogram ----

expect 0 '' create latency histogram
expect 0 '' create all histogram
expect 1 'stoa: nothing was recorded*' call latency percentile 50
for value in 1 2 300 4000; do
	expect 0 '' call latency record $value
done
expect 0 '4
1
4000
1075.75' get latency.n latency.min latency.max latency.mean
expect 0 301 call latency percentile 75
expect 0 '' call all merge "$(stoa call latency image)"
expect 0 '' call all merge "$(stoa call latency image)"
expect 0 4000 call all percentile 100
expect 0 8 get all.n
expect 1 'stoa: the 1 bytes are no image of a histogram' call all merge 0x01
expect 1 'stoa: * "-1" is out of range*' call latency record -1
expect 0 '' call all reset
expect 0 0 get all.n

# ---- text and blob ----

expect 0 '' create motd text
expect 0 true call motd cas '' hello
expect 0 false call motd cas '' mine
expect 0 12 call motd append ', world'
expect 0 'hello, world' get motd.value
expect 0 3 call motd set tea
expect 0 '' set motd.value=milk
expect 0 milk get motd.value
expect 0 '' create key blob 0x00ff
expect 0 3 call key append 0x01
expect 0 true call key cas 0x00ff01 0x
expect 0 0x get key.value
expect 1 'stoa: *is not bytes*' call key set hello

# ---- breaker ----

expect 0 '' create db breaker after=2 sleep=1 factor=2 cap=3
expect 0 'broken: false
wait_ns: 0' call db short
expect 0 'broken: true
wait_ns: 1000000000' call db short
expect 0 'true
2
1' get db.broken db.times db.total_trips
expect 0 'broken: true
wait_ns: *' call db check
for sleep in 2 3 3; do
	expect 0 $sleep call db reset
done
expect 0 1 call db reset_backoff
expect 0 'false
0' get db.broken db.until
expect 0 '' set db.sleep=60
expect 0 'broken: true
wait_ns: 60000000000' call db trip

# ---- bucket ----

expect 0 '' create limit bucket burst=20
expect 0 'granted: true
wait_ns: 0' call limit take 20
expect 0 'granted: false
wait_ns: 9223372036854775807' call limit take 1
expect 0 '' set limit.rate=1000 limit.burst=1
expect 0 'granted: *' call limit take 1
expect 1 'stoa: n is 1.5: not above 0 and up to the burst, which is 1' call limit take 1.5

# ---- another daemon ----

show_all() {
	for object in $(stoa list | sed 's/ .*//'); do
		stoa show --json "$object"
	done
}

show_all >"$dir/before"
end || bad=1
start --verify --volatile
expect 0 4.8 call t percentile 95 # a call waits until it is served
expect 0 301 call latency percentile 75
expect 0 'broken: true
wait_ns: *' call db check
show_all >"$dir/after"
diff "$dir/before" "$dir/after" || bad=1

# ---- the end ----

end || bad=1
[ -z "$(ls -A "$STOA_DIR")" ] || { ls -AR "$STOA_DIR"; bad=1; }
[ $bad = 0 ] || cat "$dir/log"
exit $bad
