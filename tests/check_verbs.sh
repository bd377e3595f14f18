#!/bin/sh
# check_verbs.sh: what all verbs of stoa have in common: which namespace, -a, --json, suggestions, colours; and several
# objects at once.
set -u

# -a is of all that the machine has: where others serve namespaces meanwhile, they are put out of sight.
if [ -z "${STOA_APART-}" ] && "$builddir/stoa" -a list >/dev/null 2>&1; then
	unshare -rm true 2>/dev/null || { echo "others serve namespaces here, and unshare(1) cannot hide them"; exit 77; }
	STOA_APART=yes exec unshare -rm sh -c 'mount -t tmpfs none /dev/shm && exec sh "$0"' "$0"
fi
. "$srcdir/tests/cli.sh"

# json STATUS CONDITION VERB…: each line that is printed is JSON; the condition is Python's, about all of them, lines.
json() {
	want=$1 condition=$2
	shift 2
	stoa "$@" >"$tmp/out" 2>"$tmp/err"
	got=$?
	[ "$got" = "$want" ] || fail "stoa $*: exit status $got, not $want: $(cat "$tmp/out" "$tmp/err")"
	[ -n "$python" ] || return 0
	"$python" -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$tmp/out" "$condition" || fail "stoa $*: not $condition: $(cat "$tmp/out")"
}
python=$(command -v python3)

# ---- which namespace ----

expect_like 3 'stoa: nobody serves namespace default *' -t 0.1 list
expect_like 3 'stoa: no namespace is live' -a list
serve one
expect 0 '' -n one create hits counter 1
expect 0 1 get hits.value
expect_like 3 'stoa: nobody serves namespace default *' -t 0.1 call hits add 1
expect_like 0 'healthy: *namespace one' health
expect_like 3 'stoa: nobody serves namespace default *; live: one' -t 0.1 set hits.value=1
expect_like 3 'stoa: nobody serves namespace onne *; live: one; did you mean -n one[?]' -t 0.1 -n onne set hits.value=1
expect_like 3 'stoa: note: waiting for namespace default, which nobody serves; live: one; -n chooses
stoa: nobody serves namespace default *; live: one' set hits.value=1
serve two
expect 0 '' -n two create hits counter 2
expect_like 2 'stoa: 2 namespaces are live: one, two; choose one with -n, or STOA_NAMESPACE
*' get hits.value
expect_like 3 'stoa: 2 namespaces are live: one, two; *' health
STOA_NAMESPACE=two expect 0 2 get hits.value
STOA_NAMESPACE=two expect 0 1 -n one get hits.value
expect 0 'one  hits  counter
two  hits  counter' -a list
json 0 '[(l["namespace"], l["object"]) for l in lines] == [("one", "hits"), ("two", "hits")]' -a list --json
expect_like 0 'healthy: *namespace one
healthy: *namespace two' health -a
json 0 '[(l["namespace"], l["verdict"]) for l in lines] == [("one", "healthy"), ("two", "healthy")]' -a health --json
expect_like 1 '*' -n one call hits add x=1
expect_like 1 'stoa: * is out of range' -n one call hits add 9223372036854775807
expect_like 0 'one  1  * hits.add: * is out of range' -a rejected
json 0 '[(l["namespace"], l["row"]) for l in lines] == [("one", "add")]' -a rejected --json
expect_like 0 'one  counter: version 1*
two  counter: version 1*' -a classes counter
expect_like 0 'one: healthy: *
hits  *
two: healthy: *
hits  *' -a top --once -i 0.1
json 0 '[(l["namespace"], [o["object"] for o in l["objects"]]) for l in lines] == [("one", ["hits"]), ("two", ["hits"])] * 2' \
	-a top -n 2 -i 0.1 --json
