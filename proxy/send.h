/*
 * send.h: from a call to a ticket: the record in the lane, the flags raised, its place in the ring, the doorbell rung.
 */
#ifndef STOA_SEND_H
#define STOA_SEND_H

#include "proxy/lane.h"
#include "proxy/proxy.h"

/* A record being written. Until send_publish nothing of it is shared. */
struct sending {
	struct lane *lane;
	struct record *record;
	struct note *note; /* NULL: it is not answered */
	char *args;	 /* args_size bytes, to be filled in */
	uint64_t ticket; /* once published */
	uint64_t mark;	 /* of its run (src/fold.h) */
	int64_t timeout;
	int64_t deadline; /* 0: nobody had to wait yet, nor to look at the clock */
	bool rung;	  /* the coordinator was asleep, and has been woken for it */
};

/* When the timeout is over, from the first time that anybody asks. */
int64_t send_deadline(struct sending *w);

/* Take a record with room for its arguments and an answer of reply_size (0: none).
 * Waits for room until the deadline. */
int send_begin(struct stoa *s, size_t args_size, size_t reply_size, int64_t timeout, struct sending *ret);

/* The same in this lane, also when its epoch has ended meanwhile: send_publish then tells whether it was taken. */
int send_begin_in(struct lane *lane, size_t args_size, size_t reply_size, int64_t timeout, struct sending *ret);

/* What a command will change: flags of one object, by their places behind the first. */
struct flags {
	_Atomic uint64_t *first;
	const uint32_t *places;
	uint32_t n;
};
struct flags send_flags(const struct target *t, const uint32_t *attrs, uint32_t n);

/*
 * Raise n sets of flags and publish it. -EAGAIN: no room in the queue within the timeout; -ESHUTDOWN. The record is
 * taken back on failure.
 */
int send_publish(struct sending *w, const struct flags *flags, size_t n);

/* The target to send to; a dead one is refused here (-ESTALE), so that no flag of another object is raised. */
int send_target(struct stoa_proxy *p, struct target **ret);

/* The attribute at this offset, if it can be assigned from size bytes. -EINVAL, -EPERM, -EPROTO. */
int send_check_assign(const struct stoa_proxy *p, const struct target *t, uint32_t attr, size_t size,
		      const struct bound_attr **ret);

/* Fill in the record's head for a command on this object. */
void send_address(struct record *r, const struct target *t, enum record_kind kind, uint32_t row);

#endif
