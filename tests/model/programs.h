/*
 * Random programs, until one shows that the library and its model differ.
 */
#ifndef TESTS_MODEL_PROGRAMS_H
#define TESTS_MODEL_PROGRAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"

/* Bytes of a program: the same of a seed wherever it runs. */
static inline void
program_draw(uint8_t *bytes, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)rand_next(&seed);
}

/* What the first program that differs says, and its seed; NULL: of seeds 0 to
 * n - 1 none does. */
static inline const char *
programs_run(const char *(*program)(uint32_t seed, int fault), uint32_t n,
	     int fault, uint32_t *seed)
{
	const char *bad = NULL;

	for (uint32_t i = 0; !bad && i < n; i++) {
		bad = program(i, fault);
		*seed = i;
	}
	return bad;
}

#endif
