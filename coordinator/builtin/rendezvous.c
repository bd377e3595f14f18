/*
 * rendezvous.c: the methods of the built-in class "rendezvous". A step is done by the arrival of the last party, in the
 * one order of commands: whoever withdraws, dies or resets came before that or after it.
 */
#include "include/stoa/rendezvous.h"

#include <errno.h>
#include <string.h>

STOA_STRUCT(rendezvous, STOA_ATTR(struct rendezvous, parties, .doc = "how many do a step together"),
	    STOA_ATTR(struct rendezvous, joined, .doc = "parties that have a seat"),
	    STOA_ATTR(struct rendezvous, arrived, .doc = "of them, who wait for the others"),
	    STOA_ATTR(struct rendezvous, step, .doc = "the last that is over"),
	    STOA_ATTR(struct rendezvous, news, .doc = "grows when a step is done, at a break and at a reset"),
	    STOA_ATTR(struct rendezvous, broken, .doc = "a party died"),
	    STOA_ATTR(struct rendezvous, lost_pid, .doc = "whose death was seen first"),
	    STOA_ATTR(struct rendezvous, seats, .doc = "given out ever"), STOA_ATTR(struct rendezvous, seat),
	    STOA_ATTR(struct rendezvous, number), STOA_ATTR(struct rendezvous, pid), STOA_ATTR(struct rendezvous, here));
STOA_STRUCT(rendezvous_of, STOA_ATTR(struct rendezvous_of, parties, .doc = "1 to 256"));
STOA_STRUCT(rendezvous_seat, STOA_ATTR(struct rendezvous_seat, seat, .doc = "as join gave it"));
STOA_STRUCT(rendezvous_arrival, STOA_ATTR(struct rendezvous_arrival, step, .doc = "that it arrived for"),
	    STOA_ATTR(struct rendezvous_arrival, done, .doc = "it was the last"));
STOA_STRUCT(rendezvous_doubt, STOA_ATTR(struct rendezvous_doubt, seat, .doc = "as join gave it"),
	    STOA_ATTR(struct rendezvous_doubt, step, .doc = "that it arrived for"));
STOA_STRUCT(rendezvous_end, STOA_ATTR(struct rendezvous_end, done, .doc = "the step was done by all"),
	    STOA_ATTR(struct rendezvous_end, broken));
STOA_STUB(rendezvous, look, stoa_none, stoa_none);

static int rendezvous_init(void *self, const void *args)
{
	uint32_t n = ((const struct rendezvous_of *)args)->parties;
	if (n == 0 || n > RENDEZVOUS_MAX)
		return stoa_fail(-EINVAL, "parties is %u; it can be 1 to %d", n, RENDEZVOUS_MAX);
	((struct rendezvous *)self)->parties = n;
	return 0;
}

static const struct stoa_hooks rendezvous_hooks = { .init_args = &rendezvous_of_struct, .init = rendezvous_init };

static int check_whole(const struct rendezvous *self)
{
	return self->broken ? stoa_fail(-EOWNERDEAD, "a party, pid %u, was lost; reset it, and let all join again",
					self->lost_pid)
			    : 0;
}

/* The caller's place by his seat, or an error. */
static int place_of(const struct rendezvous *self, uint64_t seat)
{
	int i = 0;
	while (i < RENDEZVOUS_MAX && (seat == 0 || self->seat[i] != seat))
		i++;
	if (i == RENDEZVOUS_MAX)
		return stoa_fail(-ENOENT, "seat %ju is nobody's; join to have one", (uintmax_t)seat);
	if (self->number[i] != stoa_caller()->number)
		return stoa_fail(-EPERM, "seat %ju is of pid %u", (uintmax_t)seat, self->pid[i]);
	return i;
}

static void set_empty(struct rendezvous *self, int i)
{
	self->arrived -= self->here[i];
	self->joined--;
	self->here[i] = false;
	self->seat[i] = self->number[i] = 0;
	self->pid[i] = 0;
}

