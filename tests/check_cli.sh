#!/bin/sh
# check_cli.sh: every verb of stoa against a daemon with classes of all types, with good and bad input: what it prints
# and how it exits; then with the coordinator killed, stopped and gone. Nothing is left behind.
set -u
. "$srcdir/tests/cli.sh"

# ---- the first minute, as typed ----

"$builddir/stoad" --verify "$module" >"$tmp/log" 2>&1 </dev/null &
daemon=$!
expect 0 '' create hits counter 42
expect 0 52 call hits add 10
expect 0 52 get hits.value

# ---- list, show, get ----

expect 0 'hits  counter' list
expect 0 '' list 'web*'
expect 0 '{"object":"hits","class":"counter"}' list --json 'h?ts'
expect_like 0 'hits: counter, version 2, changed *
  value  i64 writable  52  what was counted' show hits
expect_like 0 '{"object":"hits","class":"counter",*"values":{"value":52},"types":{"value":"i64"},"units":{}}' show hits --json
expect 0 '52
52' get hits.value hits.value
expect 0 '{"object":"hits","attribute":"value","value":52}' get --json hits.value
expect 1 'stoa: no object nix in namespace default' show nix
expect 1 'stoa: no object nix in namespace default' get nix.value
expect 1 'stoa: class counter has no attribute valeu; did you mean value?' get hits.valeu
expect_like 2 'stoa: "hits" is not OBJECT.ATTRIBUTE; "hits.\*" is all of it
*' get hits
expect_like 2 'stoa: "" is not OBJECT.ATTRIBUTE
*' get ''
long=$(printf '%064d' 0)
expect_like 2 "stoa: in \"$long.value\" the name of the object is longer than 63 bytes
*" get "$long.value"
expect_like 2 "stoa: in \"$long.value=1\" the name of the object is longer than 63 bytes
*" set "$long.value=1"
expect 1 'stoa: class counter has no method ""' call hits ''
expect 1 'stoa: the coordinator of namespace default has no class ""' create x ''
expect_like 2 'stoa: there is no verb ""
*' ''
expect 1 'stoa: cannot open "": No such file or directory' load ''
expect 1 'stoa: cannot make "": No such file or directory' dump ''
expect 1 'stoa: nothing is left over of a namespace ""' clean ''
expect_like 2 'stoa: get takes OBJECT.ATTRIBUTE...; there are 0 operands*' get

# ---- call, cast ----

expect 0 47 call hits add -5
expect 0 '{"value":63}' call --json hits add n=0x10
expect 0 '' cast hits sub 3
expect 0 60 get hits.value
expect 0 0 call hits reset
expect 1 'stoa: method add of class counter takes n:i64; "abc" is not a number' call hits add abc
expect 1 'stoa: method add of class counter takes n:i64; "1.5" is not a whole number' cast hits add 1.5
expect 1 'stoa: method add of class counter takes n:i64; n is missing' call hits add
expect 1 'stoa: method add of class counter takes n:i64; there is no argument m' call hits add m=1
expect 1 'stoa: method add of class counter takes n:i64; there are too many arguments' call hits add 1 2
expect 1 'stoa: method add of class counter takes n:i64; n is given twice' call hits add n=1 n=2
expect 1 'stoa: method reset of class counter takes no arguments; there are too many arguments' call hits reset 1
expect 1 'stoa: class counter has no method ad; did you mean add?' call hits ad 1
expect_like 1 'stoa: method add*"9223372036854775808" is out of range: *' call hits add 9223372036854775808
expect 0 9223372036854775807 call hits add 9223372036854775807
expect 1 'stoa: 9223372036854775807 + 1 is out of range' call hits add 1
expect 1 'stoa: no object nix in namespace default' call nix add 1

# ---- values of any kind ----

expect 0 '' create d dict
expect 0 '' call d put key 5
expect 0 5 call d get key
expect 0 '' call d put key value=007
expect 0 007 call d get key
while read -r given shown; do
	expect 0 '' call d put key "$given"
	expect 0 "{\"value\":$shown}" call --json d get key
