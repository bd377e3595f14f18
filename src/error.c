/*
 * error.c: the last error of each thread, and the text of every code the library returns.
 *
 * The texts are about stoa where the system's would mislead ("Stale file handle" for a removed object). A code that is
 * not in the table is a method's own: it gets the system's text.
 */
#include "src/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct stoa_error last;

static const struct error_row rows[] = {
	{ -EACCES, "not allowed to use this namespace" },
	{ -EAGAIN, "no room in the queue now; try again" },
	{ -EBADMSG, "damaged bytes, or of another format" },
	{ -EBUSY, "too late: threads are running already" },
	{ -ECANCELED, "timed out; the command will never apply" },
	{ -ECONNABORTED, "this process was evicted from the namespace" },
	{ -ECONNRESET, "the coordinator is gone; a command on its way may still be applied" },
	{ -EDEADLK, "a method may not call stoa on its own namespace" },
	{ -EEXIST, "the name is taken" },
	{ -EFAULT, "the method crashed and changed nothing" },
	{ -EFBIG, "over a limit of this process or of the file system" },
	{ -EINVAL, "a wrong argument" },
	{ -EIO, "the shared memory is damaged" },
	{ -EMFILE, "the limit of attached threads is reached" },
	{ -EMSGSIZE, "larger than this may be" },
	{ -ENAMETOOLONG, "the name is too long" },
	{ -ENFILE, "too many namespaces in this process" },
	{ -ENODEV, "no shared memory to be had here" },
	{ -ENOENT, "nothing of this name or number" },
	{ -ENOMEM, "out of memory" },
	{ -ENOSPC, "a limit of the namespace is reached, or its file system is full" },
	{ -ENOSYS, "this process has no code for it" },
	{ -ENOTCONN, "the coordinator is gone" },
	{ -EOVERFLOW, "a number is out of range" },
	{ -EPERM, "the attribute is not writable" },
	{ -EPROTO, "a row differs from the coordinator's" },
	{ -ESHUTDOWN, "the coordinator is stopping" },
	{ -ESTALE, "the object was removed, or nobody waits for the answer" },
	{ -ETIME, "the method overran its deadline and changed nothing" },
	{ -ETIMEDOUT, "timed out; a command may still apply" },
};

const struct error_row *error_rows(size_t *ret_n)
{
	*ret_n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

int error_set(int code, const char *format, ...)
{
	va_list args;

	last = (struct stoa_error){ .code = code, .origin = STOA_FROM_LIBRARY };
	va_start(args, format);
	vsnprintf(last.text, sizeof(last.text), format, args);
	va_end(args);
	return code;
}

int error_set_command(int code, enum stoa_origin origin, bool may_apply, uint64_t ticket, const char *text, size_t size)
{
	const char *from = size ? text : stoa_strerror(code);
	size_t n = size ? size : strlen(from);

	last = (struct stoa_error){ .code = code, .origin = origin, .may_apply = may_apply, .ticket = ticket };
	memcpy(last.text, from, n < STOA_ERROR_MAX ? n : STOA_ERROR_MAX - 1);
	return code;
}

void stoa_last_error(struct stoa_error *ret_error)
{
	*ret_error = last;
}

const char *stoa_strerror(int code)
{
	const char *text;

	if (code >= 0)
		return code == 0 ? "done" : "not an error";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code)
			return rows[i].text;
	text = code >= -4095 ? strerrordesc_np(-code) : NULL; /* the kernel's range: -INT_MIN is no int */
	return text ? text : "unknown error";
}
