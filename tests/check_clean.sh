#!/bin/sh
# check_clean.sh: stoa clean: what dead namespaces have left goes, what somebody may want stays, and live ones are never
# touched: with 20 live and 20 dead, and with one that is being started at that moment.
set -u
. "$srcdir/tests/cli.sh"

n=20

# ends NAMESPACE…: kill guardian and coordinator of each at once, so that neither replaces the other.
ends() {
	for name; do
		pids=$(stoa namespaces --json | sed -n "s/^{\"namespace\":\"$name\".*\"pid\":\([0-9]*\),\"guardian\":\([0-9]*\),.*/\1 \2/p")
		kill -KILL $pids
	done
	for name; do
		end "$name"
	done
}

# state NAMESPACE: as clean has it.
state() {
	stoa clean --json 2>/dev/null | sed -n "s/^{\"namespace\":\"$1\",\"state\":\"\([^\"]*\)\".*/\1/p"
}

expect_like 0 'stoa: note: nothing is left over' clean --force
expect_like 1 'stoa: nothing is left over of a namespace nix' clean nix

# ---- kinds ----

serve web
expect 0 '' -n web create hits counter 1
expect_like 1 'stoa: namespace web is live, of pid *: not touched; stoa -n web stop ends it' clean --force web
ends web
expect_like 1 'namespace  state  *
web        crashed *  1  *  0  to be removed
stoa: note: web has 1 object, which would be gone; stoad -n web goes on with it
stoa: note: nothing was removed: --force does it without asking' clean
[ -d "$STOA_DIR/web" ] || fail "it was removed without being asked"
serve other
expect 0 '' -n other create hits counter 7
stoa -n other stop || fail stop
mkdir "$STOA_DIR/half" "$STOA_DIR/web.damaged-1-2" "$STOA_DIR/odd" "$STOA_DIR/strange"
: >"$STOA_DIR/half/lock"
: >"$STOA_DIR/web.damaged-1-2/state"
: >"$STOA_DIR/odd/state"
: >"$STOA_DIR/strange/file"
[ "$(state web):$(state half):$(state other):$(state odd)" = "crashed:half made:kept:damaged" ] ||
	fail "kinds: $(stoa clean)"
expect_like 0 '*"namespace":"half"*"then":"removed"*
*"namespace":"web",*"then":"removed"*' clean --force --json 'h*' web
expect_like 0 '*odd *stays: --kept removes it
other *kept *stays: --kept removes it
web.damaged-1-2 *damaged *stays: --kept removes it
0 removed, 0 B' clean --force
expect_like 1 '*odd *to be removed
other *to be removed
*note: nothing was removed: *' clean --kept
expect_like 0 '*"namespace":"odd",*"then":"to be removed",*' clean --kept --json
[ -d "$STOA_DIR/odd" ] || fail "odd was removed without being asked"
expect_like 0 '*odd *removed*3 removed, *' clean --force --kept
[ "$(ls "$STOA_DIR")" = strange ] || fail "left, or removed too much: $(ls "$STOA_DIR")"
rm -r "$STOA_DIR/strange"

# ---- what is not ours in it stays ----

mkdir "$STOA_DIR/half"
: >"$STOA_DIR/half/lock"
: >"$STOA_DIR/half/diary"
expect_like 1 '*stoa: cannot remove *half: Directory not empty; what is left in it is not of stoa*' clean --force
[ "$(ls "$STOA_DIR/half")" = diary ] || fail "a file that is not ours is gone"
rm -r "$STOA_DIR/half"

# ---- 20 live, 20 dead ----

for i in $(seq $n); do
	"$builddir/stoad" --volatile -n "live$i" "$module" >>"$tmp/log" 2>&1 </dev/null &
	"$builddir/stoad" -n "dead$i" "$module" >>"$tmp/log" 2>&1 </dev/null &
done
for i in $(seq $n); do
	stoa -t 20 -n "live$i" create hits counter "$i" || fail "live$i"
	stoa -t 20 -n "dead$i" create hits counter "$i" || fail "dead$i"
done
ends $(seq -f 'dead%g' $n)
expect_like 0 "*$n removed, *" clean --force
for i in $(seq $n); do
	[ ! -e "$STOA_DIR/dead$i" ] || fail "dead$i is still there"
	[ "$(stoa -n "live$i" call hits add 1)" = $((i + 1)) ] || fail "live$i does not live"
done
expect_like 0 'stoa: note: nothing is left over' clean --force
for i in $(seq $n); do
	stoa -n "live$i" stop || fail "stop live$i"
done

# ---- one that is being started ----

for i in $(seq 10); do
	"$builddir/stoad" --volatile -n racing "$module" >>"$tmp/log" 2>&1 </dev/null &
	daemon=$!
	for k in $(seq 8); do
		stoa clean --force >/dev/null 2>"$tmp/err" || fail "clean: $(cat "$tmp/err")"
	done
	stoa -t 10 -n racing create --open hits counter && stoa -n racing set hits.value="$i" ||
		fail "racing $i: cannot be used"
	stoa clean --force >/dev/null 2>&1
	[ "$(stoa -n racing get hits.value)" = "$i" ] || fail "racing $i: was touched"
	if [ $((i % 2)) = 0 ]; then stoa -n racing stop || fail "racing $i: stop"; else ends racing; fi
	wait "$daemon" 2>/dev/null
	daemon=
done

# ---- one that somebody still casts to ----

said() {
	for i in $(seq 100); do
		[ "$(wc -l <"$tmp/casts")" = "$1" ] && return
		sleep 0.1
	done
	fail "casts: $(cat "$tmp/casts")"
}

serve casts
expect 0 '' -n casts create hits counter
mkfifo "$tmp/verbs"
"$builddir/stoa" -n casts - <"$tmp/verbs" >"$tmp/casts" 2>&1 &
caster=$!
exec 8>"$tmp/verbs"
echo 'cast hits add 1' >&8
said 1
ends casts
echo 'cast hits add 1' >&8 # queued, for the next start
said 2
expect_like 0 '*casts *removed*' clean --force casts
echo 'cast hits add 1' >&8
exec 8>&-
wait "$caster"
[ "$(sed 's/ [^0-9].*//' "$tmp/casts" | tr '\n' :)" = ok:ok:error\ 3: ] || fail "casts: $(cat "$tmp/casts")"

# ---- one that was started between the question and the answer ----

script -qec true /dev/null >/dev/null 2>&1 </dev/null || exit $bad
mkdir "$STOA_DIR/racing"
: >"$STOA_DIR/racing/lock"
mkfifo "$tmp/answer"
script -qfec "'$builddir/stoa' clean racing" /dev/null <"$tmp/answer" >"$tmp/out" 2>&1 &
asked=$!
exec 9>"$tmp/answer"
for i in $(seq 100); do
	grep -q 'Remove 1' "$tmp/out" && break
	sleep 0.1
done
serve racing
stoa -n racing create hits counter 5
echo y >&9
exec 9>&-
wait "$asked"
grep -q 'stays: it is being started' "$tmp/out" || fail "started meanwhile: $(cat "$tmp/out")"
[ "$(stoa -n racing get hits.value)" = 5 ] || fail "started meanwhile, and touched"
[ -S "$STOA_DIR/racing/socket" ] || fail "started meanwhile, and its files are gone"
exit $bad
