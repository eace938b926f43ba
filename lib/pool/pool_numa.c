/*
 * Which node of the machine a pool's pages come from.
 *
 * A page is placed when it is first touched, so a mapping is bound right
 * after it is made.  Of libnuma only the system call is used: its view of
 * the machine comes with globals and warnings on standard error.
 */

#include "pool/pool_internal.h"

#include <errno.h>

#if AIBRIX__NUMA

#include <numaif.h>

int
aibrix__pool_bind(const struct pool_source *from, unsigned char *base,
		  size_t bytes)
{
	static const int modes[] = {
		[AIBRIX_POOL_NUMA_BIND] = MPOL_BIND,
		[AIBRIX_POOL_NUMA_PREFER] = MPOL_PREFERRED,
		[AIBRIX_POOL_NUMA_INTERLEAVE] = MPOL_INTERLEAVE,
	};
	enum { WORD = 8 * sizeof(unsigned long), WORDS = 64 / WORD };
	unsigned long nodes[WORDS];

	for (uint32_t i = 0; i < WORDS; i++)
		nodes[i] = (unsigned long)(from->nodes >> i * (WORD % 64));
	/* The system takes the count of bits as one more than it is. */
	if (mbind(base, bytes, modes[from->numa], nodes, 64 + 1, 0) == 0)
		return AIBRIX_OK;
	switch (errno) {
	case EPERM:
	case EACCES: return AIBRIX_E_DENIED;
	case EINVAL: return AIBRIX_E_INVAL;
	case ENOSYS: return AIBRIX_E_UNSUPPORTED;
	default: return AIBRIX_E_NOMEM;
	}
}

#else

int
aibrix__pool_bind(const struct pool_source *from, unsigned char *base,
		  size_t bytes)
{
	(void)from;
	(void)base;
	(void)bytes;
	return AIBRIX_E_UNSUPPORTED;
}

#endif
