#!/bin/sh
# check_observe.sh: what an operator sees: the last commands, the messages, who is attached; while all is well, while the
# coordinator hangs, and of a namespace whose processes were killed.
set -u
. "$srcdir/tests/cli.sh"

serve default
expect 0 '' create hits counter 42
expect 0 52 call hits add 10
expect 1 'stoa: 52 + 9223372036854775807 is out of range' call hits add 9223372036854775807
expect 0 '' create e every

# ---- trace ----

expect_like 0 '*time *ticket *pid *kind *what *run *queued *outcome*
*0 *create *hits *applied*
*1 *call *hits.add *applied*
*2 *call *hits.add *s *s *
*3 *create *e *applied*' trace
expect_like 0 '{"time_ns":*,"ticket":2,"pid":*,"kind":"call","object":"hits","class":"counter","row":"add","commands":1,"run_ns":*,"queued_ns":*,"about":false,"running":false,"code":-*}
{"time_ns":*,"ticket":3,*}' trace --json --last 2
expect_like 2 '*--last*' trace --last x

# ---- log ----

expect_like 0 '* info *serving namespace default, pid *' log
expect_like 0 '{"number":1,"time_ns":*,"pid":*,"priority":"info","text":"serving namespace default, *"}' log --json

# ---- clients ----

stoa -t 30 call e pause 5000 >/dev/null 2>&1 &
waiter=$!
until_health 0 'healthy: running a method*'
expect_like 0 '*"name":"stoa"*"pushed":1,"rejected":0,"pending":1,"oldest_object":"e","oldest_row":"pause","oldest_ticket":4,"oldest_ns":*,"waits_for":"an answer","waits_ns":*' clients --json
expect_like 0 '*pid *tid *client *name *user *since *pushed *rejected *pending *oldest *waits for*
* stoa * e.pause, * an answer, *' clients
expect_like 0 '*4 *call *e.pause *running*' trace

# ---- both dead, in a method ----

end default
kill -KILL $waiter 2>/dev/null
wait "$daemon" 2>/dev/null
daemon=
expect_like 0 '*gone: *2 *call *hits.add *
*4 *call *e.pause *running*' trace
expect_like 0 '*serving namespace default*' log
expect_like 0 '*stoa *e.pause*' clients
serve default
stoa -t 20 call hits add 1 >/dev/null || fail "it does not serve again"
expect_like 0 '*serving namespace default*serving namespace default*' log

# ---- evict: the caller is told; it is shown until it has ended ----

expect_like 2 'stoa: first is neither a pid nor a client number, as stoa clients shows them*evict --help*' evict first
expect 1 'stoa: no client 2147483647 is attached to namespace default; stoa clients shows who is' evict 2147483647
mkfifo "$tmp/verbs"
"$builddir/stoa" - <"$tmp/verbs" >"$tmp/batch" 2>&1 &
batch=$!
exec 3>"$tmp/verbs"
echo 'cast hits add 1' >&3
for i in $(seq 100); do
	client=$(stoa clients --json | sed -n "s/^{\"pid\":$batch,\"tid\":[0-9]*,\"client\":\([0-9]*\),.*/\1/p")
	[ -z "$client" ] || break
	sleep 0.1
done
[ "$(stoa complete -- evict "$batch")" = "$batch" ] || fail "stoa complete -- evict $batch: $(stoa complete -- evict '')"
expect 0 "{\"evicted\":$batch,\"name\":\"stoa\"}" -t 20 evict --json "$client"
expect_like 0 "*$batch *- *its end, evicted*" clients
expect_like 0 "*{\"pid\":$batch,\"tid\":null,\"client\":null,*\"evicted\":true,*" clients --json
expect 0 '' -t 20 evict --pid "$batch"
[ -z "$(stoa complete -- evict "$batch")" ] || fail "stoa complete -- evict: offers one that is evicted"
expect_like 0 "* warning *process $batch was evicted by process *, of user *" log
echo 'call hits add 1' >&3
exec 3>&-
wait $batch
grep -q 'this process was evicted from namespace default' "$tmp/batch" || fail "stoa -, evicted: $(cat "$tmp/batch")"
for i in $(seq 100); do
	stoa clients --json | grep -q "\"pid\":$batch," || break
	sleep 0.1
done
expect 1 "stoa: no client $batch is attached to namespace default; stoa clients shows who is" evict "$batch"

# ---- trace --last, while others write: no more, and no less ----

yes 'cast hits add 1' | "$builddir/stoa" - >/dev/null 2>&1 &
load=$!
for i in $(seq 20); do
	lines=$(stoa trace --json --last 3 | wc -l)
	[ "$lines" = 3 ] || fail "trace --last 3: $lines lines"
done
kill $load
wait $load 2>/dev/null

expect 0 '' -t 20 stop --now
exit $bad
