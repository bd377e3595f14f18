#!/bin/sh
# check_watch.sh: stoa watch: each change with who made it, what is skipped is counted, it begins before the object does,
# and ends when it should.
set -u
. "$srcdir/tests/cli.sh"

# watch VERB…: in the background, what it says to $tmp/watched.
watch() {
	"$builddir/stoa" -t 30 watch "$@" >"$tmp/watched" 2>&1 </dev/null &
	watcher=$!
}

# watched STATUS PATTERN: it ends by itself, with this, having said that.
watched() {
	wait "$watcher"
	got=$?
	[ "$got" = "$1" ] || fail "stoa watch: exit status $got, not $1"
	said=$(cat "$tmp/watched")
	case $said in
	$2) ;;
	*) fail "stoa watch: said
$said
which is not like
$2" ;;
	esac
}

# until_watched TEXT: within 10 s, it has said so.
until_watched() {
	for i in $(seq 100); do
		! grep -q "$1" "$tmp/watched" || return 0
		sleep 0.1
	done
	fail "stoa watch: did not say $1: $(cat "$tmp/watched")"
}

serve default
expect 0 '' create hits counter 5

# ---- each change ----

watch -i -n 3 hits.value
until_watched 'hits.value'
expect 0 6 call hits add 1
until_watched ' 6 '
expect 0 '' set hits.value=-7
watched 0 '* hits.value  *  5  pid *
* hits.value  *  6  pid *
* hits.value  * -7  pid *'

watch --json -i -n 2 hits
until_watched '"value":-7'
expect 0 -6 call hits add 1
watched 0 '{"time_ns":*,"object":"hits","attribute":"value","version":*,"value":-7,"pid":*,"client":*,"skipped":0}
{"time_ns":*,"object":"hits","attribute":"value","version":*,"value":-6,"pid":*,"client":*,"skipped":0}'

# ---- before it is there, after it is gone, and there again ----

watch -n 4 late other.value
sleep 0.3
expect 0 '' create late counter 1
until_watched 'late.value .* 1 '
expect 0 '' remove late
until_watched 'late .* removed'
expect 0 '' create late counter 2
until_watched 'late.value .* 2 '
expect 0 '' create other counter 3
watched 0 '*
* other.value  * 3  pid *'

# ---- until it holds ----

watch --until 'hits.value>=3' hits
expect 0 '' set hits.value=1
expect 0 '' set hits.value=3
watched 0 '* 3  pid *'
expect 0 '' -t 10 watch --until hits.value==3
expect 0 '' -t 10 watch --until 'hits.value!=4'
expect 0 '' -t 10 watch --until 'hits.value<=3'
expect 1 'stoa: timed out' -t 0.3 watch --until 'hits.value<3'
expect 1 'stoa: timed out; object none was never there' -t 0.3 watch --until 'none.value<3'
expect_like 0 'stoa: note: object none was never there' -t 0.3 watch hits none
expect_like 2 'stoa: "" is not OBJECT or OBJECT.ATTRIBUTE
*' watch ''
expect 0 '' -t 0.3 watch hits
expect 0 '' create e every
expect 0 '' set e.note=done e.f64=0.5 e.i8=-3
expect 0 '' -t 10 watch --until e.note=done
expect 0 '' -t 10 watch --until 'e.f64>0.25'
expect 0 '' -t 10 watch --until 'e.i8<2'
expect 1 'stoa: timed out' -t 0.3 watch --until 'e.i8>2'
expect 0 '' -t 10 watch --until 'e.row=[0, 0, 0]'
expect 1 'stoa: attribute note of object e is text: it can be == or !=, for it has no order' watch --until 'e.note>done'
expect 1 'stoa: attribute value of object hits is i64; "x" is not a number' watch --until 'hits.value>x'
expect 1 'stoa: class counter has no attribute valeu; did you mean value?' watch hits.valeu
expect_like 2 'stoa: "hits" is not OBJECT.ATTRIBUTE>=VALUE*' watch --until hits
expect_like 2 'stoa: --until is given twice*' watch --until hits.value==3 -u hits.value==4
expect 0 '' -t 10 watch --until 'hits.value == 3'
expect 0 '' -t 10 watch --until 'hits.value> -10'
expect 0 '' -t 10 watch --until 'e.note = done'
expect 1 'stoa: timed out' -t 0.3 watch --until 'e.note= done'
expect_like 2 'stoa: --rate=x is not a number *' watch --rate x hits
expect_like 2 'stoa: --count=web is not a number *' watch -n web hits
expect_like 2 'stoa: watch takes *' watch

