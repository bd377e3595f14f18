#!/bin/sh
# check_mustnot.sh: mistakes that the compiler must refuse, with each compiler here. The header is a system header and
# no warning is an error, as for a user who asks for nothing. First the right twin of each case (-DGOOD) must compile,
# without a warning, so that a case is refused for its mistake and for nothing else.
set -eu
: "${srcdir:=$(dirname "$0")/..}"
: "${CC:=cc}"
bad=0
compilers=$CC
if command -v clang >/dev/null && [ "$CC" != clang ]; then
	compilers="$CC clang"
fi
for compiler in $compilers; do
	for file in "$srcdir"/tests/mustnot/*.c; do
		if ! $compiler -std=gnu11 -I"$srcdir" -isystem "$srcdir/include" -fsyntax-only \
			-DGOOD -Wall -Wextra -Werror "$file"; then
			echo "$compiler refuses $file, which is right with -DGOOD"
			bad=1
		fi
		if $compiler -std=gnu11 -I"$srcdir" -isystem "$srcdir/include" -fsyntax-only "$file" 2>/dev/null; then
			echo "$compiler lets $file pass"
			bad=1
		fi
	done
done
exit $bad
