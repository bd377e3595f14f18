#!/bin/sh
# check_python.sh: python/stoa.py has the structs of stoa.h; all of it works on objects that C programs use too, with
# exact counts; the examples of README.md and stoa_python(3) print what they should; nothing leaks or is left behind.
set -eu
python=${PYTHON:-python3}
lib=$builddir/.libs/libstoa.so.0
module=$builddir/tests/.libs/module_cli.so
command -v "$python" >/dev/null || { echo "no $python here"; exit 77; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' || { echo "$python is older than 3.8"; exit 77; }
if [ ! -f "$lib" ] || [ ! -f "$module" ]; then
	echo "built without shared libraries"
	exit 77
fi
. "$srcdir/tests/daemon.sh"
export STOA_LIBRARY="$lib" PYTHONPATH="$srcdir/python" PYTHONDONTWRITEBYTECODE=1
export PEER="$builddir/tests/python_peer"

grep -q "^AC_INIT(\[stoa\], \[$("$python" -c 'import stoa; print(stoa.__version__)')\])" "$srcdir/configure.ac" || {
	echo "stoa.__version__ is not that of configure.ac"
	exit 1
}
said=$(STOA_LIBRARY="$dir/none" "$python" -c 'import stoa' 2>&1) || :
case $said in
*"ImportError: $dir/none: "*"; let STOA_LIBRARY be the path of libstoa.so.0: "*) ;;
*) echo "import stoa, without the library, says: $said"; exit 1 ;;
esac
"$python" "$srcdir/tests/check_python.py" layout >"$dir/layout.c"
${CC:-cc} -std=gnu11 -fsyntax-only -Werror -I"$srcdir/include" "$dir/layout.c"

start -n python --volatile "$module"
timeout 300 "$python" -X dev -W ignore::DeprecationWarning "$srcdir/tests/check_python.py"

"$builddir/stoa" -n python remove hits
sed -n '/^```python$/,/^```$/{/^```/d;p;}' "$srcdir/README.md" >"$dir/readme.py"
STOA_NAMESPACE=python timeout 60 "$python" "$dir/readme.py" >"$dir/readme"
cat >"$dir/expected" <<'END'
5
6 {'value': 6}
6 + 9223372036854775807 is out of range
6 by pid
END
sed 's/pid [0-9]*$/pid/' "$dir/readme" | diff "$dir/expected" -

# The example of stoa_python(3) about containers, as it stands.
sed -n '/^\.Ss Containers/,/^\.Ed/{/^\.Bd/,/^\.Ed/{/^\./d;s/\\e/\\/g;p;};}' "$srcdir/man/stoa_python.3" >"$dir/man.py"
timeout 60 "$python" "$dir/man.py" >"$dir/man"
cat >"$dir/expected" <<'END'
tea 2.5
milk 1
salt b'\x00'
there is no key 'gold'
None 3 True
4 [2, 3] [1, 2, 3, 4]
True False True
END
diff "$dir/expected" "$dir/man"

end
n=0
until [ -z "$(ls -A "$STOA_DIR")" ]; do
	n=$((n + 1))
	[ $n -lt 400 ] || { echo "left behind:" "$STOA_DIR"/*; exit 1; }
	sleep 0.02
done
