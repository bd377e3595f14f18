#!/bin/sh
# check_dump.sh: stoa dump and stoa load: values of every type, what only hooks know, patterns, pipes, a coordinator that
# is dead; and what is refused, with nothing loaded. Where the file goes, and that only a whole dump gets there.
set -u
. "$srcdir/tests/cli.sh"

serve one
expect 0 '' -n one create hits counter 5
expect 0 '' -n one create box box 3 text=hey
expect 0 '' -n one create e every
expect 0 '' -n one set e.note='a "b"' e.data=0x00ff e.f64=-0 e.name=seven e.row=1,2,3 e.u64=18446744073709551615
expect 0 '' -n one create h histogram
for n in 1 5 900 70000; do
	expect 0 '' -n one call h record $n
done
stoa -n one get --json '*.*' >"$tmp/values"

# ---- there and back ----

expect 0 '4 objects' -n one dump "$tmp/all"
[ "$(stat -c %a "$tmp/all")" = 600 ] || fail "others may read a dump"
expect 0 '{"dumped":"'"$tmp"'/some","objects":2}' -n one dump --json "$tmp/some" 'h*'
serve two --volatile
expect 0 '2 objects' -n two load "$tmp/some"
expect 0 'h     histogram
hits  counter' -n two list
expect_like 1 'stoa: object box is there already; nothing was loaded' -n one load "$tmp/all"
expect 1 'stoa: object h is there already; nothing was loaded' -n two load "$tmp/all"
expect 0 '' -n two remove h hits
expect 0 '{"loaded":"'"$tmp"'/all","objects":4}' -n two load --json "$tmp/all"
stoa -n two get --json '*.*' | diff "$tmp/values" - || fail "values differ"
[ "$(stoa -n two call h percentile 50)" = "$(stoa -n one call h percentile 50)" ] || fail "what hooks know differs"
expect 0 '' -n two remove h hits e box
"$builddir/stoa" -n one dump - | "$builddir/stoa" -n two load - >"$tmp/out" || fail "through a pipe"
stoa -n two get --json '*.*' | diff "$tmp/values" - || fail "values differ, through a pipe"
expect 0 '' -n two remove h hits e box

# ---- classes that were made at run time ----

expect 0 '' -n one create --class=point car signals 'position.x:f64 unit=m doc=forward' 'name:text[8]' 'n:u8'
expect 0 '' -n one create van point name=white n=250
expect 0 '' -n one set car.position.x=1.5
expect 0 5 -n one call car add n 5
stoa -n one classes point >"$tmp/point"
stoa -n one get --json 'car.*' 'van.*' >"$tmp/points"
expect 0 '2 objects' -n one dump "$tmp/signals" '[cv]a[rn]'
expect 0 '6 objects' -n one dump "$tmp/mixed"
serve three --volatile
expect 0 '2 objects' -n three load "$tmp/signals"
stoa -n three get --json 'car.*' 'van.*' | diff "$tmp/points" - || fail "values of signals differ"
stoa -n three classes point | diff "$tmp/point" - || fail "the class of signals differs"
expect_like 1 '*plus 6 is out of the range of u8' -n three call van add n 6
expect 0 '' -n three create --class=point --open car signals 'position.x:f64 unit=m doc=forward' 'name:text[8]' 'n:u8'
expect 0 '' -n three stop
serve four --volatile
expect 0 '' -n four create --class=point other signals 'n:u16'
expect 1 'stoa: class point differs: attribute position.x is "position.x:f64 writable" in the dump and not there in the coordinator' \
	-n four load "$tmp/signals"
expect 0 'other  point' -n four list
expect 0 '' -n four stop
"$builddir/stoad" --volatile -n five >>"$tmp/log" 2>&1 </dev/null &
expect_like 0 '*' -n five -t 10 list
expect_like 1 'stoa: the coordinator of namespace five has no class box*' -n five load "$tmp/mixed"
expect_like 1 '*point*' -n five classes point
expect 0 '' -n five stop
expect 0 '' -n one remove car van

# ---- where it goes ----

expect_like 1 'stoa: cannot make /nix/x.new-*: No such file or directory' -n one dump /nix/x
expect_like 1 'stoa: cannot open /nix: No such file or directory' -n one load /nix
expect 0 '4 objects' -n one dump /dev/null
[ -c /dev/null ] || fail "/dev/null was replaced"
expect_like 1 'stoa: cannot write the dump: No space left on device' -n one dump /dev/full
echo old >"$tmp/kept"
(ulimit -f 1 && trap '' XFSZ && expect_like 1 'stoa: cannot write the dump: File too large' -n one dump "$tmp/kept"; exit $bad) ||
	bad=1
[ "$(cat "$tmp/kept")" = old ] || fail "a dump that failed has taken the place of a file"
[ -z "$(ls "$tmp" | grep new-)" ] || fail "left: $(ls "$tmp")"

# ---- what is no whole dump ----

for n in 0 7 100 3000; do
	head -c $n "$tmp/all" >"$tmp/bad"
	expect_like 1 'stoa: th*dump*' -n two load "$tmp/bad"
done
sed 's/hey/hoy/' "$tmp/all" >"$tmp/bad"
expect 1 'stoa: the dump is damaged: its sum is another than when it was written; nothing was loaded' -n two load "$tmp/bad"
expect 1 'stoa: this is no dump of stoa, or one of a machine of another byte order' -n two load "$srcdir/README.md"
expect 0 '' -n two list
stoa -n two stop
"$builddir/stoad" --volatile -n two >>"$tmp/log" 2>&1 </dev/null &
expect_like 0 '*' -n two -t 10 list
expect_like 1 'stoa: the coordinator of namespace two has no class box*' -n two load "$tmp/all"
expect 0 '' -n two list

# ---- of one that is dead, with a write that nobody commits ----

printf '%s\n' 'cast e pause 15000' 'cast hits add 1' | "$builddir/stoa" -n one - >/dev/null || fail "two casts"
end one
expect_like 3 '*stoa: *' -n one -t 0.5 dump "$tmp/dead"
[ ! -e "$tmp/dead" ] || fail "a dump that failed is there"
expect_like 0 'stoa: note: gone: *4 objects' -n one dump --peek "$tmp/dead"
expect_like 0 'stoa: note: gone: *1 objects' -n one dump --peek "$tmp/dead" 'hits'
expect 0 '1 objects' -n two load "$tmp/dead"
expect 0 5 -n two get hits.value
exit $bad