done <<'END'
-5 -5
0.5 0.5
-1e3 -1000
9223372036854775808 9.223372036854776e+18
1e "1e"
1. "1."
true true
tea "tea"
"5" "5"
"x\ny" "x\ny"
"x "\"x"
0x10 "0x10"
END
expect 0 '' call d put key value.text=5
expect 0 '{"value":"5"}' call --json d get key
expect 0 '' call d put key value.blob=0x00ff
expect 0 0x00ff call d get key
expect 4 '' call d get none
expect 4 '' call --json d get none
[ "$(stoa call --json d get none; stoa call d get none | wc -c)" = '{"value":null}
0' ] || fail "no value is printed"
expect 0 '' call d put key '""'
expect 0 '' call d get key
[ "$(stoa call d get key | wc -c)" = 1 ] || fail "an empty text is not printed"
expect 0 '' call d put key value.blob=0x00ff
expect 0 else call d get none else
expect 0 true call d cas key value=1 expected.blob=0x00ff
expect 0 '{"key": 1}' call d items
expect 1 'stoa: method put of class dict takes key:text, value:any; key is missing' call d put
expect 1 'stoa: the value is missing' call d put key
expect_like 1 '*takes key:text, value:any; value.kind is given twice' call d put key value=1 value=2
expect_like 1 '*; "x" is not a number' call d put key value.i64=x
expect 0 'key: "key"
value: 1' call d popitem
expect 0 0 get d.len
expect 0 '' remove d

# ---- set, create, remove ----

expect 0 '' set hits.value=1 hits.value=8
expect 0 8 get hits.value
expect 1 'stoa: attribute value of object hits is i64; "x" is not a number' set hits.value=9 hits.value=x
expect 0 8 get hits.value
expect_like 2 'stoa: "hits.value" is not OBJECT.ATTRIBUTE=VALUE*' set hits.value
expect_like 1 'stoa: *hits*' create hits counter 1
expect 0 '' create --open hits counter 1
expect 0 8 get hits.value
expect_like 1 'stoa: *class gadget*' create other gadget
expect 1 'stoa: creating a counter takes value:i64; there is no argument vale' create other counter vale=1
expect_like 1 'stoa: *'\''.'\''*' create a.b counter
expect 0 '' create zero counter
expect 0 0 get zero.value
expect 0 '' remove zero
expect 1 'stoa: no object zero in namespace default' remove zero
expect 0 '' create one box 3 text=hey
expect 0 3:hey get one.label
expect 0 '' create two box
expect 0 0:none get two.label
expect 1 'stoa: a box has no number -1' create three box -1
expect 1 'stoa: creating a box takes number:i32, text:text; "x" is not a number' create three box x

# ---- values of every type: what is set is what is got ----

printf 'a\0b' >"$tmp/blob"
expect 0 '' create e every
expect 0 '' create copy every
cat >"$tmp/values" <<'END'
i8|-128|-128
i16|+32767|32767
i32|-2147483648|-2147483648
i64|-9223372036854775808|-9223372036854775808
u8|0xff|255
u16|65535|65535
u32|4294967295|4294967295
u64|18446744073709551615|18446744073709551615
f32|0.1|0.1
f32|3.4028235e38|3.4028235e+38
f64|0.1|0.1
f64|-0|-0
f64|1e-308|1e-308
f64|1.7976931348623157e308|1.7976931348623157e+308
f64|0.30000000000000004|0.30000000000000004
f64|-inf|-inf
f64|nan|nan
ok|yes|true
ok|0|false
name|abcdefg|abcdefg
name||
row|1,-2,3|[1, -2, 3]
row|[ 1 , 2,3 ]|[1, 2, 3]
grid|[[1,2.5,nan],[inf,-inf,-0]]|[[1, 2.5, nan], [inf, -inf, -0]]
grid|1,2,3,4,5,6|[[1, 2, 3], [4, 5, 6]]
cube|1,no,true,false|[[[true, false]], [[true, false]]]
words|abc, "d,\"e"|["abc", "d,\"e"]
words|"\u65e5",""|["日", ""]
timer.total|2.5|2.5
timer.at.x|7|7
note|a=b, "c" [d]|a=b, "c" [d]
note|日本語 🎉|日本語 🎉
note||
data|0x00FF10|0x00ff10
data|0x|0x
notes|"", null|["", null]
notes|["null", "\ud83c\udf89\n"]|["null", "🎉\n"]
parts|[0x, 0x01]|[0x, 0x01]
END
while IFS='|' read -r attr value shown; do
	expect 0 '' set "e.$attr=$value"
	expect 0 "$shown" get "e.$attr"
	expect 0 '' set "copy.$attr=$shown"
	expect 0 "$shown" get "copy.$attr"
done <"$tmp/values"
expect 0 '' set "e.data=@$tmp/blob"
expect 0 0x610062 get e.data
stoa set "e.note=two
lines" && expect 0 'two
lines' get e.note
expect 0 '{"object":"e","attribute":"note","value":"two\nlines"}' get --json e.note
expect 0 '{"object":"e","attribute":"f64","value":"nan"}' get --json e.f64
expect_like 0 '*
  f64          f64 writable            nan m/s *how "fast"
*"two\\nlines"*' show e
stoa set "e.note=$(printf 'x\377y')"
expect 0 '{"object":"e","attribute":"note","value":"x\ufffdy"}' get --json e.note
if python=$(command -v python3); then
	stoa show --json e | "$python" -c 'import json, sys
o = json.load(sys.stdin)
assert o["values"]["row"] == [1, 2, 3] and o["units"]["i16"] == "mm" and o["types"]["words"] == "text[2][6]"' ||
		fail "stoa show --json e: not what was set"
fi

refuse_value() {
	expect_like 1 "stoa: attribute $1 of object e is *; \"$2\" $3" set "e.$1=$2"
}
refuse_value i8 128 'is out of range: -128 to 127'
refuse_value i8 -129 'is out of range: -128 to 127'
refuse_value u8 -1 'is out of range: 0 to 255'
refuse_value u64 18446744073709551616 'is out of range: 0 to 18446744073709551615'
refuse_value i16 1e3 'is not a whole number'
refuse_value i16 ' 1' 'is not a number'
refuse_value i16 0x 'is not a*number'
refuse_value i16 '' 'is not a number'
refuse_value f32 1e39 'is out of the range of f32'
refuse_value f64 1e309 'is out of the range of f64'
refuse_value f64 1.5x 'is not a number'
refuse_value ok maybe 'is not true or false, yes or no, 1 or 0'
refuse_value name abcdefgh 'has 8 bytes; at most 7 fit'
refuse_value row 1,2 'is not a list of 3 values'
refuse_value row 1,2,3,4 'is not a list of 3 values'
refuse_value row '1,,3' 'is not a list of 3 values'
refuse_value words '"a","b' 'is not a list of 2 values'
expect_like 1 '*is not a list of 2 values' set 'e.words="a","\q"'
refuse_value data 0x1 'is not an even number of hexadecimal digits'
refuse_value data @/nowhere 'cannot be read: No such file or directory'
refuse_value data hello 'is not bytes*'
expect 1 'stoa: attribute row of object e is i32[3]; "x" is not a number' set 'e.row=[1,2,x]'
expect 1 'stoa: attribute fixed of object e is not writable' set e.fixed=1

expect 0 'n: 1
x: 2.5
up: true
who: "me"
row: [1, 2]
say: "x=y"
raw: 0xab' call e echo 1 up=yes x=2.5 me 1,2 say=x=y 0xab
expect 0 '{"n":1,"x":"inf","up":false,"who":"\"","row":[1,2],"say":"","raw":"0x"}' call --json e echo 1 inf no '"' 1,2 '' 0x
expect_like 1 'stoa: method echo of class every takes n:i64, x:f64, up:bool, who:text?8?, row:i16?2?, say:text, raw:blob; *' \
	call e echo 1
expect 0 6 call e total
before=$(stoa get e.fixed)
expect 1 'stoa: no luck today' call e fail
expect 0 "$before" get e.fixed
expect_like 0 '*e.fail: no luck today' rejected
expect_like 0 '*"row":"fail","text":"no luck today"}' rejected --json

# ---- help, versions, usage ----

expect_like 0 'Usage: *create hits counter 42*' --help
expect_like 0 'Usage: *create hits counter 42*' help
expect_like 0 'Usage: stoa*Example: stoa get*' help get
expect_like 2 'stoa: there is no verb gte; did you mean get*' help gte
expect_like 2 'stoa: no object has a dot in its name; did you mean call hits add[?]*' call hits.add 1
expect_like 2 'stoa: no object has a dot in its name; did you mean cast hits add[?]*' cast hits.add 1
for verb in list show get set call cast create remove stop rejected health; do
	expect_like 0 "Usage: stoa*Example: stoa $verb*" $verb --help
done
expect_like 0 'stoa [0-9]*' --version
expect_like 2 'stoa: there is no verb lst; did you mean list*' lst
expect_like 2 'stoa: there is no verb frobnicate
*' frobnicate
expect_like 2 'stoa: a verb is missing*'
expect_like 2 'stoa: --jsn is no option here*' list --jsn
expect_like 2 'stoa: --now is not for this verb*' list --now
expect_like 2 'stoa: "h\*" is a pattern, which watch does not take; name the objects*' watch 'h*'
[ "$(echo '-n x list' | "$builddir/stoa" -)" = "error 2 there is no verb -n; a line begins with a verb, and -n and its like stand \
before it only where stoa is called: stoa -n NAMESPACE -" ] || fail "stoa -: -n x list"
expect_like 2 'stoa: -t x is not a number of seconds*' -t x list
expect_like 3 'stoa: --now is not for this verb*' health --now
expect_like 1 'stoa: there is no user "a"*' -n a/b list
expect 3 "stoa: $(stoa -n nix -t 0.1 list 2>&1 | sed 's/^stoa: //')" -n nix -t 0.1 call hits add 1
STOA_NAMESPACE=nix expect_like 3 'stoa: nobody serves namespace nix*' -t 0.1 get hits.value
STOA_NAMESPACE=nix expect 0 8 -n default get hits.value
if [ -c /dev/full ]; then
	stoa list >/dev/full 2>"$tmp/err" && fail "stoa list >/dev/full: exit status 0"
fi

# ---- started with its standard descriptors closed: none of them is a file of the namespace ----

"$builddir/stoad" --volatile -n shut <&- >&- 2>&- &
shut=$!
expect 0 '' -n shut create hits counter 1
for pid in $shut $(field coordinator shut); do
	for fd in 0 1 2; do
		[ "$(readlink /proc/$pid/fd/$fd)" = /dev/null ] || fail "stoad $fd>&-: it is $(readlink /proc/$pid/fd/$fd)"
	done
done
"$builddir/stoa" -n shut list <&- >&- 2>&- && fail "stoa list >&-: exit status 0"
"$builddir/stoa" -n shut load <&- >&- 2>&- && fail "stoa load <&-: exit status 0"
kill $shut
wait $shut || fail "stoad >&-: exit status $?"

case $("$builddir/stoad" -n other /nix.so 2>&1) in
*'module /nix.so: cannot open shared object file'*) ;;
*) fail "stoad /nix.so: $("$builddir/stoad" -n other /nix.so 2>&1)" ;;
esac

