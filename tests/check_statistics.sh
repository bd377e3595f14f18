#!/bin/sh
# check_statistics.sh: what goes on, by object, method and client, as people and as monitors see it.
set -u
. "$srcdir/tests/cli.sh"

serve default
expect 0 '' create hits counter 42
expect 0 52 call hits add 10
expect 1 'stoa: 52 + 9223372036854775807 is out of range' call hits add 9223372036854775807
expect 0 '' create e every

# ---- top ----

expect_like 0 'default: healthy: *
commands/s *rejected/s *queued *reads waited/s *p50 below *p99 below *objects *threads*
* 2 *
object */s *calls *failed *failed/s *mean *time*
e *0 *0 *0 *0 *- *-*
hits *0 *2 *1 *0 *s *s*
method */s *calls *failed *failed/s *mean *time*
counter.add *0 *2 *1 *0 *s *s' top --once -i 0.1
expect_like 0 '*"object":"hits","class":"counter","rate":0,"calls":2,"failed":1,"failed_rate":0,"mean_ns":*,"time_ns":*,"timed":2}*"methods":\[{"class":"counter","method":"add",*' top --json --once -i 0.1
expect_like 0 '{*}
{*}' top --json -c 2 -i 0.1
expect_like 2 '*--sort takes rate, calls, *, and not x*' top --sort x
expect_like 2 '*--interval*' top -i x
case $(stoa top --once -i 0.1 --sort calls -l 1) in
*"hits "*) ;;
*) fail "top --sort calls: the busiest object is not the first" ;;
esac
case $(stoa top --once -i 0.1 --sort name -l 1) in
*"hits "*) fail "top --lines 1 --sort name: shows a second object" ;;
*"e "*) ;;
*) fail "top --sort name: e is not there" ;;
esac

# ---- top: rates, clients and waits, while something goes on ----

mkfifo "$tmp/verbs"
"$builddir/stoa" - <"$tmp/verbs" >"$tmp/answers" 2>&1 &
exec 9>"$tmp/verbs"
(
	sleep 0.5
	for i in $(seq 50); do
		echo "call hits add 1"
	done >&9
) &
said=$(stoa top --json --once -i 2)
case $said in
*'"commands":'[1-9]*'"object":"hits","class":"counter","rate":'[1-9]*,'"calls":52,'*'"clients":[{"pid":'*'"name":"stoa","rate":'[1-9]*,'"pushed":50,"rejected":0,'*) ;;
*) fail "top --json: printed $said" ;;
esac
exec 9>&-

# ---- the coordinator is dead ----

end default
wait "$daemon" 2>/dev/null
daemon=
expect_like 0 '*gone: *hits *0 *52 *1 *' top --once -i 0.1
serve default
stoa -t 20 call hits add 1 >/dev/null || fail "it does not serve again"
expect_like 0 '*hits *0 *53 *1 *' top --once -i 0.1
expect 0 '' -t 20 stop --now
exit $bad
