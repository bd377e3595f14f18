#!/bin/sh
# check_instructions.sh [--renew|--lines OPERATION]: no operation takes over 10 % more instructions, which callgrind
# counts without noise, than tests/instructions.expected says. --renew, by hand, in a tree that is built in build/ or in
# $builddir, writes that file anew; --lines cast says how many each line of the source takes. Each operation is done a
# few times and many times (tests/instructions.c): the difference has no start and no end in it. Client and coordinator
# are counted apart; waiting is not counted.
set -eu
export LC_ALL=C
: "${srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${builddir:=$srcdir/build}"
expected=$srcdir/tests/instructions.expected
few=256 many=1280

skip() {
	echo "$*"
	exit 77
}

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

# ---- can it be done, and compared? ----

variable() {
	sed -n "s/^$1 = *//p" "$builddir/Makefile"
}

expect() {
	sed -n "s/^$1  *//p" "$expected"
}

# "gcc 12", and nothing if it is another one, or for another processor
compiler() {
	echo __clang__ __x86_64__ __GNUC__ | $(variable CC) -E -P - 2>/dev/null | sed -n 's/^__clang__ 1 /gcc /p'
}

# -g too: by the lines, what is waiting is told from the rest
flags() {
	printf '%s\n' $(variable CPPFLAGS) $(variable CFLAGS) $(variable COVERAGE_CFLAGS) | sort -u | xargs
}

command -v valgrind >/dev/null || skip "no valgrind here"
valgrind -q --tool=callgrind --callgrind-out-file=/dev/null true >/dev/null 2>&1 || skip "valgrind does not run here"
[ -f "$builddir/.libs/libstoa.so" ] || skip "no libstoa.so here: built without shared libraries"
compiler=$(compiler) flags=$(flags)
[ -n "$compiler" ] || skip "not built by gcc for x86-64"
if [ "${1-}" = --renew ]; then
	make -C "$builddir" -s
elif [ "$compiler" != "$(expect compiler)" ] || [ "$flags" != "$(expect flags)" ]; then
	skip "built by $compiler with $flags; the figures are of $(expect compiler) with $(expect flags)"
fi

# ---- counting ----

dir=$(mktemp -d)
STOA_DIR=$(mktemp -d /dev/shm/stoa-instructions.XXXXXX)
export STOA_DIR

# If it was ended in the middle, two of them may be stopped.
cleanup() {
	for pid in $(sed -n 's/^[a-z]* \([1-9][0-9]*\)$/\1/p' "$dir/said" 2>/dev/null); do
		! grep -qs "$STOA_DIR" "/proc/$pid/maps" || kill -KILL "$pid" 2>/dev/null || :
	done
	rm -rf "$dir" "$STOA_DIR"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# The functions of memcpy and its like that any x86-64 can run: else the figures were those of one machine.
GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512VL,-AVX_Fast_Unaligned_Load,-ERMS,-RTM,-SSSE3

# profile OPERATION N FUNCTION: what was counted inside of that function goes to $dir/client, what the coordinator did,
# to $dir/coordinator.
profile() {
	GLIBC_TUNABLES=$GLIBC_TUNABLES timeout 60 "$builddir/libtool" --mode=execute \
		valgrind -q --log-file="$dir/log" --tool=callgrind --callgrind-out-file="$dir/%p" --toggle-collect="$3" \
		--toggle-collect=coordinator_run "$builddir/tests/instructions" "$1" "$2" >"$dir/said" 2>"$dir/err" ||
		fail "tests/instructions $1 $2: $(cat "$dir/err" "$dir/log")"
	for process in client coordinator; do
		mv "$dir/$(sed -n "s/^$process //p" "$dir/said")" "$dir/$process"
	done
}

# Of a profile: all; what of it was waiting; turns of the coordinator, and their cost. A callee costs what all that it
# calls does. A function of the files of waiting is waiting with all that it calls, and so are their lines, where they
# are inlined.
sums() {
	awk '
	function name(text) { # "(3) name" the first time, "(3)" from then on
		id = text
		sub(/^[^(]*/, "", id)
		sub(/\).*/, ")", id)
		kind = text ~ /fn=/ ? "fn" : "file"
		sub(/^[^)]*\) ?/, "", text)
		if (text != "")
			names[kind id] = text
		return names[kind id]
	}
	function waits(file) {
		return file ~ /(^|\/)(proxy\/wait|src\/park)\.[ch]$/
	}
	/^totals:/ { total = $2 }
	/^fl=/ { own = file = callee_file = name($0) }
	/^f[ie]=/ { file = name($0) }
	/^fn=/ { name($0); callee_file = file = own }
	/^cf[il]=/ { callee_file = name($0) }
	/^cfn=/ { callee = name($0) }
	/^calls=/ {
		sub(/^calls=/, "")
		calls = $1
		getline
		if (callee == "commit_turn") {
			turns += calls
			cost += $2
		}
		if (!waits(own) && (waits(file) || waits(callee_file)))
			waited += $2
		callee_file = own
		next
	}
	/^[-+*0-9]/ && !waits(own) && waits(file) { waited += $2 }
	END { printf "%d %d %d %d\n", total, waited, turns, cost }' "$1"
}

