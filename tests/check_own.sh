#!/bin/sh
# check_own.sh: a program, and a module, whose classes have the names of the built-in ones, methods and all, has its own;
# a program that has such tables and does not serve them leaves the built-in ones as they are. With the shared library,
# where a symbol of the program goes before one of the library, and with the static one.
set -eu
lib=$builddir/.libs
if [ ! -f "$lib/libstoa.so" ]; then
	echo "no libstoa.so here: built without shared libraries"
	exit 77
fi
. "$srcdir/tests/daemon.sh"

fail() {
	echo "$*"
	exit 1
}

${NM:-nm} -D --defined-only "$lib/libstoa.so" | sed -n 's/@.*//; s/^[^ ]* [DR] stoa_//p' >"$dir/tables"
classes=$(sed -n 's/_class$//p' "$dir/tables")
case " $(echo $classes) " in *' counter '*) ;; *) fail "no built-in class found" ;; esac

for class in $classes; do
	rows=
	echo "struct $class { int64_t mine; };"
	echo "STOA_STRUCT($class, STOA_ATTR(struct $class, mine, .writable = true));"
	for method in $(sed -n "s/^${class}_\(.*\)_row\$/\1/p" "$dir/tables"); do
		cat <<END
static int ${class}_$method(struct $class *self, const stoa_none *args, stoa_none *ret)
{
	(void)args, (void)ret;
	self->mine++;
	return 0;
}
STOA_METHOD($class, $method, stoa_none, stoa_none, .writes = "mine");
END
		rows="$rows, &${class}_${method}_row"
	done
	echo "STOA_CLASS($class, 1$rows, NULL);"
done >"$dir/classes"

list=$(for class in $classes; do printf '&%s_class, ' "$class"; done)
{
	echo '#include <stoa.h>'
	cat "$dir/classes"
	echo "STOA_MODULE(${list%, });"
} >"$dir/module.c"
{
	printf '#include <stdio.h>\n#include <string.h>\n#include <stoa.h>\n'
	cat "$dir/classes"
	cat <<END
static const struct stoa_class *const all[] = { ${list}NULL };

/* own.c: with an argument it serves its own classes; are those served that should be, with their methods? */
int main(int argc, char **argv)
{
	struct stoa *s = NULL;
	int bad = stoa_start(argv[0] + strlen(argv[0]) - 3, argc > 1 ? all : NULL, NULL, &s);
	for (int i = 0; s && all[i]; i++) {
		const struct stoa_class *cls = NULL;
		struct stoa_proxy *p = NULL;
		int r = stoa_find_class(s, all[i]->name, &cls);
		int own = r == 0 && strcmp(cls->state->attrs[0].name, "mine") == 0;
		if (r == 0 && argc > 1) {
			int64_t mine = 0;
			r = stoa_create(s, all[i]->name, all[i], NULL, 0, &p);
			r = r || !all[i]->methods[0] ? r : stoa_call(p, all[i]->methods[0], NULL, NULL, STOA_DEFAULT);
			r = r ? r : stoa_get(p, 0, &mine, sizeof mine, STOA_DEFAULT, NULL);
			r = r ? r : mine != !!all[i]->methods[0];
		}
		if (r != 0 || own != (argc > 1))
			bad = printf("%s: %s, and %s\n", all[i]->name, own ? "its own" : "ours", stoa_strerror(r));
	}
	stoa_detach(s);
	return bad != 0;
}
END
} >"$dir/own.c"

compile() {
	${CC:-cc} -std=gnu11 -Wall -Wextra -Werror "$@" -I"$srcdir/include"
}
compile -o "$dir/own" "$dir/own.c" -L"$lib" -lstoa -Wl,-rpath,"$lib"
compile -fno-pie -no-pie -o "$dir/nopie-own" "$dir/own.c" -L"$lib" -lstoa -Wl,-rpath,"$lib"
programs="own nopie-own"
if [ -f "$lib/libstoa.a" ]; then
	libs=$(sed -n 's/^Libs.private: *//p' "$builddir/stoa.pc")
	compile -pthread -o "$dir/static-own" "$dir/own.c" "$lib/libstoa.a" $libs
	programs="$programs static-own"
fi
for program in $programs; do
	timeout 60 "$dir/$program" || fail "$program: a table of its own took the place of a built-in one"
	timeout 60 "$dir/$program" own || fail "$program: it does not serve its own"
done

# As man 3 stoa_class has it: a module is not linked with anything special.
compile -shared -fPIC -o "$dir/module.so" "$dir/module.c"
start -n own --volatile "$dir/module.so"
for class in $classes; do
	"$builddir/stoa" -n own -t 20 create "$class" "$class" 7 || fail "$(cat "$dir/log")"
	[ "$("$builddir/stoa" -n own get "$class.mine")" = 7 ] || fail "the module's $class is not served"
done
end
echo "$(echo $classes): each can be a program's own"
