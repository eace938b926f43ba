/* What a stress program insists on: it says what does not hold, and ends. */
#ifndef TESTS_STRESS_REQUIRE_H
#define TESTS_STRESS_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(x) ((x) ? (void)0 : require_failed(#x, __FILE__, __LINE__))

static inline void
require_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

#endif
