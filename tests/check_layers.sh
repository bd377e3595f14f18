#!/bin/sh
# check_layers.sh: includes go one way (include <- src <- {proxy, coordinator} <- the rest), are spelled from the root,
# and public headers include nothing of the inside.
set -eu
cd "${srcdir:-.}"

find include src proxy coordinator tools examples bench tests -name '*.[ch]' 2>/dev/null | LC_ALL=C sort |
	xargs awk '
	BEGIN {
		below["include"] = "include"
		below["src"] = "include src"
		below["proxy"] = "include src proxy"
		below["coordinator"] = "include src coordinator"
		below["tools"] = "include src proxy coordinator tools"
		below["examples"] = "include src proxy coordinator examples"
		below["bench"] = "include src proxy coordinator bench"
		below["tests"] = "include src proxy coordinator tools bench tests"
	}
	function complain(why) {
		print FILENAME ":" FNR ": " $0 ": " why
		bad = 1
	}
	FNR == 1 {
		files++
		layer = FILENAME
		sub(/\/.*/, "", layer)
	}
	!/^[ \t]*#[ \t]*include[ \t]*["<]/ { next }
	{
		n++
		quoted = $0 ~ /include[ \t]*"/
		name = $0
		sub(/^[^"<]*["<]/, "", name)
		sub(/[">].*/, "", name)
		top = name
		sub(/\/.*/, "", top)
		if (!quoted) {
			if (top in below && index(name, "/"))
				complain("a file of ours is included with quotes")
		} else if (layer == "include") {
			complain("a public header includes <stoa.h>, <stoa/...> and the system only")
		} else if (!(top in below) || !index(name, "/")) {
			complain("not spelled from the root")
		} else if (index(" " below[layer] " ", " " top " ") == 0) {
			complain(layer " does not know " top)
		} else if ((getline line < name) < 0) {
			complain("no such file")
		} else {
			close(name)
		}
	}
	END {
		if (!n)
			print "no includes found: wrong directory?"
		else
			print n " includes of " files " files"
		exit bad || !n
	}'