# ---- health, and reading, whatever happens to the coordinator ----

until_health 0 'healthy: waiting for commands; *queue 0, applied *, folded 0, rejected *restarts 0,*namespace default'
[ "$(field folded)" = 0 ] || fail "stoa health --json: folded is $(field folded)"
expect_like 2 'gone: nobody serves namespace nix*' -n nix -t 0.1 health
stoa cast e pause 3000
until_health 1 'suspect: method pause of object e has been running for *'
expect_like 0 '*8' get hits.value
until_health 0 'healthy: waiting for commands*'
expect 0 '' create l lease
expect_like 0 'granted: true*' call l acquire me 0
for i in $(seq 50); do # its owner has left, and the coordinator sees to that
	case $(stoa show l) in *"by the coordinator"*) break ;; esac
	sleep 0.1
done
expect_like 0 'l: lease, version *, changed * by the coordinator*' show l
expect 0 '' remove l
killed=$(field coordinator)
[ "${killed:-0}" != 0 ] || { fail "nobody serves"; exit 1; } # kill 0 is for all of our process group
kill -KILL "$killed"
expect 0 9 call hits add 1
until_health 0 'healthy: *restarts 1,*'
expect_like 0 "*coordinator $killed died, *coordinator $(field coordinator) took over*" log
[ "$(field coordinator)" != "$killed" ] || fail "the coordinator is the one that was killed"
guardian=$(field guardian) child=$(field coordinator)
[ "${guardian:-0}" != 0 ] && [ "${child:-0}" != 0 ] || { fail "nobody serves"; exit 1; }
kill -STOP "$guardian" "$child"
until_health 1 "suspect: stopped by a signal, no heartbeat for * s; kill -CONT $guardian $child[!0-9]*"
expect_like 0 '*suspect*9' get hits.value
expect_like 1 "stoa: the coordinator does not answer on its socket; namespace default, pid $child: suspect: stopped by a signal, *; kill -CONT $guardian $child" \
	-t 0.1 call hits add 1
