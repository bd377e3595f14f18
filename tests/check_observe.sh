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
expect 0 '' -t 20 stop --now
exit $bad
