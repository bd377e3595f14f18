#!/bin/sh
# check_completion.sh: what a word may become, of live names and of the table of verbs; through bash and zsh as installed.
set -u
. "$srcdir/tests/cli.sh"

# becomes WORDS… CANDIDATES: the last of the words becomes these, one a line.
becomes() {
	for text; do :; done
	said=$(while [ $# -gt 1 ]; do printf '%s\n' "$1"; shift; done | tr '\n' '\0' | xargs -0 "$builddir/stoa" complete --)
	[ "$said" = "$text" ] || fail "stoa complete -- $*: said
$said"
}

serve one
expect 0 '' -n one create hits counter
expect 0 '' -n one create hints counter
expect 0 '' -n one create e every
becomes sh show
becomes li list
becomes -n o one
becomes --namespace=o --namespace=one
becomes get --pe --peek
becomes get --js --json
becomes watch --unt --until=
becomes watch --until x ''
becomes get h 'hints.
hits.'
becomes get hits. hits.value
becomes get hits.value e.ti 'e.timer.total
e.timer.at.x'
becomes set e.timer.a e.timer.at.x=
becomes set e.fi ''
becomes get e.fi e.fixed
becomes watch hit hits
becomes watch hits. hits.value
becomes show hits h 'hints
hits'
becomes list hi 'hints
hits'
becomes call h 'hints
hits'
becomes call hits 's' 'sub
set'
becomes cast hits '' 'add
sub
set
reset'
becomes call e echo w who=
becomes call -t 3 hits add n n=
becomes call hits add -1 ''
becomes create x c counter
becomes create x sig signals
becomes create x box '' 'number=
text='
becomes classes co counter
becomes stop h ''
becomes -n none get h ''
becomes call none '' ''
serve two
becomes -n '' 'one
two'
becomes get h ''
becomes -n one get hi 'hints.
hits.'
STOA_NAMESPACE=one becomes get hi 'hints.
hits.'
STOA_NAMESPACE=one
export STOA_NAMESPACE

# ---- through the shells ----

# Where stoa is that they run.
mkdir "$tmp/bin"
printf '#!/bin/sh\nexec "%s/stoa" "$@"\n' "$builddir" >"$tmp/bin/stoa"
chmod +x "$tmp/bin/stoa"
PATH=$tmp/bin:$PATH

# in_bash LINE REPLIES: where there are none, what bash is told to do instead.
in_bash() {
	said=$(bash --norc -c '
		. "$1"
		compopt() { options=$*; }
		COMP_LINE=$2 COMP_POINT=${#2}
		_stoa stoa
		echo "${COMPREPLY[*]:-$options}"' bash "$srcdir/tools/completion/stoa" "$1")
	[ "$said" = "$2" ] || fail "bash: $1: $said, and not $2"
}
if command -v bash >/dev/null; then
	in_bash 'stoa ge' get
	in_bash 'stoa ' "$(stoa complete -- '' | tr '\n' ' ' | sed 's/ $//')"
	in_bash 'stoa get hits.' hits.value
	in_bash 'stoa call hits re' reset
	in_bash 'stoa -n one call hits ' 'add sub set reset'
	in_bash 'stoa --namespace=on' one
	in_bash 'stoa load ' '-o default'
fi
if command -v zsh >/dev/null; then
	timeout 60 zsh -f "$srcdir/tests/zsh_complete" "$srcdir/tools/completion" 'stoa get hits.v' '*hits.value*' ||
		fail "zsh: stoa get hits.v does not become hits.value"
	timeout 60 zsh -f "$srcdir/tests/zsh_complete" "$srcdir/tools/completion" 'stoa call hits re' '*call hits reset*' ||
		fail "zsh: stoa call hits re does not become reset"
fi
exit $bad
