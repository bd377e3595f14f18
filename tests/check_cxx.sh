#!/bin/sh
# check_cxx.sh: a client in C++17 compiles without a warning, by g++ and clang++, and all that it does is right.
set -eu
lib=$builddir/.libs
module=$lib/../tests/.libs/module_cli.so
. "$srcdir/tests/daemon.sh"

if [ ! -f "$lib/libstoa.so" ] || [ ! -f "$module" ]; then
	echo "built without shared libraries"
	exit 77
fi
n=0
for cxx in ${CXX:-g++} clang++; do
	command -v "$cxx" >/dev/null || { echo "no $cxx here"; continue; }
	"$cxx" -std=c++17 -pedantic -Wall -Wextra -Werror -pthread -o "$dir/client" "$srcdir/tests/client.cc" \
		-I"$srcdir/include" -L"$lib" -lstoa
	start -n cxx --volatile "$module"
	LD_LIBRARY_PATH="$lib" timeout 120 "$dir/client"
	end
	n=$((n + 1))
done
[ $n -gt 0 ] || exit 77
