/* Where a model's program gets its choices: from a seed, or from a fuzzer's
 * bytes, which end in zeros. */
#ifndef TESTS_CHOICES_H
#define TESTS_CHOICES_H

#include <stddef.h>
#include <stdint.h>

#include "base/rand.h"

struct choices {
	uint64_t rand;
	const uint8_t *data; /* NULL: draw from rand */
	size_t left;
};

/* Below n. */
static inline uint32_t
draw(struct choices *c, uint32_t n)
{
	if (!c->data)
		return rand_below(&c->rand, n);
	if (c->left == 0)
		return 0;
	c->left--;
	return *c->data++ % n;
}

#endif
