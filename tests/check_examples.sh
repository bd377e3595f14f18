#!/bin/sh
# check_examples.sh: the small examples do what they say, and leave nothing behind: count loses nothing; follow waits for
# a publisher, sees it, its silence, its end and the next one; ask has 10,000 calls in flight, and each is answered once;
# fetch, in the shell, downloads each once and not too fast.
set -eu
examples=$builddir/examples
dir=$(mktemp -d /dev/shm/stoa-examples.XXXXXX 2>/dev/null || mktemp -d)
mkdir -m 700 "$dir/stoa"
export STOA_DIR="$dir/stoa"
pids=

clean_up() {
	for pid in $pids; do
		kill -CONT "$pid" 2>/dev/null || continue
		kill "$pid" 2>/dev/null || :
	done
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
	echo "$@"
	tail -n 5 "$dir"/out.* 2>/dev/null
	exit 1
}

# wait_for WHAT COMMAND...: at most 20 seconds, for a condition.
wait_for() {
	what=$1
	shift
	end=$(($(date +%s) + 20))
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || fail "in vain: $what"
		sleep 0.02
	done
}

is_empty() {
	[ -z "$(ls -A "$1")" ]
}

has() {
	grep -q "$1" "$dir/$2"
}

lines_above() {
	[ "$(wc -l <"$dir/$1")" -gt "$2" ]
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

find_coordinator() {
	coordinator=$(tr -d ' ' <"/proc/$stoad/task/$stoad/children") || fail "this kernel does not tell children"
	[ -n "$coordinator" ] || fail "stoad has no child"
}

# ---- count ----

n=$(timeout 60 "$examples/count") || fail "count: status $?"
[ "$n" = 40000 ] || fail "count: $n"
wait_for "an embedded coordinator ends with its last client" is_empty "$STOA_DIR"

# ---- publish and follow ----

timeout 60 "$examples/follow" >"$dir/out.follow" 2>&1 &
follow=$!
pids="$pids $follow"
"$examples/publish" 3000 >"$dir/out.publish" 2>&1 &
publish=$!
pids="$pids $publish"
wait_for "follow sees the first frames" has ' m, version' out.follow
kill -STOP $publish
wait_for "follow tells of silence" has '^silent since version' out.follow
kill -CONT $publish
wait $publish || fail "publish"
has 'done$' out.publish || fail "publish does not say how it ended"
has '^1.5000 m, version 3001 ' out.follow || wait_for "follow sees the last frame" has '^1.5000 m, version 3001 ' out.follow
wait_for "follow tells of the end" has '^the publisher is gone' out.follow
gone=$(wc -l <"$dir/out.follow")
timeout 60 "$examples/publish" 100 >"$dir/out.publish" || fail "publish, for the second time"
wait_for "follow goes on with the next publisher" lines_above out.follow "$gone"
kill $follow
wait $follow 2>/dev/null || :
wait_for "nothing is left of publish and follow" is_empty "$STOA_DIR"

# ---- fetch ----
# 20 files and one that is not there, in 8 shells, 10 starts a second: not in less time than that takes, and none without
# a token.

mkdir "$dir/bin" "$dir/from"
ln -s "$builddir/stoa" "$builddir/stoad" "$dir/bin"
cat >"$dir/bin/copy" <<'END'
#!/bin/sh
copied=$(dirname "$0")/copied
echo "$1" >>"$copied"
[ "$(wc -l <"$copied")" -le "$(stoa get rate.granted)" ] || exit 1
cp "${1#file://}" "$2"
END
chmod +x "$dir/bin/copy"
for i in $(seq 20); do
	seq "$i" >"$dir/from/$i"
	echo "file://$dir/from/$i"
done >"$dir/addresses"
echo "file://$dir/from/none" >>"$dir/addresses"
begin=$(date +%s%N)
! PATH="$dir/bin:$PATH" FETCH=copy timeout 60 "$srcdir/examples/fetch" "$dir/to" 8 10 <"$dir/addresses" \
	>"$dir/out.fetch" 2>&1 || fail "fetch does not tell of a failure"
[ $(($(date +%s%N) - begin)) -ge 2000000000 ] || fail "fetch: over 10 downloads a second"
has "^20 done, 1 failed, $(cat "$dir"/from/* | wc -c) bytes\$" out.fetch || fail "fetch"
has "^failed: file://$dir/from/none\$" out.fetch || fail "fetch does not say what failed"
sort "$dir/addresses" >"$dir/wanted"
sort "$dir/bin/copied" | cmp - "$dir/wanted" || fail "fetch: not each once"
for i in $(seq 20); do
	cmp "$dir/from/$i" "$dir/to/$i" || fail "fetch: another file than asked for"
done
wait_for "nothing is left of fetch" is_empty "$STOA_DIR"

# ---- ask ----
# 20 tokens, 10 a second.

"$builddir/stoad" -n web --volatile --max-queue=16K 2>"$dir/out.stoad" &
stoad=$!
pids="$pids $stoad"
wait_for "stoad serves" has 'serving namespace web' out.stoad

# Its coordinator is stopped; the guardian puts another in its place, and ask is answered by that.
find_coordinator
kill -STOP "$coordinator"
printf 'one\ntwo' | timeout 60 "$examples/ask" >"$dir/out.two" 2>&1 || fail "ask, two lines"
[ "$(grep -c ': go$' "$dir/out.two")" = 2 ] || fail "two of twenty tokens were not granted"

# A lane comes from the coordinator; so one line is answered before it is stopped.
seq 0 10000 >"$dir/lines"
mkfifo "$dir/input"
find_coordinator
timeout 60 "$examples/ask" <"$dir/input" >"$dir/out.ask" 2>"$dir/out.said" &
ask=$!
pids="$pids $ask $coordinator"
exec 4>"$dir/input"
echo 0 >&4
wait_for "the first line is answered" has '^0: go$' out.ask
kill -STOP "$coordinator"
sed 1d "$dir/lines" >&4
exec 4>&-
wait_for "ask has asked for all lines" has 'asked' out.said
kill -CONT "$coordinator" 2>/dev/null || : # a slow machine: its guardian has put another in its place
wait $ask || fail "ask: status $?"
has '^ask: 10001 asked, 10000 in flight$' out.said || fail "not all were in flight: $(cat "$dir/out.said")"
sed 's/: \(go\|later, in [0-9]* ms\)$//' "$dir/out.ask" | sort -n | cmp -s - "$dir/lines" ||
	fail "not each line was answered once"
go=$(grep -c ': go$' "$dir/out.ask") || :
[ "$go" -ge 18 ] && [ "$go" -lt 1000 ] || fail "$go lines got a token, of 20 and 10 a second"
kill $stoad
wait $stoad || fail "stoad: status $?"
wait_for "nothing is left of stoad and ask" is_empty "$STOA_DIR"
