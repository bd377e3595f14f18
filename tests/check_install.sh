#!/bin/sh
# check_install.sh: what make install puts somewhere is enough to build and run a program there, with the shared and with
# the static library, and make uninstall takes all of it back.
set -eu
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
root=$(mktemp -d) # not in the build directory, whose name may have blanks: libtool cannot install to such a place
trap 'rm -rf "$root"' EXIT
pkgconf=${PKG_CONFIG:-pkg-config}

fail() {
	echo "$*"
	exit 1
}

make -C "$builddir" -s install DESTDIR="$root/image" >"$root/log" 2>&1 || { cat "$root/log"; fail "make install"; }

pc=$(find "$root/image" -name stoa.pc)
[ -n "$pc" ] || fail "stoa.pc is not installed"
libdir=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR="$root/image"
PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_ALLOW_SYSTEM_CFLAGS PKG_CONFIG_ALLOW_SYSTEM_LIBS

cat >"$root/user.c" <<'END'
#include <errno.h>
#include <stoa.h>
#include <string.h>
struct point {
	double x, y;
};
STOA_STRUCT(point, STOA_ATTR(struct point, x, .unit = "m", .writable = true), STOA_ATTR(struct point, y));
STOA_RECORD(point, 1);
int main(void)
{
	struct stoa *stoa = NULL;
	return strlen(stoa_strerror(-ENOENT)) == 0 || point_class.state->n_attrs != 2 || stoa_detach(stoa) != NULL;
}
END

# eval: pkg-config quotes what the shell would take apart
cd "$root"
eval "${CC:-cc} -std=gnu11 -Wall -Werror user.c -o shared $($pkgconf --cflags --libs stoa)" || fail "compile and link"
readelf -d shared | grep -q 'NEEDED.*libstoa\.so\.' || fail "not linked with libstoa.so"
LD_LIBRARY_PATH="$libdir" ./shared || fail "run"
if [ -e "$libdir/libstoa.a" ]; then
	libs=$($pkgconf --static --libs stoa | sed 's/-lstoa\>/-Wl,-Bstatic -lstoa -Wl,-Bdynamic/')
	eval "${CC:-cc} -std=gnu11 -pthread user.c -o static $($pkgconf --cflags stoa) $libs" || fail "link statically"
	./static || fail "run, linked statically"
fi
for file in bash-completion/completions/stoa zsh/site-functions/_stoa; do
	[ -n "$(find "$root/image" -path "*/share/$file")" ] || fail "$file is not installed"
done
for program in stoa stoad; do
	file=$(find "$root/image" -path "*/*bin/$program")
	[ -x "$file" ] || fail "$program is not installed"
	if LD_LIBRARY_PATH="$libdir" ldd "$file" | grep 'not found'; then
		fail "$program lacks libraries"
	fi
done


py=$(find "$root/image" -name stoa.py)
[ -n "$py" ] || fail "stoa.py is not installed"
if command -v python3 >/dev/null && [ -e "$libdir/libstoa.so" ]; then
	# found by itself: the library of the same prefix
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(dirname "$py") python3 -c 'import stoa
assert stoa._lib._name.startswith("'"$libdir"'"), stoa._lib._name' || fail "import stoa"
fi

make -C "$builddir" -s uninstall DESTDIR="$root/image" >"$root/log" 2>&1 || { cat "$root/log"; fail "make uninstall"; }
left=$(find "$root/image" ! -type d)
[ -z "$left" ] || fail "left by make uninstall: $left"