static int rendezvous_join(struct rendezvous *self, const stoa_none *args, struct rendezvous_seat *ret)
{
	int i = 0, r = check_whole(self);
	(void)args;
	if (r < 0)
		return r;
	while (i < RENDEZVOUS_MAX && self->seat[i])
		i++;
	if (self->joined >= self->parties || i == RENDEZVOUS_MAX)
		return stoa_fail(-EUSERS, "all %u parties are there already", self->parties);
	self->joined++;
	self->seat[i] = ret->seat = ++self->seats;
	self->number[i] = stoa_caller()->number;
	self->pid[i] = (uint32_t)stoa_caller()->pid;
	return 0;
}

static int rendezvous_leave(struct rendezvous *self, const struct rendezvous_seat *args, stoa_none *ret)
{
	int i = place_of(self, args->seat);
	(void)ret;
	if (i < 0)
		return i;
	set_empty(self, i);
	return 0;
}

static int rendezvous_arrive(struct rendezvous *self, const struct rendezvous_seat *args,
			     struct rendezvous_arrival *ret)
{
	int r = check_whole(self), i = r ? r : place_of(self, args->seat);
	if (i < 0)
		return i;
	if (self->here[i])
		return stoa_fail(-EALREADY, "seat %ju is there already for step %ju", (uintmax_t)args->seat,
				 (uintmax_t)self->step + 1);
	self->here[i] = true;
	ret->step = self->step + 1;
	ret->done = ++self->arrived == self->parties;
	if (ret->done) {
		memset(self->here, 0, sizeof(self->here));
		self->arrived = 0;
		self->step++;
		self->news++;
	}
	return 0;
}

static int rendezvous_withdraw(struct rendezvous *self, const struct rendezvous_doubt *args, struct rendezvous_end *ret)
{
	int i = place_of(self, args->seat);
	if (i < 0)
		return i;
	ret->broken = self->broken;
	ret->done = args->step <= self->step;
	if (!ret->done && self->here[i]) {
		self->here[i] = false;
		self->arrived--;
	}
	return 0;
}

/* The step that it cuts off is over, too: those who wait for it look, and find that they have no seat. */
static int rendezvous_reset(struct rendezvous *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	for (int i = 0; i < RENDEZVOUS_MAX; i++)
		if (self->seat[i])
			set_empty(self, i);
	self->broken = false;
	self->lost_pid = 0;
	self->step++;
	self->news++;
	return 0;
}

static int rendezvous_look(struct rendezvous *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	for (int i = 0; i < RENDEZVOUS_MAX; i++) {
		if (self->seat[i] == 0 || stoa_attached(self->number[i]))
			continue;
		self->lost_pid = self->broken ? self->lost_pid : self->pid[i];
		self->news += !self->broken;
		self->broken = true;
		set_empty(self, i);
	}
	return 0;
}

#define PLACES "joined arrived seat number pid here"
STOA_METHOD(rendezvous, join, stoa_none, rendezvous_seat, .writes = "joined seats seat number pid",
	    .doc = "become a party");
STOA_METHOD(rendezvous, leave, rendezvous_seat, stoa_none, .writes = PLACES, .doc = "in good order");
STOA_METHOD(rendezvous, arrive, rendezvous_seat, rendezvous_arrival, .writes = "arrived step news here",
	    .doc = "be there for the next step");
STOA_METHOD(rendezvous, withdraw, rendezvous_doubt, rendezvous_end, .writes = "arrived here",
	    .doc = "not be there any more, if it is not done");
STOA_METHOD(rendezvous, reset, stoa_none, stoa_none, .writes = PLACES " broken lost_pid step news",
	    .doc = "begin anew, with nobody");
STOA_METHOD(rendezvous, look, stoa_none, stoa_none, .writes = PLACES " broken lost_pid news",
	    .doc = "break it if a party is gone", .on_leave = true);
STOA_CLASS_HOOKS(rendezvous, 1, &rendezvous_hooks, &rendezvous_join_row, &rendezvous_leave_row, &rendezvous_arrive_row,
		 &rendezvous_withdraw_row, &rendezvous_reset_row, &rendezvous_look_row);