kill -CONT "$guardian" "$child"
until_health 0 'healthy: *'

# ---- without waiting for a write ----

before=$(stoa get e.fixed)
expect 1 'stoa: timed out; a command may still apply' -t 1 call e pause 2000
until_health 0 'healthy: waiting for commands*'
stoa cast e pause 3000
until_health 0 'healthy: running a method*'
kill -STOP "$guardian" "$child"
expect_like 1 '*stoa: a write to object e is pending *stoa get --peek*' -t 0.1 get e.fixed
expect_like 1 '*stoa: a write to object e is pending *' -t 0.1 show e
expect_like 0 "*$((before + 1))" get --peek e.fixed
expect_like 0 "*9
$((before + 1))" get --peek hits.value e.fixed
expect_like 0 "*e: every, version*fixed *  $((before + 1))*" show --peek e
kill -CONT "$guardian" "$child"
until_health 0 'healthy: waiting for commands*'
end_all
wait "$daemon" 2>/dev/null
until_health 2 'gone: nobody serves namespace default*'
expect_like 0 'stoa: note: gone: *
9' get hits.value
expect_like 0 '*hits *counter*' list
expect_like 3 'stoa: nobody serves namespace default*' -t 0.1 call hits add 1

# ---- where it left off, and the end ----

"$builddir/stoad" "$module" >>"$tmp/log" 2>&1 </dev/null &
daemon=$!
expect 0 10 call hits add 1
expect 0 '' stop
wait "$daemon" || fail "stoad: exit status $?"
daemon=
"$builddir/stoad" --volatile "$module" >>"$tmp/log" 2>&1 </dev/null &
daemon=$!
expect 0 11 call hits add 1
expect 0 '' stop --now
wait "$daemon" || fail "stoad: exit status $?"
daemon=

# ---- a method that hangs ----

serve hung
expect 0 '' -n hung create e every
expect 0 '' -n hung cast e pause 30000
for i in $(seq 100); do
	case $(stoa -n hung health) in suspect:*) break ;; esac
	sleep 0.1
done
child=$(field coordinator hung)
for verb in 'set e.fixed=1' 'cast e pause 0' 'create f every' 'evict 1' stop; do
	expect_like 1 "stoa: the coordinator does not answer on its socket; namespace hung, pid $child: suspect: method pause of \
object e has been running for * s; its guardian ends it at the method's deadline, or kill -KILL $child to have it run anew: \
no command is lost" -n hung -t 0.1 $verb
done
end hung
wait "$daemon" 2>/dev/null
daemon=
rm -rf "$STOA_DIR/hung"
[ -z "$(ls -A "$STOA_DIR")" ] || fail "left behind: $(ls -AR "$STOA_DIR")"
[ $bad = 0 ] || cat "$tmp/log"
exit $bad
