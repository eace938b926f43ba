/*
 * What the library's own backends share: see aibrix/backend.h for what a
 * backend is.
 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

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

extern const aibrix_backend aibrix__store_mem;
extern const aibrix_backend aibrix__store_file;
extern const aibrix_backend aibrix__store_shfs;
extern const aibrix_backend aibrix__store_resp;

#endif
