#!/bin/sh
# check_access.sh: whom stoad lets in, and what stoa can do as another user, in the usual place, /dev/shm/stoa-UID; names
# that are no names; a log that cannot be written. Another user needs root.
set -u
export LC_ALL=C
unset STOA_NAMESPACE STOA_DIR
tmp=$(mktemp -d)
name=access-$$
bad=0 daemon=

# A guardian that is killed leaves its coordinator, which goes on: both, until none is left.
cleanup() {
	if [ -n "$daemon" ]; then
		coordinator=$(field coordinator)
		kill -CONT $daemon $coordinator 2>/dev/null
		kill -KILL $coordinator $daemon 2>/dev/null
		stop_all
	fi
	rm -rf "$tmp" "/dev/shm/stoa-$(id -u)/$name"
	rmdir "/dev/shm/stoa-$(id -u)" 2>/dev/null
}

stop_all() {
	timeout 20 "$builddir/stoa" -n $name stop --now >/dev/null 2>&1 </dev/null
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

fail() {
	echo "FAIL: $*"
	bad=1
}

field() {
	"$builddir/stoa" -n $name health --json 2>/dev/null </dev/null | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}

serve() {
	"$builddir/stoad" -n $name "$@" >>"$tmp/log" 2>&1 </dev/null &
	daemon=$!
	"$builddir/stoa" -n $name create --open hits counter 42 </dev/null ||
		fail "stoad $* does not serve: $(cat "$tmp/log")"
}

stop() {
	"$builddir/stoa" -n $name stop </dev/null || fail "it does not stop"
	wait $daemon || fail "stoad: exit status $?"
	daemon=
}

# expect STATUS PATTERN COMMAND…: of both outputs.
expect() {
	want=$1 pattern=$2
	shift 2
	said=$("$@" 2>&1 </dev/null)
	got=$?
	[ "$got" = "$want" ] || fail "$*: exit status $got, not $want: $said"
	case $said in
	$pattern) ;;
	*) fail "$*: printed
$said
which is not like
$pattern" ;;
	esac
}

# ---- names and options ----

stoa="$builddir/stoa" stoad="$builddir/stoad"
for n in ../web root/../web a/b/c /dev/shm/web no-such-user/web root/ ''; do
	expect 1 'stoa: *' "$stoa" -t 0.1 -n "$n" list
	expect 1 'stoad: namespace name *' "$stoad" -n "$n"
done
expect 1 'stoa: there is no user "no-such-user"*' "$stoa" -n no-such-user/web list
expect 2 'stoad: --group=no-such-group: no such group*' "$stoad" --group=no-such-group
expect 2 'stoad: --read-only-group=-1: no such group*' "$stoad" --read-only-group=-1
expect 2 'stoad: --group=0: not that one; root may attach anyway*' "$stoad" --group 0
expect 2 'stoad: option --group needs an argument*' "$stoad" --group

# ---- a log that is full ----

truncate -s 3G "$tmp/full" || exit 77
(ulimit -f 4000000 && exec "$stoad" -n $name --volatile) >>"$tmp/full" 2>&1 </dev/null &
daemon=$!
expect 0 '' "$stoa" -n $name create hits counter 42
stop
rm "$tmp/full"

# ---- other users ----

if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
	echo "not as another user: that needs root, and setpriv"
	exit $bad
fi

# where anybody can run it
mkdir "$tmp/bin"
cp -L "$builddir/.libs/stoa" "$tmp/bin" 2>/dev/null || cp "$builddir/stoa" "$tmp/bin"
cp -L "$builddir"/.libs/libstoa.so.? "$tmp/bin" 2>/dev/null
chmod -R a+rX "$tmp"

# as GROUPS VERB…: a user that is neither root nor we, who finds the namespace by root's name
as() {
	groups=$1
	shift
	setpriv --reuid=65534 --regid=65534 $groups env LD_LIBRARY_PATH="$tmp/bin" "$tmp/bin/stoa" -n root/$name "$@"
}
none=--clear-groups writer=--groups=4300 reader=--groups=7,4301

serve
expect 1 'stoa: */stoa-0* does not let user 65534 in*' as $none get hits.value
expect 1 'stoa: */stoa-0* does not let user 65534 in*' as $writer get hits.value
expect 3 'unknown: */stoa-0* does not let user 65534 in*' as $writer health
stop

serve --group=4300
expect 1 'stoa: */stoa-0* does not let user 65534 in*' as $none get hits.value
expect 0 42 as $writer get hits.value
expect 0 44 as $writer call hits add 2
expect 0 'healthy: *' as $writer health
expect 0 '{"namespace":"root/'$name'","verdict":"healthy",*' as $writer health --json
expect 1 "stoa: only the coordinator's own user and root may stop it" as $writer stop
stop

serve --read-only-group=4301 --group=4300
expect 1 "stoa: namespace $name does not admit user 65534*" as $none get hits.value
expect 0 46 as $writer call hits add 2
expect 0 46 as $reader get hits.value
expect 0 '*hits*counter*' as $reader list
expect 0 'hits: counter*' as $reader show hits
expect 0 'healthy: *' as $reader health
expect 0 '' as $reader rejected
expect 1 "stoa: namespace $name lets user 65534 read only*" as $reader call hits add 1
expect 1 "stoa: namespace $name lets user 65534 read only*" as $reader set hits.value=1
kill -STOP "$(field coordinator)"
expect 0 46 as $reader -t 20 get hits.value # its guardian sees to that
kill -KILL "$(field coordinator)"
expect 0 46 as $reader -t 20 get hits.value
stop
expect 3 'stoa: nobody serves namespace root/'$name' *; start stoad -n '$name',*' as $reader -t 0.1 get hits.value

# ---- a directory that the user chose: stoad leaves it as it is, and says so ----

export STOA_DIR="$tmp/dir"
mkdir -m 0700 "$STOA_DIR"
chosen() {
	setpriv --reuid=65534 --regid=65534 $writer env LD_LIBRARY_PATH="$tmp/bin" "$tmp/bin/stoa" -t 0.1 -n $name "$@"
}
serve --group=4300 --volatile
grep -q "^stoad: the directory $STOA_DIR has mode 0700: .* chmod 0711 opens it\$" "$tmp/log" ||
	fail "stoad does not tell that $STOA_DIR is shut"
expect 1 "stoa: the directory $STOA_DIR, mode 0700, does not let user 65534 through to $STOA_DIR/$name/socket; *" \
	chosen get hits.value
chmod 0711 "$STOA_DIR"
expect 0 42 chosen get hits.value
stop
: >"$tmp/log"
serve --group=4300 --volatile
grep -q mode "$tmp/log" && fail "stoad takes $STOA_DIR for shut: $(cat "$tmp/log")"
stop
[ $bad = 0 ] || cat "$tmp/log"
exit $bad
