/*
 * standard.h: standard input, output and error are taken, before anything else is opened. One that was closed would be
 * the number of a segment, and what is printed would be written into that.
 */
#ifndef STOA_STANDARD_H
#define STOA_STANDARD_H

#include <fcntl.h>
#include <unistd.h>

/* As with a closed one, reading from the input fails, and writing to the others. */
static inline void standard_take(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return;
}

#endif