expect_like 0 '# HELP stoa_health *
# TYPE stoa_health gauge
stoa_health{namespace="one"} 0
stoa_health{namespace="two"} 0
# HELP stoa_start_time_seconds *
stoa_attr_counter_value{namespace="one",*
stoa_attr_counter_value{namespace="two",*' -a metrics 'h*'
[ -z "$(stoa -a metrics | grep '^# TYPE' | sort | uniq -d)" ] || fail "-a metrics: a metric in two pieces"
json 0 '[l["labels"]["namespace"] for l in lines if l["metric"] == "stoa_health"] == ["one", "two"]' -a metrics --json
expect 1 'stoa: no object of any namespace is like "x*"' -a metrics 'h*' 'x*'
expect_like 2 'stoa: -a is not for this verb*' -a set hits.value=1
expect_like 2 'stoa: -a is for all namespaces, and -n for one*' -n one -a list

# ---- namespaces ----

expect_like 0 'namespace  state *
one        live  * 1
two        live  * 1' namespaces
mkdir "$STOA_DIR/old" "$STOA_DIR/old.damaged-1-2" "$STOA_DIR/other"
: >"$STOA_DIR/old/state"
: >"$STOA_DIR/old.damaged-1-2/lock"
json 0 '[(l["namespace"], l["state"]) for l in lines] == [("old", "damaged"), ("old.damaged-1-2", "damaged"),
("one", "live"), ("two", "live")] and all(l["directory"] == "'"$STOA_DIR"'/" + l["namespace"] for l in lines) and
lines[2]["pid"] == '"$(field coordinator one)"' and 0 < lines[2]["uptime_ns"] < 60e9 and lines[2]["clients"] == 0 and
lines[2]["size"] > 4096 and lines[2]["objects"] == 1 and lines[0]["objects"] is None' --json namespaces
rm -r "$STOA_DIR/old" "$STOA_DIR/old.damaged-1-2" "$STOA_DIR/other"
expect_like 0 '*one *live *' namespaces -a

kill -STOP "$(field guardian two)" "$(field coordinator two)"
expect 0 '2' -n two get hits.value
end two
expect_like 0 'stoa: note: gone: *
2' -n two get hits.value
json 0 'lines[1]["namespace"] == "two" and lines[1]["state"] == "crashed" and lines[1]["pid"] is None and
lines[1]["objects"] == 1' --json namespaces
expect 0 1 get hits.value

# ---- several at once ----

STOA_NAMESPACE=one
export STOA_NAMESPACE
expect 0 '' create web-1 counter 5
expect 0 '' create web-2 counter 60
expect 0 '' create e every
expect 0 'web-1.value   5
web-2.value  60' get 'web-*.value'
expect 0 'web-2.value  60
hits.value    1' get web-2.value 'h?ts.v*'
expect 0 'e.timer.total  0
e.timer.at.x   0' get 'e.timer*'
json 0 'sorted((l["object"], l["value"]) for l in lines) == [("hits", 1), ("web-1", 5), ("web-2", 60)]' --json get '*.value'
expect 1 'stoa: no object of namespace one is like "x*"' get 'x*.value'
expect 1 'stoa: no attribute is like "web-*.x"' get 'web-*.x'
expect_like 0 'web-1: counter, version*
  value  i64 writable  5  *

web-2: counter, *
  value  i64 writable  60  *' show 'web-*'
json 0 '[(l["object"], l["values"]["value"]) for l in lines] == [("web-2", 60), ("hits", 1)]' show --json web-2 hits web-2
json 0 'lines[0]["version"] < lines[1]["version"] and lines[0]["pid"] > 0' show --json web-1 web-2
expect 1 'stoa: no object nix in namespace one' show hits nix
expect_like 0 '*web-1: *web-2: *' show --peek 'web-*'

# Some come and go, others stay: no pattern fails for that.
for i in $(seq 2000); do
	echo "create go-$i counter"
	echo "create go-a$i counter"
	echo "remove go-$i"
	echo "remove go-a$i"
done >"$tmp/lines"
for i in $(seq 50); do cat "$tmp/lines"; done | "$builddir/stoa" - >/dev/null &
churn=$!
for i in $(seq 40); do
	stoa get '*.value' >"$tmp/out" 2>&1 || fail "get, while objects come and go: $(cat "$tmp/out")"
	grep -q '^web-2.value *60$' "$tmp/out" || fail "get, while objects come and go: no web-2: $(cat "$tmp/out")"
	stoa show '*' >"$tmp/out" 2>&1 || fail "show, while objects come and go: $(cat "$tmp/out")"
done
kill "$churn" 2>/dev/null || fail "the objects came and went too early"
wait "$churn" 2>/dev/null

# ---- classes ----

expect_like 0 'counter: version 1, fingerprint ????????????????
  value  i64  *writable  what was counted
  add(n:i64) -> value:i64  *writes value, folds*
  reset() -> value:i64 *' classes counter
json 0 'lines[0]["class"] == "counter" and [a["name"] for a in lines[0]["attributes"]] == ["value"] and
[(m["name"], m["writes"], m["folds"]) for m in lines[0]["methods"]][0] == ("add", "value", True)' --json classes 'count*'
json 0 'sorted(l["class"] for l in lines) == [l["class"] for l in lines] and "every" in [l["class"] for l in lines] and
len(set(l["fingerprint"] for l in lines)) == len(lines)' --json classes
json 0 '[m for m in lines[0]["methods"] if m["name"] == "total"][0]["reads"] == "row" and lines[0]["init"][0]["type"] == "i8"' \
	--json classes every
json 0 '[a["name"] for a in lines[0]["init"]] == ["number", "text"]' --json classes box
expect 1 'stoa: the coordinator of namespace one has no class countre; did you mean counter?' classes countre
expect 1 'stoa: the coordinator of namespace one has no class evry; did you mean every?' create x evry

# ---- --json everywhere, and nothing else on standard output ----

json 0 'lines == [{"created": "x"}]' create --json x counter 3
json 0 'lines == [{"object": "x", "attribute": "value", "value": 4}]' set --json x.value=4
json 0 'lines == [{"value": 5}]' --json call x add 1
json 0 'lines == []' --json cast x add 1
json 0 'lines == [{"removed": "x"}]' --json remove x
stoa set "e.note=$(printf '\001"\\\177\n')" || fail "set e.note"
json 0 'lines[0]["value"] == "\x01\"\\\x7f"' get --json e.note
json 0 'lines[0]["values"]["note"] == "\x01\"\\\x7f"' show --json e

# ---- what was meant ----

expect 1 'stoa: no object hit in namespace one; did you mean hits?' get hit.value
expect 1 'stoa: no object wbe-1 in namespace one; did you mean web-1?' call wbe-1 add 1
expect 1 'stoa: no object web_2 in namespace one; did you mean web-2?' remove web_2
expect_like 2 'stoa: --peak is no option here; did you mean --peek?*' get --peak hits.value
expect_like 2 'stoa: --open comes after its verb*' --open list

# ---- remove by pattern ----

for i in 1 2 3 4; do
	expect 0 '' create gone-$i counter
done
expect 1 'stoa: no object of namespace one is like "gine-*"' remove 'gone-*' 'gine-*'
expect 0 'gone-1
gone-3
gone-4' remove 'gone-[134]' gone-4
json 0 'lines == [{"removed": "gone-2"}]' --json remove 'gon*'
expect 1 'stoa: no object of namespace one is like "gon*"' remove 'gon*'
expect 0 '' create gone-5 counter
[ "$(echo "remove 'gone-*'" | "$builddir/stoa" -)" = 'ok [{"removed":"gone-5"}]' ] || fail "remove of stoa -"

# ---- colours: on a terminal only, and not where they are not wanted ----

escape=$(printf '\033')
stoa show hits | grep -q "$escape" && fail "colours without a terminal"
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
	unset NO_COLOR
	TERM=xterm script -qec "'$builddir/stoa' show hits" /dev/null </dev/null | grep -q "$escape" ||
		fail "no colours on a terminal"
	NO_COLOR=1 TERM=xterm script -qec "'$builddir/stoa' show hits" /dev/null </dev/null | grep -q "$escape" &&
		fail "colours in spite of NO_COLOR"
fi
exit $bad
