/*
 * coverage.h: included before all else when coverage is measured. Guardians, coordinators and the children of tests end
 * by _exit, which would not write what they counted; nor would who may write no file.
 */
#ifndef STOA_COVERAGE_H
#define STOA_COVERAGE_H

#include <sys/resource.h>
#include <unistd.h>

void __gcov_dump(void);

__attribute__((noreturn)) static inline void coverage_exit(int status)
{
	struct rlimit files;
	getrlimit(RLIMIT_FSIZE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_FSIZE, &files);
	__gcov_dump();
	_exit(status);
}
#define _exit(status) coverage_exit(status)

#endif
