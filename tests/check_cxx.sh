#!/bin/sh
# check_cxx.sh: a client in C++17 compiles without a warning, by g++ and clang++, and all that it does is right.
set -eu
lib=$builddir/.libs
module=$lib/../tests/.libs/module_cli.so
dir=$(mktemp -d /dev/shm/stoa-cxx.XXXXXX 2>/dev/null || mktemp -d)
stoad=

clean_up() {
	[ -z "$stoad" ] || kill "$stoad" 2>/dev/null || :
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

if [ ! -f "$lib/libstoa.so" ] || [ ! -f "$module" ]; then
	echo "built without shared libraries"
	exit 77
fi
mkdir -m 700 "$dir/stoa"
export STOA_DIR="$dir/stoa"
n=0
for cxx in ${CXX:-g++} clang++; do
	command -v "$cxx" >/dev/null || { echo "no $cxx here"; continue; }
	"$cxx" -std=c++17 -pedantic -Wall -Wextra -Werror -pthread -o "$dir/client" "$srcdir/tests/client.cc" \
		-I"$srcdir/include" -L"$lib" -lstoa
	"$builddir/stoad" -n cxx --volatile "$module" 2>"$dir/out" &
	stoad=$!
	LD_LIBRARY_PATH="$lib" timeout 120 "$dir/client"
	kill $stoad
	wait $stoad
	stoad=
	n=$((n + 1))
done
[ $n -gt 0 ] || exit 77
