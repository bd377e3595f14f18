#!/bin/sh
# check_batch.sh: "stoa -": an answer for each line, in order, whatever the line is; what stays open follows what is made
# anew; and it is fast.
set -u
. "$srcdir/tests/cli.sh"

# answers STATUS TEXT [OPTION…]: what is on standard input is answered so.
answers() {
	want=$1 text=$2
	shift 2
	said=$("$builddir/stoa" "$@" - 2>&1)
	got=$?
	[ "$got" = "$want" ] || fail "stoa $* -: exit status $got, not $want"
	[ "$said" = "$text" ] || fail "stoa $* -: answered
$said
and not
$text"
}

# ---- each kind of line ----

serve default
tr '@' '\000' >"$tmp/lines" <<'END'
create hits counter 42
call hits add 10
get hits.value
get hits.valeu

  # a comment
call hits add "2"
list
get hits.value hits.value
get hits.*
set hits.value=9
cast	hits   add 1
get hits.value
create e every
set 'e.note=a "b" \n' e.i8=3
get e.note
set "e.note=x\n\"y\""
get e.note
set e.note=""
get e.note
call e echo 1 2.5 yes me 1,2 "a 'b'" 0x
call e fail
call hits add x
call hits add 2
frob
"unclosed
-
get -n x hits.value
get --help
call @hits add 1
list xx*
remove hits
call hits add 1
call e total
END
answers 1 'ok
ok 52
ok 52
error 1 class counter has no attribute valeu; did you mean value?
ok 54
ok [{"object":"hits","class":"counter"}]
ok [{"object":"hits","attribute":"value","value":54},{"object":"hits","attribute":"value","value":54}]
ok [{"object":"hits","attribute":"value","value":54}]
ok
ok
ok 10
ok
ok
ok "a \"b\" \\n"
ok
ok "x\n\"y\""
ok
ok ""
ok {"n":1,"x":2.5,"up":true,"who":"me","row":[1,2],"say":"a '\''b'\''","raw":"0x"}
error 1 no luck today
error 1 method add of class counter takes n:i64; "x" is not a number
ok 12
error 2 there is no verb frob
error 1 a quote is not closed
error 2 - runs on, and is no verb for stoa -
error 2 -n is for the command line, not for a line of stoa -
error 2 -h is for the command line, not for a line of stoa -
error 1 a line has a NUL byte
ok []
ok
error 1 no object hits in namespace default
ok 0' <"$tmp/lines"
answers 1 '{"status":0,"answer":[{"object":"e","class":"every"}]}
{"status":1,"error":"no object nix in namespace default"}
{"status":0}
{"status":0}
{"status":0,"answer":0}' --json <<'END'
list
get nix.value
remove e
create e every
call e total
END
answers 1 'ok 0
error 1 a quote is not closed
ok 0
error 2 there is no verb frob
ok 0
error 1 class every has no method totl; did you mean total?
ok 0
error 1 no luck today
ok 0' <<'END'
call e total
call e total "
call e total
frob
call e total
call e totl
call e total
call e fail
call e total
END
# Nothing is sent before it: in one turn with what is slow, that would be answered behind it, too.
answers 1 'error 1 timed out; a command may still apply
ok 0' <<'END'
call -t 0.1 e pause 1000
call e total
END

# ---- what may be several is a list, of one and of none, too ----

for verb in clients log 'trace --last 1' rejected clean 'clean --force' namespaces; do
	said=$(echo "$verb" | "$builddir/stoa" - 2>/dev/null)
	case $said in
	'ok ['*']') ;;
	*) fail "stoa -: $verb: answered $said, which is no list" ;;
	esac
done

# ---- one after the other: an answer comes when there is nothing more to read; a last line needs no end ----

stoa create hits counter 7 || fail "create hits"
mkfifo "$tmp/to" "$tmp/from"
"$builddir/stoa" - <"$tmp/to" >"$tmp/from" 2>"$tmp/notes" &
batch=$!
exec 3>"$tmp/to" 4<"$tmp/from"

# ask LINE ANSWER: within 10 s.
ask() {
	echo "$1" >&3
	IFS= read -r line <&4
	case $line in
	$2) ;;
	*) fail "stoa -: $1: answered $line, and not $2" ;;
	esac
}
ask 'get hits.value' 'ok 7'
ask 'call hits add 1' 'ok 8'
expect 0 '' remove hits
expect 0 '' create hits counter 20
ask 'call hits add 1' 'ok 21'
ask 'get hits.value' 'ok 21'
expect 0 '' remove hits
ask 'get hits.value' 'error 1 no object hits in namespace default'
expect 0 '' create hits box 3
ask 'get hits.label' 'ok "3:none"'
expect 0 '' remove hits
expect 0 '' create hits counter 20
child=$(field coordinator)
kill -KILL "$child"
ask 'call hits add 1' 'ok 21'
end default
wait "$daemon" 2>/dev/null
for i in $(seq 100); do
	ask 'get hits.value' 'ok 21'
	! grep -q 'note: gone' "$tmp/notes" || break
	sleep 0.1
done
[ "$i" -lt 100 ] || fail "stoa - does not say that nobody serves"
ask 'call hits add 1' 'error 3 the coordinator * is gone; the command stays queued for the next one'
serve default 3>&- 4<&-
ask 'call hits add 1' 'ok 23'
printf 'get hits.value' >&3
exec 3>&-
IFS= read -r line <&4
[ "$line" = 'ok 23' ] || fail "the last line: answered $line"
wait "$batch"
got=$?
[ "$got" = 1 ] || fail "stoa -: exit status $got"

# ---- fast, and in order, whatever fails between ----

expect 0 '' set hits.value=0
yes 'call hits add 1' | head -n 20000 | sed '5000s/add/ad/;9000s/hits/hots/' >"$tmp/lines"
begun=$(date +%s%N)
"$builddir/stoa" - <"$tmp/lines" >"$tmp/answers"
ended=$(date +%s%N)
echo "$((20000 * 1000000000 / (ended - begun))) calls a second"
[ $((ended - begun)) -lt 4000000000 ] || fail "20,000 calls took $((ended - begun)) ns"
awk '
	NR == 5000 { bad = bad || !/^error 1 class counter has no method ad; did you mean add\?$/; next }
	NR == 9000 { bad = bad || !/^error 1 no object hots in namespace default; did you mean hits\?$/; next }
	{ n++; bad = bad || $0 != "ok " n }
	END { exit bad || NR != 20000 }' "$tmp/answers" || fail "20,000 calls: not all answers, or not in order"
expect 0 19998 get hits.value
exit $bad
