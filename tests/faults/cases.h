/*
 * Cases of a test program that breaks its own surroundings: each runs in a
 * process of its own, so that nothing is left of it however it ends.  TAP.
 */
#ifndef TESTS_FAULTS_CASES_H
#define TESTS_FAULTS_CASES_H

#include <stdio.h>

/* A failed expectation fails the case, which goes on. */
#define expect(condition, ...)                                                 \
	do {                                                                   \
		if (!(condition))                                              \
			case_failed(__FILE__, __LINE__, #condition,            \
				    __VA_ARGS__);                              \
	} while (0)

struct fault_case {
	const char *name;
	void (*run)(void);
};

__attribute__((format(printf, 4, 5))) void case_failed(const char *file,
						       int line,
						       const char *what,
						       const char *format, ...);

/* These two end the case. */
__attribute__((format(printf, 1, 2))) _Noreturn void
case_skip(const char *format, ...);
__attribute__((format(printf, 1, 2))) _Noreturn void
case_abort(const char *format, ...);

/* All of them, or those whose name contains `only`.  The program's exit
 * status. */
int cases_run(const struct fault_case *cases, size_t n, const char *only,
	      unsigned int seconds_each);

#endif
