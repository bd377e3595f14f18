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
# A quote that holds another, or most of a sentence, was not closed where it was meant: .Ql ends where its line does, or
# before punctuation, and not at No.
export LC_ALL=C.UTF-8
bad=$(grep -nE '^\.(Pq .*)?[DSQ][ql] .* No ' $pages || :; for page in $pages; do
	mandoc -T utf8 "$page" | sed 's/.\x08//g' | tr -s ' \n' '  ' | grep -oE '‘[^’]*‘|‘[^’]{60}|“[^”]*“|“[^”]{90}' |
		sed "s|^|$page: |"
done)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
