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
{*}' top --json -n 2 -i 0.1
expect_like 0 '*"n_objects":2,*"objects":\[{*' top --json --once -i 0.1
twice=$(stoa top --json --once -i 0.1 | sed 's/\[[^]]*\]//g' | grep -o '"[a-z_0-9]*":' | sort | uniq -d)
[ -z "$twice" ] || fail "top --json: twice in one object: $twice"
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

# ---- metrics ----

# read_metrics VERB…: what it prints is as the format wants it: each metric in one piece, behind its HELP and TYPE, names
# and labels well formed, no series twice, buckets growing up to the count.
read_metrics() {
	stoa metrics "$@" >"$tmp/metrics" 2>/dev/null || fail "stoa metrics $*: exit status $?"
	awk '
	function bad(why) {
		print "line " NR ": " why ": " $0
		status = 1
	}
	/^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* / {
		if ($3 in seen)
			bad("told of in two places")
		seen[$3] = 1
		helped = $3
		next
	}
	/^# TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram)$/ {
		if ($3 != helped)
			bad("no HELP in front")
		metric = $3
		type = $4
		if (type == "counter" && metric !~ /_total$/)
			bad("a counter ends in _total")
		next
	}
	/^[a-zA-Z_:][a-zA-Z0-9_:]*[{]([a-z]+="([^"\\]|\\\\|\\"|\\n)*",?)+[}] ([-+0-9.e]+|NaN|[+-]Inf)$/ {
		series = $0
		sub(/ [^ ]*$/, "", series)
		if (series in values)
			bad("twice")
		values[series] = $NF
		name = series
		sub(/[{].*/, "", name)
		if (type == "histogram")
			sub(/_(bucket|sum|count)$/, "", name)
		if (name != metric)
			bad("not of the metric above")
		if (series ~ /_bucket[{]/) {
			if ($NF + 0 < last + 0)
				bad("less than the bucket before")
			last = $NF
		}
		if (series ~ /_count[{]/ && $NF != last)
			bad("not what the last bucket has")
		next
	}
	{ bad("neither a comment nor a sample") }
	END { exit status }' "$tmp/metrics" || fail "stoa metrics $*: not in the format of Prometheus"
}

# has LINE: so it says.
has() {
	grep -qxF "$1" "$tmp/metrics" || fail "stoa metrics: there is no $1: $(grep -F "${1%%\{*}" "$tmp/metrics")"
}

cp "$builddir/.libs/stoa" "$tmp/a\"b\\c"
mkfifo "$tmp/metrics.in"
LD_LIBRARY_PATH="$builddir/.libs" "$tmp/a\"b\\c" - <"$tmp/metrics.in" >"$tmp/said" 2>&1 &
exec 8>"$tmp/metrics.in"
echo call hits add 1 >&8
for i in $(seq 100); do
	[ ! -s "$tmp/said" ] || break
	sleep 0.1
done
expect 0 '' create t timer
expect 0 '' set e.f64=nan
expect 0 '' set e.ok=true
read_metrics
has 'stoa_health{namespace="default"} 0'
has 'stoa_objects{namespace="default"} 3'
has 'stoa_commands_rejected_total{namespace="default"} 1'
has 'stoa_object_calls_total{namespace="default",class="counter",object="hits"} 53'
has 'stoa_object_failures_total{namespace="default",class="counter",object="hits"} 1'
has 'stoa_method_calls_total{namespace="default",class="counter",method="add"} 53'
has 'stoa_attr_counter_value{namespace="default",object="hits",attribute="value"} 103'
has '# TYPE stoa_attr_counter_value gauge'
has '# TYPE stoa_attr_timer_total counter'
has 'stoa_attr_every_f64{namespace="default",object="e",attribute="f64"} NaN'
has 'stoa_attr_every_ok{namespace="default",object="e",attribute="ok"} 1'
grep -q '^stoa_client_commands_total{.*,program="a\\"b\\\\c"} 1$' "$tmp/metrics" ||
	fail "stoa metrics: the program's name is not escaped: $(grep stoa_client_commands_total "$tmp/metrics")"
read_metrics --no-clients --no-attributes 'h*'
has 'stoa_object_calls_total{namespace="default",class="counter",object="hits"} 53'
! grep -q 'stoa_attr\|stoa_client_\|object="e"' "$tmp/metrics" || fail "stoa metrics h*: more than was asked for"
expect_like 0 '*{"metric":"stoa_attr_counter_value","type":"gauge","labels":{"namespace":"default","object":"hits","attribute":"value"},"value":103}' metrics --json 'h*'
exec 8>&-
expect 1 'stoa: no object of namespace default is like "x*"' metrics 'h*' 'x*'

# ---- the coordinator is dead ----

end default
wait "$daemon" 2>/dev/null
daemon=
expect_like 0 '*gone: *hits *0 *53 *1 *' top --once -i 0.1
read_metrics
has 'stoa_health{namespace="default"} 2'
serve default
stoa -t 20 call hits add 1 >/dev/null || fail "it does not serve again"
expect_like 0 '*hits *0 *54 *1 *' top --once -i 0.1
expect 0 '' -t 20 stop --now
exit $bad