# ---- nothing is skipped without being counted ----

expect 0 '' set hits.value=0
watch --json -i --rate 20 --until 'hits.value>=20000' hits
until_watched '"value":0'
yes 'call hits add 1' | head -n 20000 | "$builddir/stoa" - >/dev/null || fail "20,000 calls"
watched 0 '*"value":20000,*'
lines=$(wc -l <"$tmp/watched")
skipped=$(sed -n 's/.*"skipped":\([0-9]*\).*/\1/p' "$tmp/watched" | awk '{ n += $1 } END { print n + 0 }')
[ $((lines + skipped)) = 20001 ] || fail "$lines lines and $skipped skipped are not 20001 changes"
[ "$lines" -lt 2000 ] || fail "--rate 20: $lines lines"

# ---- whatever happens to the coordinator ----

watch -n 1 hits
sleep 0.3
kill -KILL "$(field coordinator)"
expect 0 20001 call hits add 1
watched 0 '* 20001  pid *'
end default
wait "$daemon" 2>/dev/null
expect_like 0 'stoa: note: gone: *
*20001  pid *' -t 10 watch -i -n 1 hits
watch -n 1 hits
until_watched 'note: gone'
serve default
expect 0 20002 call hits add 1
watched 0 '*20002  pid *'

# ---- a stop, a second of nobody, and the next: the same state, or a namespace made anew ----

# stops OPTION…: watching all the while.
stops() {
	stoa stop || fail "stoa stop"
	wait "$daemon"
	daemon=
	sleep 1
	kill -0 "$watcher" || fail "stoa watch: ended with the coordinator: $(cat "$tmp/watched")"
	serve default "$@"
}

watch -n 2 hits later
sleep 0.3
stops
expect 0 20003 call hits add 1
until_watched ' 20003 '
expect 0 '' create later counter 4
watched 0 '*note: nobody serves namespace default; waiting for the next coordinator*20003  pid *later.value *'
watch --until 'hits.value>=20005'
stops
expect 0 20004 call hits add 1
stops
expect 0 20005 call hits add 1
watched 0 '*'
stoa stop || fail "stoa stop"
wait "$daemon"
watch hits
sleep 1
kill -0 "$watcher" || fail "stoa watch: of a kept namespace: ended: $(cat "$tmp/watched")"
expect 1 'stoa: note: gone: nobody serves namespace default
stoa: note: nobody serves namespace default; waiting for the next coordinator
stoa: timed out' -t 2 watch --until 'hits.value>=20006'
expect_like 0 '*' -t 0.6 watch hits
serve default --volatile
expect 0 20006 call hits add 1
until_watched ' 20006 '
kill "$watcher"
watch -n 4 hits absent
sleep 0.3
expect 0 20007 call hits add 1
until_watched ' 20007 '
stops --volatile
until_watched ' removed'
expect 0 '' create hits counter 3
until_watched ' 3 .*pid'
expect 0 '' create absent counter 4
watched 0 '*absent.value  *'
watch -i -n 3 hits
until_watched ' 3 '
end default
wait "$daemon"
expect_like 0 '*1 removed*' clean --force default
serve default
until_watched ' removed'
expect 0 '' create hits counter 5
watched 0 '* 3 * removed* 5 *pid *'
exit $bad