# difference OPERATION FUNCTION: of many times and few, to total, waited, turns and cost (of the coordinator).
difference() {
	profile "$1" $few "$2"
	a=$(sums "$dir/client") b=$(sums "$dir/coordinator")
	profile "$1" $many "$2"
	set -- $a $b $(sums "$dir/client") $(sums "$dir/coordinator")
	total=$((${9} - $1)) waited=$((${10} - $2)) turns=$((${15} - $7)) cost=$((${16} - $8))
	[ $total -gt 0 ] || fail "nothing was counted in the client: has a function another name?"
	[ "${15}" -gt 0 ] || fail "nothing was counted in the coordinator: has coordinator_run or commit_turn another name?"
}

each() {
	echo "$1 $((($2 + (many - few) / 2) / (many - few)))"
}

# lines PROFILE N: instructions of one of N operations, by the files of the source and, where it is one or more, by
# their lines. Waiting is in it, and so are the start and the end of the coordinator.
lines() {
	awk -v n="$2" '
	function name(text) {
		id = text
		sub(/^[^(]*/, "", id)
		sub(/\).*/, ")", id)
		sub(/^[^)]*\) ?/, "", text)
		sub(/^.*\/\.\.\//, "", text)
		if (text != "")
			names[id] = text
		return names[id]
	}
	/^fl=|^f[ie]=/ { file = name($0) }
	/^cf[il]=/ { name($0) }
	/^calls=/ { callee = 1 }
	/^[-+*0-9]/ {
		line = $1 ~ /^[-+]/ ? line + $1 : $1 == "*" ? line : $1
		if (!callee) {
			sum[file ":" line] += $2
			sum[file ":0"] += $2
			all += $2
		}
		callee = 0
	}
	END {
		printf "%.1f in all\n", all / n > "/dev/stderr"
		for (at in sum)
			if (sum[at] >= n)
				printf "%s:%.1f\n", at, sum[at] / n
	}' "$1" | sort -t : -k 1,1 -k 2,2n |
		while IFS=: read -r file line count; do
			if [ "$line" = 0 ]; then
				printf '%6s  %s\n' "$count" "$file"
			else
				printf '%14s  %5s  %s\n' "$count" "$line" \
					"$(sed -n "${line}{s/^[[:space:]]*//;p;}" "$srcdir/$file" 2>/dev/null)"
			fi
		done
}

# How many turns find nothing to do depends on who is faster: what such a turn costs is known from where all do.
measure() {
	difference get stoa_get
	each get $total
	idle=0
	[ $turns -eq 0 ] || idle=$((cost / turns))
	difference snapshot stoa_snapshot
	each snapshot $total
	difference fold stoa_cast
	each cast-that-joins $total
	difference tick stoa_cast
	each cast-looked-up $total
	difference assign stoa_assign
	each assign $total
	difference cast stoa_cast
	each cast $total
	each command-among-many $cost
	difference call stoa_call
	[ $waited -gt 0 ] || fail "a call did not wait: is waiting in another file?"
	each call $((total - waited))
	each command-alone $((cost - (turns - (many - few)) * idle))
}

# ---- the figures ----

write_expected() {
	cat <<END
# The instructions of each operation: tests/check_instructions.sh fails when one takes 10 % more. After a change that is
# worth what it costs, or that saves much, write them anew, in a tree that scripts/setup has built:
#
#     sh tests/check_instructions.sh --renew
#
# By another compiler, or with other flags, they are not compared.
compiler $compiler
flags $flags

# call: without its waiting. cast-that-joins: of a method that folds, to a command that is queued. cast-looked-up: without
# a route (proxy/route.h). command-...: in the coordinator; among many in a turn (32, behind one that is alone in its
# own, for each burst), or alone in its turn, with its answer.
END
	cat "$dir/now"
}

# compare EXPECTED MEASURED PERCENT: prints a table; 1 if one is more than so much above.
compare() {
	awk -v most="$3" '
	FNR == NR { expected[$1] = $2; next }
	!($1 in expected) { print $1 " is not among those expected: renew"; bad = 1; next }
	{
		change = 100 * ($2 / expected[$1] - 1)
		verdict = change > most ? "  FAIL: over " most " % more" : change < -most ? "  over " most " % less: renew" : ""
		printf "%-20s%8d%8d%+8.1f %%%s\n", $1, expected[$1], $2, change, verdict
		bad = bad || change > most
		renew = renew || verdict != ""
	}
	END {
		if (bad || renew)
			print "If that is as it should be: sh tests/check_instructions.sh --renew"
		exit bad
	}' "$1" "$2"
}

if [ "${1-}" = --lines ]; then
	case ${2-} in
	fold) set -- fold stoa_cast ;;
	tick) set -- tick stoa_cast ;;
	assign | get | snapshot | cast | call) set -- "$2" "stoa_$2" ;;
	*) fail "--lines of what? get, snapshot, fold (a cast that joins), tick (a cast without a route), assign, cast or call" ;;
	esac
	profile "$1" $many "$2"
	for process in client coordinator; do
		printf '%s, for each %s: ' "$process" "$1"
		lines "$dir/$process" $many 2>&1
	done
	exit 0
fi
measure >"$dir/now"
if [ "${1-}" = --renew ]; then
	measure >"$dir/again"
	for i in "now again" "again now"; do
		set -- $i
		compare "$dir/$1" "$dir/$2" 2 >"$dir/table" || { cat "$dir/table"; fail "measured twice: not repeatable"; }
	done
	write_expected >"$dir/expected"
	[ ! -f "$expected" ] || compare "$expected" "$dir/now" 10 || :
	cat "$dir/expected" >"$expected"
	echo "written: $expected"
	exit 0
fi
printf '%-20s%8s%8s\n' instructions expected now
compare "$expected" "$dir/now" 10
