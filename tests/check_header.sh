#!/bin/sh
# check_header.sh: each header compiles alone, and twice: the public ones as C11 and C++17, pedantically, the others as
# our own C.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
cxx=${CXX:-g++}
clang=$(command -v clang || true)

# compile <what> <command>: a file that includes only $header
compile() {
	what=$1
	shift
	printf '#include "%s"\n#include "%s"\nextern int here;\n' "$header" "$header" >"$tmp/alone.$what"
	if ! "$@" -fsyntax-only -Werror -Wall -Wextra "$tmp/alone.$what"; then
		echo "$header does not compile alone: $*"
		bad=1
	fi
}

cd "$srcdir/include"
for header in *.h $(find stoa -name '*.h' 2>/dev/null); do
	compile c ${CC:-cc} -std=c11 -pedantic -I.
	if [ -n "$clang" ]; then
		compile c "$clang" -std=c11 -pedantic -I.
	fi
	if command -v "$cxx" >/dev/null; then
		compile cc "$cxx" -std=c++17 -pedantic -I.
	fi
done
cd "$srcdir"
for header in $(find src proxy coordinator -name '*.h'); do
	compile c ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -Iinclude
done

if [ $bad = 0 ] && ! command -v "$cxx" >/dev/null; then
	echo "no $cxx here; as C, all headers compile alone"
	exit 77
fi
exit $bad
