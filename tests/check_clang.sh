#!/bin/sh
# check_clang.sh: the other compiler has no warnings either.
set -eu
if ! command -v clang >/dev/null; then
	echo "no clang here"
	exit 77
fi
cd "$srcdir"
find src proxy coordinator tools examples tests bench -name '*.c' 2>/dev/null | LC_ALL=C sort >"$builddir/tests/clang.list"
bad=0
while read -r file; do
	flags=
	case $file in
	tests/mustnot/*) continue ;; # wrong on purpose
	examples/prefork/*) pkg-config --exists libmicrohttpd || continue ;;
	bench/*) # not those whose library is missing
		case " $BENCH_SOURCES " in
		*" $file "*) flags=$BENCH_CFLAGS ;;
		*) continue ;;
		esac
		;;
	esac
	clang -std=gnu11 -D_GNU_SOURCE -DPACKAGE_VERSION='""' -I. -Iinclude $flags $WARNINGS -Werror -fsyntax-only "$file" || bad=1
done <"$builddir/tests/clang.list"
rm "$builddir/tests/clang.list"
exit $bad
