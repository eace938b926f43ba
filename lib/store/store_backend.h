/*
 * What the library's own backends share: see aibrix/backend.h for what a
 * backend is.
 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include <string.h>

#include <aibrix/backend.h>

/* Of all iov together; the front has checked that the sum fits. */
static inline uint64_t
io_bytes(const aibrix_io *io)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < io->n_iov; i++)
		sum += io->iov[i].bytes;
	return sum;
}

/* bytes, no more than fit, into io's memory. */
static inline void
io_scatter(const aibrix_io *io, const void *bytes, uint64_t n)
{
	const uint8_t *from = bytes;

	for (uint32_t i = 0; i < io->n_iov && n; i++) {
		uint64_t some = io->iov[i].bytes;

		if (some > n)
			some = n;
		if (some)
			memcpy(io->iov[i].base, from, some);
		from += some;
		n -= some;
	}
}

extern const aibrix_backend aibrix__store_mem;
extern const aibrix_backend aibrix__store_file;
extern const aibrix_backend aibrix__store_shfs;
extern const aibrix_backend aibrix__store_resp;

#endif
