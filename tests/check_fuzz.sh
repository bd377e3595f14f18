#!/bin/sh
# check_fuzz.sh: each fuzz target with libFuzzer, the address and the undefined behaviour sanitizers, for DURATION seconds
# (1), from the corpus in the tree. Needs clang with its runtime libraries. What it builds stays below tests/fuzz/clang in
# the build directory; an input that fails is left there, as WHAT-crash-….
set -eu
out=$builddir/tests/fuzz/clang
sanitize=address,undefined
flags="-g -O1 -std=gnu11 -D_GNU_SOURCE -pthread -I. -Iinclude $("${PKG_CONFIG:-pkg-config}" --cflags libtpl liburcu-bp)"
flags="$flags -ftls-model=initial-exec -fno-omit-frame-pointer -fsanitize=$sanitize -fno-sanitize-recover=all"
libs="$("${PKG_CONFIG:-pkg-config}" --libs libtpl liburcu-bp) -ldl"
if ! command -v clang >/dev/null; then
	echo "no clang here"
	exit 77
fi
mkdir -p "$out"
echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n) { return p && n ? 0 : 0; }' >"$out/probe.c"
if ! clang -fsanitize=fuzzer,$sanitize -o "$out/probe" "$out/probe.c" 2>/dev/null; then
	echo "this clang has no libFuzzer (libclang-rt-dev)"
	exit 77
fi
cd "$srcdir"

# The whole library, the tools and the targets, anew if anything has changed.
object() {
	echo "$out/$(echo "${1%.c}" | tr / _).o"
}
sources=$(find src proxy coordinator tools tests/fuzz tests/torture/torture.c -name '*.c' ! -path coordinator/main.c \
	! -path coordinator/notify.c ! -path tools/main.c ! -path tests/fuzz/replay.c)
if [ ! -f "$out/built" ] ||
	[ -n "$(find include src proxy coordinator tools tests/fuzz tests/check_fuzz.sh -newer "$out/built" -type f -print)" ]; then
	rm -f "$out"/*.o
	for file in $sources; do
		echo "$file $(object "$file")"
	done | xargs -P 2 -n 2 sh -c "clang -c $flags -fsanitize=fuzzer-no-link \"\$0\" -o \"\$1\""
	common=
	for file in $sources; do
		case $file in tests/fuzz/fuzz_*) ;; *) common="$common $(object "$file")" ;; esac
	done
	for file in tests/fuzz/fuzz_*.c; do
		echo "$(basename "$file" .c) $(object "$file")"
	done | xargs -P 2 -n 2 sh -c "case \$0 in *options) wrap=-Wl,--wrap=stoa_attach,--wrap=stoa_start ;; *) wrap= ;; esac
		clang -pthread \$wrap -fsanitize=fuzzer,$sanitize -o $out/\$0 \"\$1\" $common $libs"
	touch "$out/built"
fi

STOA_DIR=$(mktemp -d /dev/shm/stoa-fuzz.XXXXXX)
trap 'rm -rf "$STOA_DIR"' EXIT
ASAN_OPTIONS=allocator_may_return_null=1
fixed=
! setarch -R true 2>/dev/null || fixed='setarch -R' # the sanitizer cannot take all that the kernel may spread
export STOA_DIR ASAN_OPTIONS DURATION out fixed

# New inputs go to a directory of their own: what is worth keeping is for people to judge.
for what in ${TARGETS-attach class command image options state values welcome}; do
	echo "$what"
done | xargs -P "${JOBS-2}" -n 1 sh -c '
	mkdir -p "$out/new/$0"
	$fixed "$out/fuzz_$0" -max_total_time="${DURATION:-1}" -timeout=25 -rss_limit_mb=4096 -malloc_limit_mb=65536 \
		-max_len=1024 -use_value_profile="${PROFILE-0}" -artifact_prefix="$out/$0-" -print_final_stats=1 \
		"$out/new/$0" "tests/fuzz/corpus/$0" >"$out/$0.log" 2>&1
	status=$?
	echo "$0: $(grep -E "^#[0-9]+.DONE" "$out/$0.log" | tail -n 1)"
	test $status = 0 || { grep -v "^#" "$out/$0.log" | tail -n 60; exit 1; }'
