#!/bin/sh
# check_signals.sh: signals from the shell: declared on the command line and in a file, set and added to by several
# processes, refused with the reason; and where they were after the coordinator was killed, and after the daemon was ended
# and started again.
set -u
. "$srcdir/tests/daemon.sh"
bad=0

start --verify
expect 0 '' create vehicle signals 'position.x:f64 unit=m' 'ok:bool' 'name:text[32]' 'n:u8'
expect 0 '' set vehicle.position.x=1.5 vehicle.ok=true 'vehicle.name=number one' vehicle.n=250
expect 0 2 call vehicle add position.x 0.5
expect 0 255 call vehicle add n 5
expect 0 '*position.x *2 m*number one*' show vehicle
expect 0 '{"object":"vehicle","class":"signals_*"}' list --json

expect 0 '*"declare"*"signals_*"create"*' trace --json

# All or nothing, and what is wrong is said.
expect 1 '*is out of the range of u8' call vehicle add n 1
expect 1 '*did you mean position.x?)' call vehicle add positon.x 1
expect 1 '*is bool, and not one number' call vehicle add ok 1
expect 1 '*n*' set vehicle.ok=false vehicle.n=256
expect 0 true get vehicle.ok
expect 1 '*did you mean "f64"?)' create x signals 'a:f66'
expect 1 '*no type: write NAME:TYPE*' create x signals a
expect 1 '*1 to 4096 are possible*' create x signals
expect 1 '*is there already*' create vehicle signals 'n:u8'
expect 2 '*--class is for signals*' create --class=x x counter

# From a file, by name.
cat >"$dir/rows" <<'END'
# a point

x:f64 unit=m
	y:f64 unit=m doc=up, and down
END
expect 0 '' create --class=point a signals "@$dir/rows" 'seen:i64'
expect 0 '' create b point x=3 y=4
expect 0 '' create --open --class=point b signals "@$dir/rows" 'seen:i64'
expect 0 '*y *4 m *up, and down*' show b
expect 1 '*point is there already, with x:f64 *' create --class=point c signals 'x:f32'
expect 1 '*cannot read*' create c signals "@$dir/none"

# Several processes at once, the first of which declares them.
for i in 1 2 3 4 5 6; do
	{ stoa create --open counts signals 'a:i64' 'b:i64' && stoa call counts add a $i; } >>"$dir/out" &
	pids="${pids:-} $!"
done
wait $pids
expect 0 21 get counts.a

# Another coordinator.
coordinator=$(stoa health | sed -n 's/.*pid \([0-9]*\),.*/\1/p')
kill -9 "$coordinator"
expect 0 22 call counts add a 1
expect 0 '' create another signals 'a:i64' 'b:i64'

# Another daemon, on what is kept: what writes waits for it.
end || bad=1
start --verify
expect 0 3 call vehicle add position.x 1
expect 0 '' set vehicle.position.x=-1
expect 0 -1 get vehicle.position.x
expect 0 '' create d point y=1
expect 0 23 call counts add a 1
expect 0 '' create more signals 'a:i64' 'b:i64'
end || bad=1
start --verify --volatile
expect 0 '' remove more
end || bad=1
[ $bad = 0 ] || cat "$dir/log"
exit $bad
