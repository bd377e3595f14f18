/*
 * later.pml: src/later.h: the answer to a command that defers, given later by one of two others, of which each may fail
 * when it is run, and again; the caller, who may cease to wait at any moment and then uses the memory for something else;
 * deaths of the coordinator between any two steps (DEATHS).
 *
 * The caller's store of the mark may be seen late, as with the store buffers of x86; a compare-and-swap drains them.
 *
 * Checked: an answer that was accepted and committed is taken, once, and no other is: neither one that was undone, nor
 * after the caller was told that none will come; nothing is written to memory that is used again.
 *
 * Mistakes: NO_BLANK (recovery leaves what was claimed, and `by`), NO_NOTE (claims are not noted), FORGET_FIRST (they are
 * forgotten before the commit), NO_LOOK (the coordinator does not look at the mark), NO_FENCE (behind the mark), NO_CLOSE
 * (the memory is used again without), BY_FIRST (`by` is read before `committed`)
 */
#ifndef DEATHS
#define DEATHS 1
#endif
#define OTHER 0 /* it is another record's by now */
#define OPEN 1
#define CLAIMED 2
#define CLOSED 3
#define COMMANDS 3 /* ticket 0 defers */

byte committed, state, by, note; /* note: 1 + `committed` when it was made */
bool mark, buffered;		 /* record.cancel, and its store on the way */
bool deferred;			 /* as the reply of ticket 0 says */
bool accepted[COMMANDS], used_again;
byte taken, deaths, over;
bool strike;

inline drain() {
	if
	:: buffered ->
		mark = true;
		buffered = false
	:: else
	fi
}

inline look() { /* committed, by */
#ifdef BY_FIRST
	b = by;
	c = committed
#else
	c = committed;
	b = by
#endif
}

inline take() {
	atomic {
		assert(!told && accepted[b - 1]);
		taken++
	}
}

proctype client() {
	byte c, b;
	bool told; /* that it may still apply; it is not there to take an answer */
	do /* later_wait() */
	:: look();
		if
		:: c > 0 && !deferred -> goto end
		:: c > 0 && deferred && b && b <= c ->
			take();
			goto end
		:: else
		fi
	:: break
	od;
	buffered = true; /* later_let_go() */
#ifndef NO_FENCE
	atomic { drain() };
#endif
	look();
	if
	:: c == 0 ->
		told = true;
		committed > 0 /* the record is kept until then: reclaim() */
	:: else
	fi;
	do /* later_look() */
	:: look();
		if
		:: !deferred -> break
		:: deferred && b && b <= c ->
			take();
			goto end
		:: else ->
#ifdef NO_CLOSE
			if
			:: state != CLAIMED -> break
			:: else
			fi
#else
			atomic {
				drain();
				if
				:: state == OPEN -> state = CLOSED
				:: else
				fi
			};
			if
			:: state == CLOSED -> break
			:: else /* CLAIMED: it waits */
			fi
#endif
		fi
	od;
	atomic {
		used_again = true;
#ifndef NO_CLOSE /* else the bytes happen to stay */
		state = OTHER;
#endif
		drain();
		mark = false
	};
end:
	over++
}

/* The processor's own time. */
proctype buffer() {
end_of_it:
	do
	:: atomic {
		buffered -> drain()
	}
	od
}

inline recover() {
	if
	:: note && note - 1 == committed ->
#ifndef NO_BLANK
		if
		:: state == CLAIMED && !(by && by <= committed) ->
			by = 0;
			state = OPEN
		:: else
		fi
#else
		skip
#endif
	:: else
	fi;
	note = 0
}

inline defer() {
	deferred = !mark;
	if
	:: deferred ->
		by = 0;
		state = OPEN
	:: else
	fi;
	committed = 1
}

inline claim() { /* coordinator/later.c */
#ifndef NO_NOTE
	note = 1 + committed;
#endif
	atomic {
		if
		:: state == OPEN ->
			state = CLAIMED;
			ok = true
		:: else
		fi
	};
#ifndef NO_LOOK
	seen = mark;
#endif
	if
	:: ok && seen ->
		atomic {
			if
			:: state == CLAIMED -> state = CLOSED
			:: else
			fi
		};
		ok = false
	:: else
	fi
}

inline answer() {
	ok = false;
	seen = false;
	t = committed;
	if
	:: deferred -> claim()
	:: true /* rejected before it is run */
	fi;
	if
	:: ok -> /* the method fails behind it: later_undo() */
		state = OPEN;
		note = 0;
		ok = false
	:: true
	fi;
	if
	:: ok ->
		assert(!used_again);
		by = t + 1
	:: else
	fi;
#ifdef FORGET_FIRST
	note = 0;
#endif
	atomic {
		accepted[t] = ok;
		committed = t + 1
	};
	note = 0
}

proctype coordinator() {
	byte t;
	bool ok, seen, done;
	do
	:: !done ->
		{
			recover();
			if
			:: committed == 0 -> defer()
			:: else
			fi;
			do
			:: committed < COMMANDS -> answer()
			:: else -> break
			od;
			done = true
		} unless { strike -> strike = false }
	:: done -> break
	od;
	over++
}

proctype killer() {
end_of_it:
	do
	:: atomic {
		deaths < DEATHS && !strike -> deaths++;
		strike = true
	}
	od
}

init {
	atomic {
		run client();
		run buffer();
		run coordinator();
		run killer()
	};
	over == 2;
	assert(taken == accepted[1] + accepted[2])
}
