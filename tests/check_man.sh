#!/bin/sh
# check_man.sh: the manual pages are right: mandoc has no warning.
set -eu
if ! command -v mandoc >/dev/null; then
	echo "no mandoc here"
	exit 77
fi
cd "$srcdir/man"
pages=$(find . -name '*.[1-8]' | LC_ALL=C sort)
if [ -z "$pages" ]; then
	echo "no manual pages"
	exit 1
fi
mandoc -T lint -W warning $pages
