#!/bin/sh
# check_readme.sh: the first program of README.md compiles as it is shown, and prints what README.md says it prints.
set -eu
dir=$(mktemp -d /dev/shm/stoa-readme.XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$dir"' EXIT
lib=$builddir/.libs
if [ ! -f "$lib/libstoa.so" ]; then
	echo "no libstoa.so here: built without shared libraries"
	exit 77
fi

sed -n '/^```c$/,/^```$/{/^```/d;p;}' "$srcdir/README.md" | awk '/^#include <stdio.h>/ && n++ { exit } { print }' >"$dir/first.c"
[ -s "$dir/first.c" ] || { echo "README.md has no program"; exit 1; }
length=$(wc -l <"$dir/first.c")
[ "$length" -lt 60 ] || { echo "the first program has $length lines"; exit 1; }
expected=$(sed -n 's/^It prints `\(.*\)`\.$/\1/p' "$srcdir/README.md" | head -n 1)
[ -n "$expected" ] || { echo "README.md does not say what the program prints"; exit 1; }

${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -o "$dir/first" "$dir/first.c" -I"$srcdir/include" -L"$lib" -lstoa
mkdir -m 700 "$dir/stoa"
printed=$(STOA_DIR="$dir/stoa" LD_LIBRARY_PATH="$lib" timeout 60 "$dir/first")
if [ "$printed" != "$expected" ]; then
	printf 'expected: %s\nprinted:  %s\n' "$expected" "$printed"
	exit 1
fi
n=0
until [ -z "$(ls -A "$dir/stoa")" ]; do
	n=$((n + 1))
	[ $n -lt 400 ] || { echo "left behind:" "$dir"/stoa/*; exit 1; }
	sleep 0.02
done
